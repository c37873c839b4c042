"""A site's life: what may follow what, by whom, and what it must have to be shown."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from app.errors import DomainError, Stale
from app.models import Account, Booking, Role, Site, Venue, VenueSession
from app.models import SiteStatus as S
from app.services import cards, orders, site_states
from app.services.access import NotInScope
from app.services.site_states import MOVES, SiteNotReady, SiteStateConflict, allowed_moves
from app.services.sites import SiteClosed
from tests.conftest import NOW
from tests.makers import (
    World,
    actor,
    make_account,
    make_booking,
    make_session,
    make_venue,
    make_world,
    wanted,
)
from tests.races import at_once
from tests.services.grounds import EVERY_DAY, hours

DAYS = 60


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


def move(
    session: Session, who: Account, site: Site, name: str, *, version: int | None = None
) -> Site:
    said: dict[str, Any] = {
        "actor": actor(session, who),
        "site_id": site.id,
        "version": site.version if version is None else version,
    }
    if name == "publish":
        return site_states.publish(session, **said, now=NOW)
    return site_states.withdraw(session, **said, name=name, reason="展陈升级")


LIFE = {
    (S.DRAFT, "publish"): S.PUBLISHED,
    (S.DRAFT, "close"): S.CLOSED,
    (S.PUBLISHED, "suspend"): S.SUSPENDED,
    (S.PUBLISHED, "close"): S.CLOSED,
    (S.SUSPENDED, "publish"): S.PUBLISHED,
    (S.SUSPENDED, "close"): S.CLOSED,
}


@pytest.mark.parametrize("status", S)
@pytest.mark.parametrize("name", MOVES)
def test_every_move_from_every_state(session: Session, world: World, status: S, name: str) -> None:
    world.site.status = status
    session.flush()
    ends = LIFE.get((status, name))
    if ends is not None:
        assert move(session, world.district_staff, world.site, name).status == ends
        reason = None if name == "publish" else "展陈升级"
        assert (world.site.status_reason, world.site.version) == (reason, 2)
        return
    refusal = SiteClosed if status == S.CLOSED else SiteStateConflict
    with pytest.raises(refusal) as refused:
        move(session, world.district_staff, world.site, name)
    if refusal is SiteStateConflict:
        allowed = [one for one in MOVES if (status, one) in LIFE]
        assert refused.value.facts == {"current_status": status, "allowed_moves": allowed}
    assert world.site.version == 1


def test_the_table_tells_what_is_possible() -> None:
    assert {status: allowed_moves(status) for status in S} == {
        S.DRAFT: ["publish", "close"],
        S.PUBLISHED: ["suspend", "close"],
        S.SUSPENDED: ["publish", "close"],
        S.CLOSED: [],
    }


@pytest.mark.parametrize("who", ["manager", "town_staff"])
@pytest.mark.parametrize("name", MOVES)
def test_only_district_staff_open_and_shut(
    session: Session, world: World, who: str, name: str
) -> None:
    with pytest.raises(NotInScope):
        move(session, getattr(world, who), world.site, name)


def draft(session: Session, world: World) -> Venue:
    """Let the world's site be a draft with a hall that has weekly hours and nothing booked."""
    session.delete(world.slot)
    world.site.status = S.DRAFT
    hours(session, world.venue, EVERY_DAY)
    session.flush()
    return world.venue


def missing(session: Session, world: World) -> list[str]:
    with pytest.raises(SiteNotReady) as refused:
        move(session, world.district_staff, world.site, "publish")
    assert refused.value.detail("zh").startswith("缺少：")
    assert all(name in refused.value.detail("en") for name in refused.value.missing)
    assert world.site.status == S.DRAFT
    return refused.value.missing


@pytest.mark.parametrize("name", site_states.TEXTS)
def test_a_site_without_its_texts_is_not_shown(session: Session, world: World, name: str) -> None:
    draft(session, world)
    setattr(world.site, name, " ")
    assert missing(session, world) == [name]


def test_a_site_without_a_hall_is_not_shown(session: Session, world: World) -> None:
    draft(session, world).active = False
    assert missing(session, world) == ["venue", "hours"]


@pytest.mark.parametrize(
    ("valid_to", "ready"),
    [(None, True), (NOW.date() + timedelta(days=1), True), (NOW.date(), False)],
)
def test_hours_that_are_over_do_not_count(
    session: Session, world: World, valid_to: date | None, *, ready: bool
) -> None:
    session.delete(world.slot)
    world.site.status = S.DRAFT
    hours(session, world.venue, EVERY_DAY, valid_to=valid_to)
    if ready:
        assert move(session, world.district_staff, world.site, "publish").status == S.PUBLISHED
    else:
        assert missing(session, world) == ["hours"]


@pytest.mark.parametrize(("starts_at", "ready"), [(NOW, False), (NOW + timedelta(1), True)])
def test_a_session_to_come_is_as_good_as_hours(
    session: Session, world: World, starts_at: datetime, *, ready: bool
) -> None:
    session.delete(world.slot)
    world.site.status = S.DRAFT
    make_session(session, world.venue, starts_at=starts_at)
    if ready:
        assert move(session, world.district_staff, world.site, "publish").status == S.PUBLISHED
    else:
        assert missing(session, world) == ["hours"]


def test_what_is_published_can_be_ordered_at_once(session: Session, world: World) -> None:
    venue = draft(session, world)
    of_hall = select(VenueSession).where(VenueSession.venue_id == venue.id)
    assert session.exec(of_hall).all() == []
    move(session, world.district_staff, world.site, "publish")
    slots = session.exec(of_hall).all()
    last = max(slot.starts_at for slot in slots)
    assert last.date() == NOW.date() + timedelta(days=DAYS)
    card = cards.card(session, site_id=world.site.id, now=NOW)
    assert card is not None
    assert card.next_free_at is not None


@pytest.mark.parametrize("name", ["suspend", "close"])
def test_what_is_booked_stays_and_nothing_new_comes(
    session: Session, world: World, name: str
) -> None:
    booking = make_booking(session, world, people=5)
    later = make_session(session, make_venue(session, world.site))
    before = (booking.status, booking.version)
    move(session, world.district_staff, world.site, name)
    session.expire_all()
    stands = session.get_one(Booking, booking.id)
    assert (stands.status, stands.version) == before
    with pytest.raises(DomainError):
        orders.order(
            session,
            actor=actor(session, world.organiser),
            wanted=wanted(world, later),
            now=NOW,
        )
    assert cards.card(session, site_id=world.site.id, now=NOW) is None


def test_another_version_is_not_moved(session: Session, world: World) -> None:
    with pytest.raises(Stale):
        move(session, world.district_staff, world.site, "suspend", version=7)


def test_of_those_who_move_at_once_one_is_first(own_engine: Engine) -> None:
    with Session(own_engine, expire_on_commit=False) as session, session.begin():
        world = make_world(session)
        other = make_account(session, Role.DISTRICT_STAFF, at=world.district)
    people = (world.district_staff, other)

    def attempt(n: int) -> str:
        with Session(own_engine) as session, session.begin():
            try:
                move(session, people[n % 2], world.site, ("suspend", "close")[n % 2], version=1)
            except (Stale, SiteClosed) as refusal:
                return type(refusal).__name__
            return "moved"

    outcomes = at_once(6, attempt)
    assert outcomes.count("moved") == 1
    with Session(own_engine) as session:
        assert session.get_one(Site, world.site.id).version == 2
