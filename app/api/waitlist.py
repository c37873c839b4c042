"""Waiting for places in a full session."""

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlmodel import Session, col

from app.api.ahead import SessionsAhead
from app.api.bookings import ID, BookingPublic, NamedPublic, shown
from app.api.deps import (
    ActorDep,
    CursorDep,
    CursorUnreadable,
    LimitDep,
    Line,
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
from app.models import MOST_PEOPLE, Purpose, WaitlistEntry, WaitlistStatus
from app.services import (
    bookings,
    idempotency,
    ledger,
    order_rules,
    organisations,
    privacy,
    refusals,
    sessions,
    waiting,
    waitlist,
)
from app.services.access import Actor, NotInScope

router = Router(tags=["waitlist"])


class WaitlistIn(BaseModel):
    """What a branch would order, were there room."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {
                "programme_ids": [ID],
                "organisation_id": ID,
                "people_expected": 27,
                "purpose": "theme_party_day",
                "contact_name": "王组织",
                "contact_phone": "13800000000",
                "note": None,
            }
        }
    )

    programme_ids: list[UUID] = Field(default=[], max_length=20)
    organisation_id: UUID
    people_expected: int = Field(ge=1, le=MOST_PEOPLE)
    purpose: Purpose
    contact_name: Line = Field(max_length=40)
    contact_phone: Line = Field(max_length=20)
    note: Prose | None = Field(default=None, max_length=500)


class WaitlistPublic(BaseModel):
    """A branch that waits for a session. `ahead` wait before it; `moves` are the reader's.

    Places that are offered are held until `confirm_by`. Contact and note are null for those who
    do not order for the branch.
    """

    id: UUID
    status: WaitlistStatus
    site: NamedPublic
    venue: NamedPublic
    organisation: NamedPublic
    session_id: UUID
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    programmes: list[NamedPublic]
    people_expected: int
    purpose: Purpose
    contact_name: str | None
    contact_phone: str | None
    note: str | None
    ahead: int | None
    confirm_by: AwareDatetime | None
    booking_id: UUID | None
    moves: list[str]
    created_at: AwareDatetime


class WaitlistPage(BaseModel):
    """A page of entries."""

    items: list[WaitlistPublic]
    next_cursor: str | None


def _shown(
    session: Session, rows: list[WaitlistEntry], actor: Actor, now: datetime
) -> list[WaitlistPublic]:
    return [_public(view) for view in waiting.views(session, rows, actor=actor, now=now)]


def _public(view: waiting.View) -> WaitlistPublic:
    entry, own = view.entry, view.is_own
    return WaitlistPublic(
        id=entry.id,
        status=view.status,
        site=NamedPublic.model_validate(view.site),
        venue=NamedPublic.model_validate(view.venue),
        organisation=NamedPublic.model_validate(view.organisation),
        session_id=entry.session_id,
        starts_at=view.slot.starts_at,
        ends_at=view.slot.ends_at,
        programmes=[NamedPublic.model_validate(item) for item in view.programmes],
        people_expected=entry.people_expected,
        purpose=Purpose(entry.purpose),
        contact_name=entry.contact_name if own else None,
        contact_phone=privacy.unseal(entry.contact_phone_sealed)
        if own and entry.contact_phone_sealed
        else None,
        note=entry.note if own else None,
        ahead=view.ahead,
        confirm_by=entry.confirm_by,
        booking_id=entry.booking_id,
        moves=list(waitlist.MOVES[view.status]) if own else [],
        created_at=entry.created_at,
    )


@router.post(
    "/sessions/{session_id}/waitlist",
    status_code=201,
    operation_id="joinWaitlist",
    dependencies=[SessionsAhead],
    summary="Wait for places in a full session",
    response_model=WaitlistPublic,
    responses=problems(
        Unauthenticated,
        NotInScope,
        organisations.OrganisationNotFound,
        sessions.SessionNotFound,
        privacy.InvalidPhone,
        idempotency.IdempotencyKeyReused,
        *refusals.REFUSALS,
        waitlist.SessionHasRoom,
        waitlist.AlreadyWaiting,
    ),
)
def join_waitlist(
    session_id: UUID,
    wanted: WaitlistIn,
    actor: ActorDep,
    session: SessionDep,
    now: NowDep,
    once: OnceDep,
) -> Response:
    """Stand at the end of the line; nothing is held until places come free.

    The branch is judged as for an order, but for room and for how much it has open.
    """
    order = order_rules.Wanted(session_ids=[session_id], **wanted.model_dump())
    entry = waitlist.join(session, actor=actor, wanted=order, now=now)
    return once.answer(201, _shown(session, [entry], actor, now)[0])


@router.get(
    "/waitlist",
    operation_id="listWaitlist",
    summary="Who waits: my branches, at my sites, in my subtree",
    responses=problems(Unauthenticated, CursorUnreadable),
)
def list_waitlist(
    actor: ActorDep,
    session: SessionDep,
    now: NowDep,
    scope: bookings.Scope | None = None,
    status: Annotated[list[WaitlistStatus] | None, Query(max_length=6)] = None,
    limit: LimitDep = 50,
    cursor: CursorDep = None,
) -> WaitlistPage:
    """List what the reader may see, newest first; the status filter is on the row as written."""
    wanted = waiting.visible(actor, scope)
    if status:
        wanted = wanted.where(col(WaitlistEntry.status).in_(status))
    after = read_cursor(cursor, datetime, UUID)
    page = waiting.page(session, wanted, after=after, limit=limit)
    rows = page[:limit]
    more = len(page) > limit
    next_cursor = write_cursor(rows[-1].created_at, rows[-1].id) if more else None
    return WaitlistPage(items=_shown(session, rows, actor, now), next_cursor=next_cursor)


@router.post(
    "/waitlist/{entry_id}/confirm",
    status_code=201,
    operation_id="confirmWaitlistEntry",
    dependencies=[SessionsAhead],
    summary="Order what was offered",
    response_model=BookingPublic,
    responses=problems(
        Unauthenticated,
        NotInScope,
        waiting.WaitlistEntryNotFound,
        waitlist.WaitlistStateConflict,
        sessions.SessionNotFound,
        idempotency.IdempotencyKeyReused,
        *refusals.REFUSALS,
        ledger.FundExhausted,
    ),
)
def confirm_entry(
    entry_id: UUID, actor: ActorDep, session: SessionDep, now: NowDep, once: OnceDep
) -> Response:
    """Make a booking of an offer; the places were held for it. A refusal leaves the offer."""
    booking = waitlist.confirm(session, actor=actor, entry_id=entry_id, now=now)
    return once.answer(201, shown(session, [booking], actor, now)[0])


@router.delete(
    "/waitlist/{entry_id}",
    status_code=204,
    operation_id="withdrawWaitlistEntry",
    summary="Wait no longer, or decline what was offered",
    responses=problems(
        Unauthenticated,
        NotInScope,
        waiting.WaitlistEntryNotFound,
        waitlist.WaitlistStateConflict,
    ),
)
def withdraw_entry(entry_id: UUID, actor: ActorDep, session: SessionDep, now: NowDep) -> None:
    """Leave the line; what was offered goes to the next. Asked twice it is done once."""
    waitlist.withdraw(session, actor=actor, entry_id=entry_id, now=now)
