"""Claims (补单) as they are read."""

from datetime import date, datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

from fastapi import Depends, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlmodel import Session

from app.api.bookings import NamedPublic
from app.api.deps import (
    ActorDep,
    CursorDep,
    CursorUnreadable,
    DateDep,
    LimitDep,
    SessionDep,
    read_cursor,
    write_cursor,
)
from app.api.problems import problems
from app.api.router import Router
from app.errors import Unauthenticated
from app.models import Claim, ClaimStatus, ExceptionKind
from app.services import claim_lines, claims
from app.services.access import Actor

router = Router(prefix="/claims", tags=["claims"])

FIRST_LINES = 50  # come with a claim; the others by pages of their own


class ClaimPublic(BaseModel):
    """The visits of one site in one month, `month` its first day, and what they cost, fen.

    `exceptions` counts what does not match and nobody has looked at; `moves` are the reader's.
    """

    id: UUID
    fund_id: UUID
    site: NamedPublic
    month: date
    status: ClaimStatus
    visits: int
    amount_fen: int
    exceptions: int
    returned_reason: str | None
    voucher_number: str | None
    paid_at: AwareDatetime | None
    moves: list[str]
    version: int


class ClaimPage(BaseModel):
    """A page of claims, latest month first."""

    items: list[ClaimPublic]
    next_cursor: str | None


class WordPublic(BaseModel):
    """Somebody's word on a visit; `name` is null where the clock said it."""

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    name: str | None
    at: AwareDatetime


class LookPublic(BaseModel):
    """Who looked at an exception, when, and what they found."""

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    by_id: UUID
    by_name: str
    at: AwareDatetime
    note: str


class OddPublic(BaseModel):
    """One thing that does not match about a line; `look` is null until somebody looked."""

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    kind: ExceptionKind
    look: LookPublic | None


class StarsPublic(BaseModel):
    """What the branch gave, 1 to 5 stars each."""

    content: int
    reception: int
    facilities: int


class RulePublic(BaseModel):
    """The line of the tariff that a visit was paid by."""

    code: str
    version: int


class LinePublic(BaseModel):
    """One visit of a claim and its evidence.

    The site's word is `received` at arrival and `counted` at completion; the branch's is `reviewed`
    with its `stars`. `arithmetic` has every number the amount was made of.
    """

    booking_id: UUID
    code: str
    organisation: NamedPublic
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    people_expected: int
    people_attended: int
    amount_fen: int
    received: WordPublic
    counted: WordPublic | None
    reviewed: WordPublic | None
    stars: StarsPublic | None
    rule: RulePublic | None
    arithmetic: dict[str, Any]
    exceptions: list[OddPublic]


class LinePage(BaseModel):
    """A page of lines, the earliest visit first."""

    items: list[LinePublic]
    next_cursor: str | None


class ReturnedPublic(BaseModel):
    """A visit that was taken out of the claim; a later one takes it up again."""

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    booking_id: UUID
    code: str
    amount_fen: int
    reason: str
    by_name: str
    at: AwareDatetime


class SignedPublic(BaseModel):
    """Who made the moves that count, by name."""

    submit: str | None
    review: str | None
    approve: str | None
    pay: str | None


class ClaimDetail(ClaimPublic):
    """A claim with its first lines, what was taken out of it, and who signed it."""

    lines: LinePage
    returned_lines: list[ReturnedPublic]
    signed: SignedPublic


def public(view: claims.View) -> ClaimPublic:
    """Return what the API says of a claim."""
    claim = view.claim
    return ClaimPublic(
        id=claim.id,
        fund_id=claim.fund_id,
        site=NamedPublic(id=claim.site_id, name=view.site_name),
        month=claim.month,
        status=ClaimStatus(claim.status),
        visits=view.visits,
        amount_fen=claim.amount_fen,
        exceptions=view.exceptions,
        returned_reason=claim.returned_reason,
        voucher_number=claim.voucher_number,
        paid_at=claim.paid_at,
        moves=view.moves,
        version=claim.version,
    )


def shown(session: Session, claim: Claim, actor: Actor) -> ClaimPublic:
    """Return what the API says of one claim to an actor."""
    return public(claims.views(session, [claim], actor=actor)[0])


