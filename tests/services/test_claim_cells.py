"""Every cell of a claim: state, move, role, and what the same person did before."""

from itertools import product

import pytest
from sqlalchemy import text
from sqlmodel import Session

from app.errors import DomainError
from app.models import Account, Claim, ClaimStatus, Role
from app.services import claims
from app.services.access import NotInScope
from app.services.claim_moves import ClaimStateConflict
from app.services.claim_states import CLAIM_MOVES, ReviewerApproves, SubmitterDecides
from app.services.claims import ClaimNotFound
from tests.conftest import as_owner
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    World,
    actor,
    make_claim,
    make_completed,
    make_session,
    make_world,
)
from tests.services.claim_steps import WAY, bring, by, make_all_in_one, make_somebody, move

C, R = ClaimStatus, Role
GOES = {
    (C.DRAFT, "submit"): (R.SITE_MANAGER, C.SUBMITTED),
    (C.RETURNED, "submit"): (R.SITE_MANAGER, C.SUBMITTED),
    (C.SUBMITTED, "review"): (R.FUND_OFFICER, C.REVIEWED),
    (C.SUBMITTED, "return"): (R.FUND_OFFICER, C.RETURNED),
    (C.SUBMITTED, "return-lines"): (R.FUND_OFFICER, C.SUBMITTED),
    (C.REVIEWED, "return"): (R.FUND_APPROVER, C.RETURNED),
    (C.REVIEWED, "return-lines"): (R.FUND_APPROVER, C.REVIEWED),
    (C.REVIEWED, "approve"): (R.FUND_APPROVER, C.APPROVED),
    (C.APPROVED, "pay"): (R.FUND_APPROVER, C.PAID),
}
MAKES = {
    "submit": {R.SITE_MANAGER},
    "review": {R.FUND_OFFICER},
    "return": {R.FUND_OFFICER, R.FUND_APPROVER},
    "return-lines": {R.FUND_OFFICER, R.FUND_APPROVER},
    "approve": {R.FUND_APPROVER},
    "pay": {R.FUND_APPROVER},
}
SEE = {
    R.SITE_MANAGER,
    R.TOWN_STAFF,
    R.FUND_OFFICER,
    R.FUND_APPROVER,
    R.DISTRICT_STAFF,
    R.AUDITOR,
}
SELF = {
    ("submit", "review"): SubmitterDecides,
    ("submit", "approve"): SubmitterDecides,
    ("submit", "pay"): SubmitterDecides,
    ("review", "approve"): ReviewerApproves,
    ("review", "pay"): ReviewerApproves,
}
"""What nobody does after what else; who approved may pay, and whoever may say yes may say no."""
CONSTRAINTS = {
    ("submit", "review"): "claim_submitter_is_not_reviewer_check",
    ("submit", "approve"): "claim_submitter_is_not_approver_check",
    ("submit", "pay"): "claim_submitter_is_not_payer_check",
    ("review", "approve"): "claim_reviewer_is_not_approver_check",
    ("review", "pay"): "claim_reviewer_is_not_payer_check",
}


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


@pytest.fixture
def claim(session: Session, world: World) -> Claim:
    """A draft of two visits."""
    make_completed(session, world)
    later = make_session(session, world.venue, starts_at=IN_A_WEEK + 3 * HOUR)
    make_completed(session, world, later)
    return make_claim(session, world)


def outcome(session: Session, who: Account, claim: Claim, name: str) -> str:
    """Try a move and undo it; tell the new state or the refusal."""
    savepoint = session.begin_nested()
    try:
        return str(move(session, who, claim, name).status)
    except DomainError as refused:
        return refused.slug()
    finally:
        savepoint.rollback()
        session.expire_all()


def expected(status: ClaimStatus, name: str, role: Role | None) -> str:
    if role not in SEE:
        return ClaimNotFound.slug()
    if role not in MAKES[name]:
        return NotInScope.slug()
    if (status, name) not in GOES:
        return ClaimStateConflict.slug()
    maker, target = GOES[status, name]
    return str(target) if role == maker else NotInScope.slug()


def test_the_cells_are_all_there_are() -> None:
    assert set(WAY) == set(C)
    assert {name for _, name in GOES} == set(MAKES) == set(CLAIM_MOVES)
    assert set(SELF) == set(CONSTRAINTS)


@pytest.mark.parametrize("status", C)
def test_each_state_allows_its_moves_to_their_roles_and_nothing_else(
    session: Session, world: World, claim: Claim, status: ClaimStatus
) -> None:
    bring(session, world, claim, status)
    people = {role: make_somebody(session, world, role) for role in (*R, None)}
    found = {
        (role, name): outcome(session, people[role], claim, name)
        for role, name in product(people, CLAIM_MOVES)
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
        assert (view.site_name, view.visits) == (world.site.name, 2)


def bring_as(
    session: Session, world: World, claim: Claim, status: ClaimStatus, deed: str, who: Account
) -> None:
    """Bring a claim into a state, one deed on the way being somebody's."""
    for name in WAY[status]:
        move(session, who if name == deed else by(world, name), claim, name)


@pytest.mark.parametrize(("status", "name"), GOES)
@pytest.mark.parametrize("deed", ["submit", "review", "approve"])
def test_who_did_one_thing_does_not_do_certain_others(
    session: Session, world: World, claim: Claim, status: ClaimStatus, name: str, deed: str
) -> None:
    if deed not in WAY[status]:
        return
    who = make_all_in_one(session, world)
    bring_as(session, world, claim, status, deed, who)
    (view,) = claims.views(session, [claim], actor=actor(session, who))
    undone = status == C.RETURNED  # whoever signed what was sent back may begin anew
    refusal = None if undone else SELF.get((deed, name))
    assert (name in view.moves) == (refusal is None)
    answer = outcome(session, who, claim, name)
    assert answer == (refusal.slug() if refusal else str(GOES[status, name][1]))


@pytest.mark.parametrize(("deed", "name"), SELF)
def test_without_the_constraint_they_could(
    session: Session, world: World, claim: Claim, deed: str, name: str
) -> None:
    status = next(status for status, move_ in GOES if move_ == name)
    who = make_all_in_one(session, world)
    bring_as(session, world, claim, status, deed, who)
    as_owner(session)
    session.connection().execute(
        text(f"ALTER TABLE claim DROP CONSTRAINT {CONSTRAINTS[deed, name]}")
    )
    assert outcome(session, who, claim, name) == GOES[status, name][1]


def test_who_reviewed_what_came_back_may_have_it_reviewed_anew(
    session: Session, world: World, claim: Claim
) -> None:
    bring(session, world, claim, C.REVIEWED)
    move(session, world.fund_approver, claim, "return")
    assert (claim.reviewed_by, claim.returned_reason) == (None, "第 3 行有误")
    both = make_all_in_one(session, world)
    move(session, world.manager, claim, "submit")
    move(session, both, claim, "review")
    assert move(session, world.fund_approver, claim, "approve").status == C.APPROVED
