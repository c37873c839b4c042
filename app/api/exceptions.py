"""What does not match about a fund's visits, and who looked at it (异常核查)."""

from typing import Annotated
from uuid import UUID

from fastapi import Body, Response
from pydantic import AwareDatetime, BaseModel, Field

from app.api.bookings import NamedPublic
from app.api.claims import OddPublic
from app.api.deps import (
    ActorDep,
    CursorDep,
    CursorUnreadable,
    LimitDep,
    NowDep,
    Prose,
    SessionDep,
    read_cursor,
    write_cursor,
)
from app.api.once import OnceDep
from app.api.problems import problems
from app.api.router import Router
from app.errors import Unauthenticated
from app.models import ExceptionKind
from app.services import exceptions, idempotency, ledger
from app.services.access import NotInScope

router = Router(prefix="/funds", tags=["claims"])


class ExceptionPublic(OddPublic):
    """One thing that does not match about one visit; without a claim where none is owed yet."""

    booking_id: UUID
    code: str
    claim_id: UUID | None
    site: NamedPublic
    organisation: NamedPublic
    starts_at: AwareDatetime
    people_expected: int
    people_attended: int | None
    amount_fen: int | None


class ExceptionPage(BaseModel):
    """A page of exceptions, by booking."""

    items: list[ExceptionPublic]
    next_cursor: str | None


class LookIn(BaseModel):
    """Which exception was looked at, and what was found."""

    booking_id: UUID
    kind: ExceptionKind
    note: Prose = Field(min_length=1, max_length=500, examples=["已电话核实，签到表一致"])


def _public(odd: exceptions.Odd) -> ExceptionPublic:
    return ExceptionPublic(
        **OddPublic.model_validate(odd).model_dump(),
        booking_id=odd.booking_id,
        code=odd.code,
        claim_id=odd.claim_id,
        site=NamedPublic(id=odd.site_id, name=odd.site_name),
        organisation=NamedPublic(id=odd.organisation_id, name=odd.organisation_name),
        starts_at=odd.starts_at,
        people_expected=odd.people_expected,
        people_attended=odd.people_attended,
        amount_fen=odd.amount_fen,
    )


@router.get(
    "/{fund_id}/exceptions",
    operation_id="listExceptions",
    summary="What does not match about a fund's visits",
    responses=problems(Unauthenticated, ledger.FundNotFound, CursorUnreadable),
)
def list_exceptions(
    fund_id: UUID,
    actor: ActorDep,
    session: SessionDep,
    now: NowDep,
    kind: ExceptionKind | None = None,
    looked: bool | None = None,
    limit: LimitDep = 50,
    cursor: CursorDep = None,
) -> ExceptionPage:
    """List exceptions of all claims of a fund, and of what it has set aside for too long."""
    after = read_cursor(cursor, UUID, ExceptionKind)
    wanted = exceptions.Wanted(kind=kind, looked=looked)
    found = exceptions.of_fund(
        session, actor=actor, fund_id=fund_id, wanted=wanted, after=after, limit=limit, now=now
    )
    rows = found[:limit]
    return ExceptionPage(
        items=[_public(odd) for odd in rows],
        next_cursor=write_cursor(rows[-1].booking_id, rows[-1].kind)
        if len(found) > limit
        else None,
    )


@router.post(
    "/{fund_id}/exceptions",
    operation_id="lookAtException",
    summary="Say that I looked at an exception",
    response_model=ExceptionPublic,
    responses=problems(
        Unauthenticated,
        NotInScope,
        ledger.FundNotFound,
        exceptions.ExceptionNotFound,
        exceptions.ExceptionLookedAt,
        idempotency.IdempotencyKeyReused,
    ),
)
def look_at_exception(
    fund_id: UUID, said: Annotated[LookIn, Body()], actor: ActorDep, once: OnceDep
) -> Response:
    """Mark one exception as looked at, with what was found; for who keeps the fund, once."""
    odd = exceptions.look(
        once.session,
        actor=actor,
        fund_id=fund_id,
        booking_id=said.booking_id,
        kind=said.kind,
        note=said.note,
        now=once.now,
    )
    return once.answer(200, _public(odd))
