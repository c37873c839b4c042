"""The moves of a claim (补单): from which states, to which, in whose office, by which person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from app.errors import Conflict
from app.models import Claim, ClaimStatus, Role
from app.services.access import Actor

C, R = ClaimStatus, Role


class SubmitterDecides(Conflict):
    """Who submitted a claim neither reviews, approves nor pays it."""

    zh = "提交人不得审核、批准或支付同一补单"


class ReviewerApproves(Conflict):
    """Who reviewed a claim neither approves nor pays it."""

    zh = "审核人不得批准或支付同一补单"


@dataclass(frozen=True)
class ClaimMove:
    """A step of a claim: in which role from each state, and to which state; None stays there."""

    makers: Mapping[ClaimStatus, Role]
    target: ClaimStatus | None

    def roles(self) -> list[Role]:
        """Return every role that makes this move from some state."""
        return sorted(set(self.makers.values()))


_DECIDERS = {C.SUBMITTED: R.FUND_OFFICER, C.REVIEWED: R.FUND_APPROVER}
"""Whose turn it is: who says yes to a claim may as well say no to it, or to some of its lines."""

CLAIM_MOVES: Mapping[str, ClaimMove] = {
    "submit": ClaimMove({C.DRAFT: R.SITE_MANAGER, C.RETURNED: R.SITE_MANAGER}, C.SUBMITTED),
    "review": ClaimMove({C.SUBMITTED: R.FUND_OFFICER}, C.REVIEWED),
    "return": ClaimMove(_DECIDERS, C.RETURNED),
    "return-lines": ClaimMove(_DECIDERS, None),
    "approve": ClaimMove({C.REVIEWED: R.FUND_APPROVER}, C.APPROVED),
    "pay": ClaimMove({C.APPROVED: R.FUND_APPROVER}, C.PAID),
}

APART: Mapping[str, Sequence[tuple[str, type[Conflict]]]] = {
    "review": (("submitted_by", SubmitterDecides),),
    "approve": (("submitted_by", SubmitterDecides), ("reviewed_by", ReviewerApproves)),
    "pay": (("submitted_by", SubmitterDecides), ("reviewed_by", ReviewerApproves)),
}
"""Who must not make a move, by what they did to the claim before; constraints hold the same."""


def moves_from(claim: Claim) -> list[str]:
    """Return the moves the state of a claim allows, whoever makes them."""
    return [name for name, move in CLAIM_MOVES.items() if claim.status in move.makers]


def offices(actor: Actor, claim: Claim, *, fund_owner_id: UUID) -> set[Role]:
    """Return the roles an actor has over a claim of a fund that `fund_owner_id` keeps."""
    keeping = {role for role in _KEEPING if fund_owner_id in actor.organisations(role)}
    return keeping | ({R.SITE_MANAGER} if claim.site_id in actor.sites() else set())


_KEEPING = (R.FUND_OFFICER, R.FUND_APPROVER)


def allowed_moves(actor: Actor, claim: Claim, *, fund_owner_id: UUID) -> list[str]:
    """Return the moves an actor may make on a claim now."""
    held = offices(actor, claim, fund_owner_id=fund_owner_id)
    return [
        name
        for name in moves_from(claim)
        if CLAIM_MOVES[name].makers[ClaimStatus(claim.status)] in held
        and all(getattr(claim, done) != actor.account_id for done, _ in APART.get(name, ()))
    ]
