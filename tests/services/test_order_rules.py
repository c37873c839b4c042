"""Refusals: each names its rule and the rule's value, and offers only what is then accepted."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import Session, col, select

from app.models import (
    ApprovalMode,
    Guide,
    Organisation,
    Policy,
    Programme,
    Role,
    Site,
    SiteStatus,
    Suspension,
    VenueSession,
)
from app.services import orders, refusals
from app.services.order_rules import Wanted
from app.services.refusals import Refused
from tests.conftest import NOW
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    World,
    actor,
    make_account,
    make_booking,
    make_organisation,
    make_policy,
    make_programme,
    make_session,
    make_site,
    make_venue,
    make_world,
    wanted,
)

DAY = timedelta(days=1)
Facts = dict[str, Any]


@pytest.fixture
def world(session: Session) -> World:
    """A world where a lot is free: other times here, and two sites with the same on their menu."""
    world = make_world(session)
    for days in (1, 2, 9, 70):
        make_session(session, world.venue, starts_at=IN_A_WEEK + days * DAY)
    for longitude in (117.98, 118.1):
        site = make_site(session, world.town, at=(longitude, 36.64))
        make_programme(session, site, people_limit=200)
        hall = make_venue(session, site, people_limit=200)
        for days in (0, 1, 3):
            make_session(session, hall, starts_at=IN_A_WEEK + days * DAY)
    return world


def order(session: Session, world: World, what: Wanted) -> None:
    orders.order(session, actor=actor(session, world.organiser), wanted=what, now=NOW)


def refused(session: Session, world: World, what: Wanted) -> Refused:
    with pytest.raises(Refused) as caught, session.begin_nested():
        order(session, world, what)
    return caught.value


def offers(refusal: Refused) -> list[UUID]:
    found = refusal.facts["alternatives"]
    assert isinstance(found, list)
    return [offer.id for offer in found]


def instead(session: Session, what: Wanted, offer: UUID) -> Wanted:
    """The same order for a session that was offered: of what that site has, the same kinds."""
    slot = session.get_one(VenueSession, offer)
    ordered = session.exec(select(Programme).where(col(Programme.id).in_(what.programme_ids)))
    kinds = {item.kind for item in ordered}
    there = session.exec(
        select(Programme.id).where(
            Programme.site_id == slot.site_id, col(Programme.kind).in_(kinds), col(Programme.active)
        )
    ).all()
    return replace(what, session_ids=[offer], programme_ids=list(there)[: len(kinds)])


Spoil = Callable[[Session, World], tuple[World, Wanted, Facts]]


def _site_shut(_: Session, world: World) -> tuple[World, Wanted, Facts]:
    world.site.status = SiteStatus.SUSPENDED
    return world, wanted(world), {}


def _gap(session: Session, world: World) -> tuple[World, Wanted, Facts]:
    late = make_session(session, world.venue, starts_at=world.slot.ends_at + HOUR)
    return world, wanted(world, world.slot, late), {}


def _closed(_: Session, world: World) -> tuple[World, Wanted, Facts]:
    world.slot.closed_reason = "检修"
    return world, wanted(world), {"reason": "检修"}


def _soon(session: Session, world: World) -> tuple[World, Wanted, Facts]:
    soon = make_session(session, world.venue, starts_at=NOW + DAY)
    return world, wanted(world, soon), {"limit": 3, "earliest_day": "2026-11-30"}


def _soon_for_many(session: Session, world: World) -> tuple[World, Wanted, Facts]:
    soon = make_session(session, world.venue, starts_at=NOW + 6 * DAY)
    return world, wanted(world, soon, people=51), {"limit": 5, "earliest_day": "2026-12-02"}


def _soon_for_guests(session: Session, world: World) -> tuple[World, Wanted, Facts]:
    branch = make_organisation(session, parent=world.district, outside=True)
    guest = replace(
        world, branch=branch, organiser=make_account(session, Role.ORGANISER, at=branch)
    )
    soon = make_session(session, world.venue, starts_at=NOW + 6 * DAY)
    return guest, wanted(guest, soon), {"limit": 5, "earliest_day": "2026-12-02"}


def _far(session: Session, world: World) -> tuple[World, Wanted, Facts]:
    far = make_session(session, world.venue, starts_at=NOW + 61 * DAY)
    return world, wanted(world, far), {"limit": 60, "latest_day": "2027-01-24"}


def _two_open(session: Session, world: World) -> tuple[World, Wanted, Facts]:
    _rules(session).open_bookings_limit = 2
    for hours in (3, 6):
        make_booking(
            session,
            world,
            make_session(session, world.venue, starts_at=IN_A_WEEK + hours * HOUR),
        )
    return world, wanted(world), {"limit": 2}


def _foreign_menu(session: Session, world: World) -> tuple[World, Wanted, Facts]:
    elsewhere = make_programme(session, make_site(session, world.town))
    return world, replace(wanted(world), programme_ids=[elsewhere.id]), {}


def _crowd(_: Session, world: World) -> tuple[World, Wanted, Facts]:
    return world, wanted(world, people=61), {"limit": 60}


def _full(session: Session, world: World) -> tuple[World, Wanted, Facts]:
    rival = make_organisation(session, parent=world.town)
    other = replace(world, branch=rival, organiser=make_account(session, Role.ORGANISER, at=rival))
    make_booking(session, other)
    return world, wanted(world), {"people_free": 40, "groups_free": 0}


def _unguided(session: Session, world: World) -> tuple[World, Wanted, Facts]:
    for item in session.exec(select(Programme)):
        item.needs_guide = True
    near, far = session.exec(
        select(Site).where(Site.id != world.site.id).order_by(col(Site.id))
    ).all()
    session.add(Guide(site_id=far.id, name="李讲解"))
    session.add(Guide(site_id=near.id, name="旧讲解", active=False))
    return world, wanted(world), {}


SPOILS: dict[Spoil, type[Refused]] = {
    _site_shut: refusals.SiteNotOpen,
    _gap: refusals.SessionsNotConsecutive,
    _closed: refusals.SessionClosed,
    _soon: refusals.LeadTimeTooShort,
    _soon_for_many: refusals.LeadTimeTooShort,
    _soon_for_guests: refusals.LeadTimeTooShort,
    _far: refusals.BeyondHorizon,
    _two_open: refusals.TooManyOpenBookings,
    _foreign_menu: refusals.ProgrammeNotOffered,
    _crowd: refusals.PartyTooLarge,
    _full: refusals.SessionFull,
    _unguided: refusals.GuideNotFree,
}
HOPELESS = {refusals.OrganisationInactive, refusals.BranchSuspended}


def _rules(session: Session) -> Policy:
    return session.exec(select(Policy).where(col(Policy.site_id).is_(None))).one()


def test_every_refusal_is_tried() -> None:
    assert set(SPOILS.values()) | HOPELESS == set(refusals.REFUSALS)


@pytest.mark.parametrize("spoil", SPOILS, ids=lambda spoil: spoil.__name__.strip("_"))
def test_what_is_offered_is_then_accepted(session: Session, world: World, spoil: Spoil) -> None:
    who, what, facts = spoil(session, world)
    session.flush()
    refusal = refused(session, who, what)
    assert type(refusal) is SPOILS[spoil]
    offered = offers(refusal)
    told = {name: value for name, value in refusal.facts.items() if name != "alternatives"}
    assert told == facts | {"rule": refusal.slug()}
    assert 1 <= len(offered) <= 3
    assert len(set(offered)) == len(offered)
    assert not set(offered) & set(what.session_ids) or len(what.session_ids) > 1
    for offer in offered:
        trial = session.begin_nested()
        order(session, who, instead(session, what, offer))
        trial.rollback()


def test_what_would_be_refused_is_not_offered(session: Session, world: World) -> None:
    """The control of the test above: of all the sessions there are, some would be refused."""
    _, what, _ = _soon_for_many(session, world)
    offered = offers(refused(session, world, what))
    others = session.exec(select(VenueSession.id).where(col(VenueSession.id).not_in(offered)))
    fates = []
    for other in others.all():
        trial = session.begin_nested()
        try:
            order(session, world, instead(session, what, other))
            fates.append("accepted")
        except Refused as refusal:
            fates.append(refusal.slug())
        trial.rollback()
    assert {"lead-time-too-short", "beyond-horizon", "accepted"} <= set(fates)


@pytest.mark.parametrize("spoil", SPOILS, ids=lambda spoil: spoil.__name__.strip("_"))
def test_a_suspended_branch_is_told_that_first_and_offered_nothing(
    session: Session, world: World, spoil: Spoil
) -> None:
    who, what, _ = spoil(session, world)
    until = NOW + DAY
    session.add(
        Suspension(
            district_id=who.district.id, organisation_id=who.branch.id, starts_at=NOW, ends_at=until
        )
    )
    session.flush()
    refusal = refused(session, who, what)
    assert refusal.facts == {
        "rule": "branch-suspended",
        "limit": 3,
        "until": "2026-11-26T09:00:00+08:00",
        "alternatives": [],
    }


def test_an_inactive_branch_is_offered_nothing(session: Session, world: World) -> None:
    world.branch.active = False
    session.flush()
    refusal = refused(session, world, wanted(world))
    assert refusal.facts == {"rule": "organisation-inactive", "alternatives": []}


def test_where_the_quota_is_used_up_nothing_is_offered(session: Session, world: World) -> None:
    world, what, _ = _two_open(session, world)
    session.flush()

    def places() -> set[UUID]:
        found = offers(refused(session, world, what))
        return {session.get_one(VenueSession, offer).site_id for offer in found}

    assert world.site.id not in places()
    # Also where another site is too much already, and where its own rules allow less.
    near = next(iter(places()))
    make_policy(session, world.district, site=session.get_one(Site, near), open_bookings_limit=1)
    slot = session.exec(select(VenueSession).where(VenueSession.site_id == near)).first()
    assert slot is not None
    there = replace(wanted(world), session_ids=[slot.id], programme_ids=[])
    order(session, world, there)
    assert near not in places()
    assert places()


def test_with_nothing_free_nothing_is_offered(session: Session, world: World) -> None:
    for slot in session.exec(select(VenueSession)):
        slot.closed_reason = "检修"
    session.flush()
    assert offers(refused(session, world, wanted(world))) == []


def test_rules_of_the_site_that_is_offered_are_kept(session: Session, world: World) -> None:
    branch: Organisation = world.branch
    _full(session, world)
    session.flush()
    first = offers(refused(session, world, wanted(world)))[0]
    near = session.get_one(Site, session.get_one(VenueSession, first).site_id)
    make_policy(
        session,
        world.district,
        site=near,
        lead_working_days=9,
        approval_mode=ApprovalMode.AUTO,
    )
    found = offers(refused(session, world, wanted(world, branch=branch)))
    assert first not in found
    for offer in found:
        trial = session.begin_nested()
        order(session, world, instead(session, wanted(world), offer))
        trial.rollback()
