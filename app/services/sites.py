"""Sites: drafted, published, and shown in full."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlmodel import Session, col, select

from app.db import violating
from app.errors import Conflict, NotFound
from app.models import (
    Category,
    Crs,
    Programme,
    Site,
    SiteKind,
    SiteStatus,
    Venue,
)
from app.services import cards, locations
from app.services.cards import Card
from app.services.coordinates import Place
from app.services.locations import Typed

CODE_ONCE = "site_code_key"
PHONE = r"^[+0-9][0-9 ()-]{4,19}$"
"""A number to ring, of a house or a person."""


class SiteNotFound(NotFound):
    """There is no such site, or it is not open to the public."""

    zh = "阵地不存在或未开放"


class SiteCodeTaken(Conflict):
    """Another site has this code."""

    zh = "阵地编号已被使用"


class SiteClosed(Conflict):
    """The site was closed for good."""

    zh = "阵地已永久关闭"


def create(
    session: Session,
    *,
    district_id: UUID,
    town_id: UUID,
    code: str,
    name: str,
    short_name: str,
    category: Category,
    kinds: Iterable[SiteKind],
    address: str,
    summary: str,
    introduction: str,
    at: tuple[float, float],
    crs: Crs,
    contact_name: str,
    contact_phone: str,
    gate: tuple[float, float] | None = None,
    parking_cars: int = 0,
    parking_coaches: int = 0,
    step_free: bool = False,
    ticketed: bool = False,
    lend: Iterable[str] = (),
    honours: Iterable[str] = (),
    source_note: str | None = None,
    confirmed_outside_by: UUID | None = None,
) -> Site:
    """Draft a site.

    Args:
        session: open transaction.
        district_id: organisation at the root of its district.
        town_id: organisation of the town it lies in.
        code: its short name among machines, unique.
        name: in full.
        short_name: for the map.
        category: one of four.
        kinds: what it is.
        address: for people.
        summary: one sentence.
        introduction: the long text.
        at: (longitude, latitude) in `crs`, degrees; kept beside the WGS-84 they become.
        crs: of `at` and `gate`.
        contact_name: who answers.
        contact_phone: their number, shown to those who sign in.
        gate: where to navigate to, (longitude, latitude) in `crs`; without it, `at`.
        parking_cars: places.
        parking_coaches: places.
        step_free: whether a wheelchair gets in.
        ticketed: whether others pay to get in.
        lend: what may be borrowed.
        honours: what it was named.
        source_note: where the point was read off.
        confirmed_outside_by: who said that the point really lies outside the district.

    Raises:
        OutsideDistrict: a point is outside the district's outline and nobody confirmed it.
        SiteCodeTaken: the code is in use.
    """
    typed = Typed(Place(*at), crs, Place(*gate) if gate else None, source_note)
    placed = locations.columns(
        session, district_id=district_id, typed=typed, confirmed_by=confirmed_outside_by
    )
    site = Site(
        district_id=district_id,
        town_id=town_id,
        code=code,
        name=name,
        short_name=short_name,
        category=category,
        kinds=list(kinds),
        address=address,
        summary=summary,
        introduction=introduction,
        parking_cars=parking_cars,
        parking_coaches=parking_coaches,
        step_free=step_free,
        ticketed=ticketed,
        lend=list(lend),
        honours=list(honours),
        contact_name=contact_name,
        contact_phone=contact_phone,
        **placed,
    )
    session.add(site)
    with violating(CODE_ONCE, SiteCodeTaken(site_code=code)):
        session.flush()
    return site


def verify_location(session: Session, *, site: Site, by: UUID, now: datetime) -> None:
    """Record that the account `by` compared the site's point with the ground."""
    site.location_verified_at, site.location_verified_by = now, by
    site.version += 1
    session.add(site)
    session.flush()


def publish(session: Session, *, site: Site) -> None:
    """Show a draft or suspended site to everybody; a published one stays so.

    Raises:
        SiteClosed: it was closed for good.
    """
    if site.status == SiteStatus.CLOSED:
        raise SiteClosed
    if site.status != SiteStatus.PUBLISHED:
        site.status, site.status_reason = SiteStatus.PUBLISHED, None
        site.version += 1
        session.add(site)
        session.flush()


@dataclass(frozen=True)
class Detail:
    """A site with all that the public may know of it; `site` holds the contact as well."""

    site: Site
    card: Card
    venues: Sequence[Venue]
    programmes: Sequence[Programme]


def published(session: Session, *, site_id: UUID) -> Site:
    """Return a published site.

    Raises:
        SiteNotFound: there is none of this id.
    """
    site = session.get(Site, site_id)
    if site is None or site.status != SiteStatus.PUBLISHED:
        raise SiteNotFound
    return site


def detail(session: Session, *, site_id: UUID, now: datetime) -> Detail:
    """Return a published site with its halls and its menu, each in the order they were added.

    Raises:
        SiteNotFound: there is none of this id.
    """
    site = published(session, site_id=site_id)
    card = cards.card(session, site_id=site_id, now=now)
    if card is None:  # suspended between the two statements
        raise SiteNotFound
    return with_card(session, site=site, card=card)


def with_card(session: Session, *, site: Site, card: Card) -> Detail:
    """Return a site of any state with its halls and its menu, as far as they are in use."""
    by_site = {"site_id": site.id, "active": True}
    venues = session.exec(select(Venue).filter_by(**by_site).order_by(col(Venue.id))).all()
    programmes = session.exec(
        select(Programme).filter_by(**by_site).order_by(col(Programme.id))
    ).all()
    return Detail(site, card, venues, programmes)