def get_wanted(
    status: Annotated[list[ClaimStatus] | None, Query(max_length=6)] = None,
    site_id: UUID | None = None,
    fund_id: UUID | None = None,
    month: Annotated[DateDep | None, Query(description="Any day of it")] = None,
) -> claims.Wanted:
    """Give which claims are asked for."""
    return claims.Wanted(status=status, site_id=site_id, fund_id=fund_id, month=month)


@router.get(
    "",
    operation_id="listClaims",
    summary="Claims of my sites or my fund",
    responses=problems(Unauthenticated, CursorUnreadable),
)
def list_claims(
    actor: ActorDep,
    session: SessionDep,
    wanted: Annotated[claims.Wanted, Depends(get_wanted)],
    limit: LimitDep = 50,
    cursor: CursorDep = None,
) -> ClaimPage:
    """List claims in the reader's scope."""
    after = read_cursor(cursor, date.fromisoformat, UUID)
    found = claims.page(session, actor=actor, wanted=wanted, after=after, limit=limit)
    rows = found[:limit]
    return ClaimPage(
        items=[public(view) for view in claims.views(session, rows, actor=actor)],
        next_cursor=write_cursor(rows[-1].month.isoformat(), rows[-1].id)
        if len(found) > limit
        else None,
    )


@router.get(
    "/{claim_id}",
    operation_id="getClaim",
    summary="One claim with its first lines",
    responses=problems(Unauthenticated, claims.ClaimNotFound),
)
def get_claim(claim_id: UUID, actor: ActorDep, session: SessionDep) -> ClaimDetail:
    """Show one claim, its first 50 lines with their evidence, and what was taken out of it."""
    claim = claims.get(session, actor=actor, claim_id=claim_id)
    names = claim_lines.signed(session, claim=claim)
    return ClaimDetail(
        **shown(session, claim, actor).model_dump(),
        lines=_lines(session, claim, after=None, limit=FIRST_LINES),
        returned_lines=[
            ReturnedPublic.model_validate(line)
            for line in claim_lines.returned(session, claim_id=claim.id)
        ],
        signed=SignedPublic(**{deed: names.get(deed) for deed in SignedPublic.model_fields}),
    )


@router.get(
    "/{claim_id}/lines",
    operation_id="listClaimLines",
    summary="The lines of a claim",
    responses=problems(Unauthenticated, claims.ClaimNotFound, CursorUnreadable),
)
def list_claim_lines(
    claim_id: UUID,
    actor: ActorDep,
    session: SessionDep,
    limit: LimitDep = 50,
    cursor: CursorDep = None,
) -> LinePage:
    """List visits of a claim with what speaks for them, and against."""
    claim = claims.get(session, actor=actor, claim_id=claim_id)
    return _lines(session, claim, after=read_cursor(cursor, datetime, UUID), limit=limit)


def _lines(
    session: Session, claim: Claim, *, after: tuple[Any, ...] | None, limit: int
) -> LinePage:
    found = claim_lines.page(session, claim_id=claim.id, after=after, limit=limit)
    rows = found[:limit]
    return LinePage(
        items=[_line(line) for line in rows],
        next_cursor=write_cursor(rows[-1].starts_at, rows[-1].booking_id)
        if len(found) > limit
        else None,
    )


def _line(line: claim_lines.Line) -> LinePublic:
    content, reception, facilities = line.stars or (0, 0, 0)
    return LinePublic(
        booking_id=line.booking_id,
        code=line.code,
        organisation=NamedPublic(id=line.organisation_id, name=line.organisation_name),
        starts_at=line.starts_at,
        ends_at=line.ends_at,
        people_expected=line.people_expected,
        people_attended=line.people_attended,
        amount_fen=line.amount_fen,
        received=WordPublic.model_validate(line.received),
        counted=WordPublic.model_validate(line.counted) if line.counted else None,
        reviewed=WordPublic.model_validate(line.reviewed) if line.reviewed else None,
        stars=StarsPublic(content=content, reception=reception, facilities=facilities)
        if line.stars
        else None,
        rule=RulePublic(code=line.rule_code, version=line.rule_version)
        if line.rule_code and line.rule_version
        else None,
        arithmetic=line.arithmetic,
        exceptions=[OddPublic.model_validate(odd) for odd in line.odd],
    )
