"""Claims: a month drafted once, every move in its state and role, four eyes, money that moves."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from app.models import (
    Account,
    Claim,
    ClaimLine,
    ClaimStatus,
    EntryKind,
    FundAccount,
    LedgerEntry,
    OrganisationKind,
    Role,
)
from app.services import claims, ledger, verify
from app.services.access import NotInScope
from app.services.claims import (
    CLAIM_MOVES,
    ClaimNotFound,
    ClaimStateConflict,
    ReviewerApproves,
    draft_month,
)
from tests.conftest import NOW, as_owner
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    MONTH,
    World,
    actor,
    make_account,
    make_claim,
    make_completed,
    make_fund,
    make_grant,
    make_organisation,
    make_session,
    make_site,
    make_venue,
    make_world,
)

C = ClaimStatus
DAY = timedelta(days=1)


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


@pytest.fixture
def claim(session: Session, world: World) -> Claim:
    make_completed(session, world)
    return make_claim(session, world)


def move(session: Session, who: Account, claim: Claim, name: str, **said: str | None) -> Claim:
    words: dict[str, Any] = {"reason": "第 3 行有误", "voucher_number": f"记-{claim.id}"[:40]}
    return claims.move(
        session,
        actor=actor(session, who),
        claim_id=claim.id,
        name=name,
        now=NOW,
        **(words | said),
    )


def lines(session: Session, claim: Claim) -> list[ClaimLine]:
    return list(session.exec(select(ClaimLine).where(ClaimLine.claim_id == claim.id)).all())


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
    assert draft_month(session, fund_id=world.fund.id, month=MONTH) == 1
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
    assert claims.draft_last_month(session, now) == added
    assert claims.draft_last_month(session, now) == 0


WAY = {
    C.DRAFT: [],
    C.SUBMITTED: ["submit"],
    C.RETURNED: ["submit", "return"],
    C.REVIEWED: ["submit", "review"],
    C.APPROVED: ["submit", "review", "approve"],
    C.PAID: ["submit", "review", "approve", "pay"],
}
GOES = {
    (C.DRAFT, "submit"): (Role.SITE_MANAGER, C.SUBMITTED),
    (C.RETURNED, "submit"): (Role.SITE_MANAGER, C.SUBMITTED),
    (C.SUBMITTED, "review"): (Role.FUND_OFFICER, C.REVIEWED),
    (C.SUBMITTED, "return"): (Role.FUND_OFFICER, C.RETURNED),
    (C.REVIEWED, "approve"): (Role.FUND_APPROVER, C.APPROVED),
    (C.APPROVED, "pay"): (Role.FUND_APPROVER, C.PAID),
}
MAKES = {
    "submit": Role.SITE_MANAGER,
    "review": Role.FUND_OFFICER,
    "return": Role.FUND_OFFICER,
    "approve": Role.FUND_APPROVER,
    "pay": Role.FUND_APPROVER,
}
SEE = {
    Role.SITE_MANAGER,
    Role.TOWN_STAFF,
    Role.FUND_OFFICER,
    Role.FUND_APPROVER,
    Role.DISTRICT_STAFF,
    Role.AUDITOR,
}


def by(world: World, name: str) -> Account:
    who = {
        Role.SITE_MANAGER: world.manager,
        Role.FUND_OFFICER: world.fund_officer,
        Role.FUND_APPROVER: world.fund_approver,
    }
    return who[MAKES[name]]


def bring(session: Session, world: World, claim: Claim, status: ClaimStatus) -> Claim:
    for name in WAY[status]:
        move(session, by(world, name), claim, name)
    return claim


def make_somebody(session: Session, world: World, role: Role | None) -> Account:
    places = {
        Role.SITE_MANAGER: world.site,
        Role.ORGANISER: world.branch,
        Role.MEMBER: world.branch,
        Role.TOWN_STAFF: world.town,
        Role.SYSTEM_ADMIN: None,
        Role.SECURITY_ADMIN: None,
    }
    return make_account(session, role, at=places.get(role, world.district) if role else None)


def outcome(session: Session, who: Account, claim: Claim, name: str) -> str:
    """Try a move and undo it; tell the new state or the refusal."""
    savepoint = session.begin_nested()
    try:
        return str(move(session, who, claim, name).status)
    except (NotInScope, ClaimNotFound, ClaimStateConflict) as refused:
        return refused.slug()
    finally:
        savepoint.rollback()


def expected(status: ClaimStatus, name: str, role: Role | None) -> str:
    if role not in SEE:
        return ClaimNotFound.slug()
    if role != MAKES[name]:
        return NotInScope.slug()
    return str(GOES[status, name][1]) if (status, name) in GOES else ClaimStateConflict.slug()


def test_the_cells_below_are_all_there_are() -> None:
    assert set(WAY) == set(C)
    assert {name for _, name in GOES} == set(MAKES) == set(CLAIM_MOVES)


@pytest.mark.parametrize("status", C)
def test_each_state_allows_its_moves_to_their_roles_and_nothing_else(
    session: Session, world: World, claim: Claim, status: ClaimStatus
) -> None:
    bring(session, world, claim, status)
    roles = (*Role, None)
    people = {role: make_somebody(session, world, role) for role in roles}
    found = {
        (role, name): outcome(session, people[role], claim, name)
        for role in roles
        for name in CLAIM_MOVES
    }
    assert found == {(role, name): expected(status, name, role) for role, name in found}


@pytest.mark.parametrize("status", C)
def test_a_reader_is_shown_the_moves_that_are_theirs(
    session: Session, world: World, claim: Claim, status: ClaimStatus
) -> None:
    bring(session, world, claim, status)
    for role in SEE:
        who = make_somebody(session, world, role)
        (view,) = claims.views(session, [claim], actor=actor(session, who))
        theirs = [name for name in CLAIM_MOVES if GOES.get((status, name), (None,))[0] == role]
        assert view.moves == theirs
        assert (view.site_name, view.visits) == (world.site.name, 1)


def make_all_in_one(session: Session, world: World) -> Account:
    """Make an officer who is also an approver."""
    who = make_account(session, Role.FUND_OFFICER, at=world.district)
    make_grant(session, who, Role.FUND_APPROVER, at=world.district)
    return who


def test_who_reviewed_a_claim_does_not_approve_it(
    session: Session, world: World, claim: Claim
) -> None:
    both = make_all_in_one(session, world)
    move(session, world.manager, claim, "submit")
    move(session, both, claim, "review")
    (view,) = claims.views(session, [claim], actor=actor(session, both))
    assert view.moves == []
    with pytest.raises(ReviewerApproves), session.begin_nested():
        move(session, both, claim, "approve")
    assert move(session, world.fund_approver, claim, "approve").status == C.APPROVED


def test_without_the_constraint_they_could(session: Session, world: World, claim: Claim) -> None:
    both = make_all_in_one(session, world)
    move(session, world.manager, claim, "submit")
    move(session, both, claim, "review")
    as_owner(session)
    session.connection().execute(
        text("ALTER TABLE claim DROP CONSTRAINT claim_reviewer_is_not_approver_check")
    )
    assert move(session, both, claim, "approve").status == C.APPROVED


def test_who_reviewed_one_claim_may_approve_another(
    session: Session, world: World, claim: Claim
) -> None:
    both = make_all_in_one(session, world)
    bring(session, world, claim, C.REVIEWED)
    assert move(session, both, claim, "approve").status == C.APPROVED


@pytest.mark.parametrize(
    "spoil",
    [
        {"status": C.APPROVED},
        {"status": C.PAID},
        {"status": "lost"},
        {"voucher_number": "记-1"},
        {"month": MONTH + DAY},
    ],
)
def test_a_claim_that_is_none_cannot_be_written(
    session: Session, claim: Claim, spoil: dict[str, object]
) -> None:
    for name, value in spoil.items():
        setattr(claim, name, value)
    with pytest.raises(IntegrityError, match="claim_"):
        session.flush()


def test_a_returned_claim_says_why_until_it_is_submitted_again(
    session: Session, world: World, claim: Claim
) -> None:
    bring(session, world, claim, C.RETURNED)
    assert claim.returned_reason == "第 3 行有误"
    move(session, world.manager, claim, "submit")
    assert claim.returned_reason is None


def test_paying_moves_the_money_once(session: Session, world: World, claim: Claim) -> None:
    bring(session, world, claim, C.APPROVED)
    before = ledger.balances(session, fund_id=world.fund.id)
    assert (before[FundAccount.PAYABLE], before[FundAccount.PAID]) == (20_000, 0)
    move(session, world.fund_approver, claim, "pay", voucher_number="2026-记-0117")
    with pytest.raises(ClaimStateConflict):
        move(session, world.fund_approver, claim, "pay")
    after = ledger.balances(session, fund_id=world.fund.id)
    assert (after[FundAccount.PAYABLE], after[FundAccount.PAID]) == (0, 20_000)
    entry = session.exec(select(LedgerEntry).where(LedgerEntry.kind == EntryKind.PAY)).one()
    assert (entry.claim_id, entry.document, entry.amount_fen) == (claim.id, "2026-记-0117", 20_000)
    assert (claim.paid_at, claim.voucher_number) == (NOW, "2026-记-0117")
    assert list(verify.violations(session, now=NOW)) == []


@pytest.mark.parametrize("name", [name for name in CLAIM_MOVES if name != "pay"])
def test_no_other_move_touches_the_money(
    session: Session, world: World, claim: Claim, name: str
) -> None:
    source = next(status for status, move_ in GOES if move_ == name)
    bring(session, world, claim, source)
    before = ledger.balances(session, fund_id=world.fund.id)
    move(session, by(world, name), claim, name)
    assert ledger.balances(session, fund_id=world.fund.id) == before


def test_every_move_makes_a_version(session: Session, world: World, claim: Claim) -> None:
    assert bring(session, world, claim, C.PAID).version == 5


Stranger = Callable[[Session, World], Account]


def _manager_elsewhere(session: Session, world: World) -> Account:
    return make_account(session, Role.SITE_MANAGER, at=make_site(session, world.town))


def _officer_elsewhere(session: Session, world: World) -> Account:
    return make_account(session, Role.FUND_OFFICER, at=make_organisation(session))


def _staff_of_another_town(session: Session, world: World) -> Account:
    town = make_organisation(session, parent=world.district, kind=OrganisationKind.TOWN)
    return make_account(session, Role.TOWN_STAFF, at=town)


def _organiser(session: Session, world: World) -> Account:
    return world.organiser


@pytest.mark.parametrize(
    "stranger", [_manager_elsewhere, _officer_elsewhere, _staff_of_another_town, _organiser]
)
def test_a_foreign_claim_is_not_found(
    session: Session, world: World, claim: Claim, stranger: Stranger
) -> None:
    who = actor(session, stranger(session, world))
    with pytest.raises(ClaimNotFound):
        claims.get(session, actor=who, claim_id=claim.id)
    for name in CLAIM_MOVES:
        with pytest.raises(ClaimNotFound):
            claims.move(session, actor=who, claim_id=claim.id, name=name, now=NOW)
    assert session.exec(claims.visible(who)).all() == []
    assert claims.get(session, actor=actor(session, world.manager), claim_id=claim.id) is claim


def test_a_subtree_is_not_enough_to_keep_its_fund(
    session: Session, world: World, claim: Claim
) -> None:
    """An officer of a town below the district that owns the fund sees nothing of it."""
    officer = make_account(session, Role.FUND_OFFICER, at=world.town)
    with pytest.raises(ClaimNotFound):
        move(session, officer, claim, "review")


def test_managing_one_site_is_not_managing_another(
    session: Session, world: World, claim: Claim
) -> None:
    """Staff of the district see the claim; the site they manage besides is not its site."""
    staff = make_account(session, Role.DISTRICT_STAFF, at=world.district)
    make_grant(session, staff, Role.SITE_MANAGER, at=make_site(session, world.town))
    with pytest.raises(NotInScope):
        move(session, staff, claim, "submit")
    make_grant(session, staff, Role.SITE_MANAGER, at=world.site)
    assert move(session, staff, claim, "submit").status == C.SUBMITTED


def test_claims_are_paged_latest_month_first(session: Session, world: World) -> None:
    for month in (9, 11, 10, 12):
        session.add(
            Claim(
                fund_id=world.fund.id,
                site_id=world.site.id,
                month=date(2026, month, 1),
                amount_fen=0,
            )
        )
    session.flush()
    wanted = claims.visible(actor(session, world.manager))
    first = claims.page(session, wanted, after=None, limit=2)
    assert [claim.month.month for claim in first] == [12, 11, 10]
    rest = claims.page(session, wanted, after=(first[1].month, first[1].id), limit=2)
    assert [claim.month.month for claim in rest] == [10, 9]


def test_two_claims_of_one_month_cannot_be_written(session: Session, claim: Claim) -> None:
    twin = Claim(fund_id=claim.fund_id, site_id=claim.site_id, month=claim.month, amount_fen=0)
    session.add(twin)
    with pytest.raises(IntegrityError, match="claim_month_once"):
        session.flush()


def test_a_visit_is_claimed_once(session: Session, world: World, claim: Claim) -> None:
    (line,) = lines(session, claim)
    again = {"booking_id": line.booking_id, "claim_id": claim.id}
    with pytest.raises(IntegrityError, match="claim_line_pkey"), session.begin_nested():
        session.connection().execute(
            text("INSERT INTO claim_line VALUES (:booking_id, :claim_id, 1, 1)"), again
        )
    assert session.exec(select(ClaimLine).where(col(ClaimLine.amount_fen) > 0)).one() is line
