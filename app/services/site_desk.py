"""Sites as those see them who keep them: in every state, and with what they lack."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, exists, func, not_, or_
from sqlalchemy.dialects.postgresql import array
from sqlmodel import Session, col, select

from app.models import (
    Category,
    LocationReport,
    Organisation,
    ReportStatus,
    Site,
    SitePhoto,
    SiteStatus,
)
from app.services import cards, coordinates, sites
from app.services.access import Actor
from app.services.cards import Card
from app.services.site_scope import in_scope

GOOD_FOR = timedelta(days=365)
"""How long it counts that somebody looked at a site's point, or rang its number."""


class Flag(StrEnum):
    """What a site lacks: 无照片、位置未核实、电话未确认、位置有异议.

    The point was not verified, or the phone not confirmed, within `GOOD_FOR`; or a visitor's
    report that the point is wrong waits for an answer.
    """

    NO_PHOTO = "no_photo"
    LOCATION_UNVERIFIED = "location_unverified"
    PHONE_UNCONFIRMED = "phone_unconfirmed"
    LOCATION_DISPUTED = "location_disputed"


@dataclass(frozen=True)
class Kept:
    """A site of any state, the name of its town, and its flags."""

    site: Site
    town: str
    flags: Sequence[Flag]


def page(
    session: Session,
    *,
    actor: Actor,
    status: SiteStatus | None = None,
    flag: Flag | None = None,
    after: UUID | None = None,
    limit: int,
    now: datetime,
) -> list[Kept]:
    """Return sites of the actor's scope, the newest first.

    Args:
        session: open transaction.
        actor: who looks.
        status: only those.
        flag: only those that lack this.
        after: id of the last one of the page before.
        limit: at most so many.
        now: the present instant, aware.
    """
    wanted: list[ColumnElement[bool]] = []
    if status is not None:
        wanted.append(col(Site.status) == status)
    if flag is not None:
        wanted.append(_flags(now)[flag])
    if after is not None:
        wanted.append(col(Site.id) < after)
    return _kept(session, actor, now, limit, *wanted)


def one(session: Session, *, actor: Actor, site_id: UUID, now: datetime) -> Kept | None:
    """Return a site if it is in the actor's scope."""
    return next(iter(_kept(session, actor, now, 1, col(Site.id) == site_id)), None)


def get(session: Session, *, actor: Actor, site_id: UUID, now: datetime) -> Kept:
    """Return a site of the actor's scope.

    Raises:
        SiteNotFound: there is none, or it is outside the actor's scope.
    """
    found = one(session, actor=actor, site_id=site_id, now=now)
    if found is None:
        raise sites.SiteNotFound
    return found


def detail(session: Session, *, kept: Kept, now: datetime) -> sites.Detail:
    """Return a site of any state with its halls and its menu, as the public would see it."""
    card = cards.card(session, site_id=kept.site.id, now=now) or _unpublished(kept)
    return sites.with_card(session, site=kept.site, card=card)


def _kept(
    session: Session, actor: Actor, now: datetime, limit: int, *wanted: ColumnElement[bool]
) -> list[Kept]:
    named = [case((lacks, str(flag))) for flag, lacks in _flags(now).items()]
    flagged: Any = func.array_remove(array(named), None)
    query = (
        select(Site, Organisation.place, flagged)
        .join(Organisation, col(Organisation.id) == Site.town_id)
        .where(in_scope(actor), *wanted)
        .order_by(col(Site.id).desc())
        .limit(limit)
    )
    return [
        Kept(site, town or "", list(map(Flag, flags))) for site, town, flags in session.exec(query)
    ]


def _flags(now: datetime) -> dict[Flag, ColumnElement[bool]]:
    since = now - GOOD_FOR
    verified, confirmed = col(Site.location_verified_at), col(Site.phone_confirmed_at)
    report, photo = col(LocationReport.site_id), col(SitePhoto.site_id)
    return {
        Flag.NO_PHOTO: not_(exists().where(photo == Site.id)),
        Flag.LOCATION_UNVERIFIED: or_(verified.is_(None), verified < since),
        Flag.PHONE_UNCONFIRMED: or_(confirmed.is_(None), confirmed < since),
        Flag.LOCATION_DISPUTED: exists().where(
            and_(report == Site.id, col(LocationReport.status) == ReportStatus.OPEN)
        ),
    }


def _unpublished(kept: Kept) -> Card:
    site = kept.site
    return Card(
        id=site.id,
        name=site.name,
        short_name=site.short_name,
        category=Category(site.category),
        kinds=site.kinds,
        town=kept.town,
        address=site.address,
        summary=site.summary,
        next_free_at=None,
        rating=None,
        photo_url=None,
        at=coordinates.place(site.location),
    )
