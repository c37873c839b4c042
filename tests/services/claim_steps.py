"""Moving a claim on in tests, by those who may; written apart from the table in the code."""

from typing import Any

from sqlmodel import Session, select

from app.models import Account, Claim, ClaimLine, ClaimStatus, Role
from app.services import claim_moves
from tests.conftest import NOW
from tests.makers import World, actor, make_account, make_grant

C = ClaimStatus
WAY: dict[ClaimStatus, list[str]] = {
    C.DRAFT: [],
    C.SUBMITTED: ["submit"],
    C.RETURNED: ["submit", "return"],
    C.REVIEWED: ["submit", "review"],
    C.APPROVED: ["submit", "review", "approve"],
    C.PAID: ["submit", "review", "approve", "pay"],
}
"""How a claim comes into each state."""


def move(
    session: Session, who: Account, claim: Claim, name: str, **said: str | int | None
) -> Claim:
    """Make a move; of the lines, the first one is taken out."""
    if name == "return-lines":
        return take_out(session, who, claim, lines(session, claim)[:1])
    words: dict[str, Any] = {"reason": "第 3 行有误", "voucher_number": f"记-{claim.id}"[:40]}
    return claim_moves.move(
        session,
        actor=actor(session, who),
        claim_id=claim.id,
        name=name,
        now=NOW,
        **(words | said),
    )


def take_out(
    session: Session,
    who: Account,
    claim: Claim,
    taken: list[ClaimLine],
    *,
    version: int | None = None,
) -> Claim:
    """Take lines out of a claim."""
    return claim_moves.return_lines(
        session,
        actor=actor(session, who),
        claim_id=claim.id,
        booking_ids=[line.booking_id for line in taken],
        reason="支部尚未确认",
        now=NOW,
        version=version,
    )


def lines(session: Session, claim: Claim) -> list[ClaimLine]:
    """Return the lines of a claim."""
    of_claim = select(ClaimLine).where(ClaimLine.claim_id == claim.id)
    return sorted(session.exec(of_claim).all(), key=lambda line: line.booking_id)


def by(world: World, name: str) -> Account:
    """Return who makes a move on the way."""
    officer, approver = world.fund_officer, world.fund_approver
    return {
        "submit": world.manager,
        "review": officer,
        "return": officer,
        "approve": approver,
        "pay": approver,
    }[name]


def bring(session: Session, world: World, claim: Claim, status: ClaimStatus) -> Claim:
    """Bring a draft into a state."""
    for name in WAY[status]:
        move(session, by(world, name), claim, name)
    return claim


def make_somebody(session: Session, world: World, role: Role | None) -> Account:
    """Make somebody with a role where it is held."""
    places = {
        Role.SITE_MANAGER: world.site,
        Role.ORGANISER: world.branch,
        Role.MEMBER: world.branch,
        Role.TOWN_STAFF: world.town,
        Role.SYSTEM_ADMIN: None,
        Role.SECURITY_ADMIN: None,
    }
    return make_account(session, role, at=places.get(role, world.district) if role else None)


def make_all_in_one(session: Session, world: World) -> Account:
    """Make a manager of the site who is officer and approver of the fund besides."""
    who = make_account(session, Role.FUND_OFFICER, at=world.district)
    make_grant(session, who, Role.FUND_APPROVER, at=world.district)
    make_grant(session, who, Role.SITE_MANAGER, at=world.site)
    return who
