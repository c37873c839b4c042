"""Drafting: a month is put together once, and what came too late goes into the next."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlmodel import Session, select

from app.models import (
    Claim,
    ClaimStatus,
    Role,
)
from app.services import claim_drafts
from app.services.claim_drafts import draft_month
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    MONTH,
    World,
    make_account,
    make_claim,
    make_completed,
    make_fund,
    make_organisation,
    make_session,
    make_site,
    make_venue,
    make_world,
)
from tests.services.claim_steps import lines, move

C = ClaimStatus
DAY = timedelta(days=1)


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


@pytest.fixture
def claim(session: Session, world: World) -> Claim:
    make_completed(session, world)
    return make_claim(session, world)


def test_a_month_is_drafted_once(session: Session, world: World) -> None:
    later = make_session(session, world.venue, starts_at=IN_A_WEEK + 3 * HOUR)
    first = make_completed(session, world, attended=18)
    second = make_completed(session, world, later, attended=30)
    assert draft_month(session, fund_id=world.fund.id, month=MONTH) == 2
    assert draft_month(session, fund_id=world.fund.id, month=MONTH) == 0
    claim = session.exec(select(Claim)).one()
    assert (claim.site_id, claim.month, claim.status) == (world.site.id, MONTH, C.DRAFT)
    assert claim.amount_fen == 19_000 + 25_000
    drafted = {
        (line.booking_id, line.people_attended, line.amount_fen) for line in lines(session, claim)
    }
    assert drafted == {(first.id, 18, 19_000), (second.id, 30, 25_000)}


def test_each_site_has_a_claim_of_its_own(session: Session, world: World) -> None:
    other = make_site(session, world.town)
    make_completed(session, world)
    hall = make_venue(session, other)
    elsewhere = World(
        **{
            **world.__dict__,
            "site": other,
            "slot": make_session(session, hall),
            "manager": make_account(session, Role.SITE_MANAGER, at=other),
        }
    )
    world.programme.site_id = other.id
    make_completed(session, elsewhere)
    assert draft_month(session, fund_id=world.fund.id, month=MONTH) == 2
    made = session.exec(select(Claim.site_id).where(Claim.amount_fen == 20_000)).all()
    assert set(made) == {world.site.id, other.id}


def test_a_draft_takes_what_comes_late_and_a_submitted_claim_does_not(
    session: Session, world: World, claim: Claim
) -> None:
    slots = [make_session(session, world.venue, starts_at=IN_A_WEEK + n * 3 * HOUR) for n in (1, 2)]
    make_completed(session, world, slots[0])
    seen = claim.version
    assert draft_month(session, fund_id=world.fund.id, month=MONTH) == 1
    assert claim.version == seen + 1
    move(session, world.manager, claim, "submit")
    make_completed(session, world, slots[1])
    assert draft_month(session, fund_id=world.fund.id, month=MONTH) == 0
    assert (claim.amount_fen, len(lines(session, claim))) == (40_000, 2)
    assert draft_month(session, fund_id=world.fund.id, month=date(2027, 1, 1)) == 1


@pytest.mark.parametrize(
    ("starts_at", "month"),
    [
        (datetime(2026, 11, 30, 15, 59, tzinfo=UTC), date(2026, 11, 1)),
        (datetime(2026, 11, 30, 16, 0, tzinfo=UTC), date(2026, 12, 1)),
        (datetime(2026, 12, 31, 15, 59, tzinfo=UTC), date(2026, 12, 1)),
    ],
)
def test_a_visit_belongs_to_the_month_on_the_wall(
    session: Session, world: World, starts_at: datetime, month: date
) -> None:
    slot = make_session(session, world.venue, starts_at=starts_at, lasting=HOUR)
    make_completed(session, world, slot)
    for each in (date(2026, 10, 1), date(2026, 11, 1), date(2026, 12, 1)):
        added = draft_month(session, fund_id=world.fund.id, month=each)
        assert added == (1 if each == month else 0)


def test_what_the_fund_does_not_owe_is_not_claimed(session: Session, world: World) -> None:
    make_completed(session, world, attended=0)
    assert draft_month(session, fund_id=world.fund.id, month=MONTH) == 0
    other = make_fund(session, make_organisation(session))
    make_completed(session, world, make_session(session, world.venue, starts_at=IN_A_WEEK + DAY))
    assert draft_month(session, fund_id=other.id, month=MONTH) == 0
    assert draft_month(session, fund_id=world.fund.id, month=MONTH) == 1


@pytest.mark.parametrize(
    ("now", "added"),
    [
        (datetime(2026, 12, 31, 15, 59, tzinfo=UTC), 0),
        (datetime(2026, 12, 31, 16, 0, tzinfo=UTC), 1),
        (datetime(2027, 1, 31, 15, 59, tzinfo=UTC), 1),
        (datetime(2027, 1, 31, 16, 0, tzinfo=UTC), 1),
        (datetime(2028, 3, 1, 16, 0, tzinfo=UTC), 0),
    ],
)
def test_the_job_drafts_what_is_owed_by_the_end_of_the_month_before(
    session: Session, world: World, now: datetime, added: int
) -> None:
    make_completed(session, world)
    assert claim_drafts.draft_last_month(session, now) == added
    assert claim_drafts.draft_last_month(session, now) == 0
