"""Outside branches ask in, and staff answer."""

from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from app.api.deps import (
    ActorDep,
    CursorDep,
    CursorUnreadable,
    LimitDep,
    Line,
    Prose,
    SessionDep,
    read_cursor,
    write_cursor,
)
from app.api.problems import problems
from app.api.router import Router
from app.errors import Unauthenticated
from app.models import MOST_PEOPLE, Organisation, Registration, RegistrationStatus, Sector
from app.services import (
    audit,
    organisations,
    privacy,
    registrations,
    tokens,
)

router = Router(prefix="/registrations", tags=["registrations"])

ID = "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f20"
SAID: JsonDict = {
    "organisation_id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f10",
    "name": "张店区示例社区党支部",
    "home": "淄博市张店区示例街道",
    "sector": "urban",
    "member_count": 31,
}
CONTACT: JsonDict = {
    "contact_name": "王组织",
    "contact_phone": "13800000000",
    "note": "拟每季度参观一次",
}
EXAMPLE: JsonDict = SAID | {
    "id": ID,
    "status": "pending",
    "created_at": "2026-11-22T09:00:00+08:00",
    "decided_at": None,
    "reason": None,
    "branch_id": None,
}


class RegistrationIn(BaseModel):
    """What an outside branch says of itself; `organisation_id` is the district or town it asks."""

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra={"example": SAID | CONTACT})

    organisation_id: UUID
    name: Line = Field(max_length=120)
    home: Line = Field(max_length=120)
    sector: Sector | None = None
    member_count: int = Field(strict=True, ge=1, le=MOST_PEOPLE)
    contact_name: Line = Field(max_length=40)
    contact_phone: Line = Field(max_length=20)
    note: Prose | None = Field(default=None, max_length=500)


class ReceiptPublic(BaseModel):
    """That it has arrived."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"id": ID, "status": "pending"}}
    )

    id: UUID
    status: RegistrationStatus


class RegistrationPublic(BaseModel):
    """A registration, without its contact."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        from_attributes=True, json_schema_extra={"example": EXAMPLE}
    )

    id: UUID
    organisation_id: UUID
    name: str
    home: str
    sector: Sector | None
    member_count: int
    status: RegistrationStatus
    created_at: AwareDatetime
    decided_at: AwareDatetime | None
    reason: str | None
    branch_id: UUID | None


class RegistrationDetail(RegistrationPublic):
    """A registration; the contact and the note are null for those who do not decide."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        from_attributes=True, json_schema_extra={"example": EXAMPLE | CONTACT}
    )

    contact_name: str | None
    contact_phone: str | None
    note: str | None


class RegistrationPage(BaseModel):
    """One page, newest first."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"items": [EXAMPLE], "next_cursor": None}}
    )

    items: list[RegistrationPublic]
    next_cursor: str | None


READING = (Unauthenticated, tokens.InvalidToken)


@router.post(
    "",
    status_code=202,
    operation_id="askIn",
    summary="An outside branch asks to be let in",
    responses=problems(organisations.OrganisationNotFound, privacy.InvalidPhone),
)
def ask_in(wanted: RegistrationIn, session: SessionDep) -> ReceiptPublic:
    """Take it down for the staff; nobody needs to sign in.

    Asked again with the same phone while it waits, it is the same one, as last said.
    """
    said = registrations.Wanted(**wanted.model_dump())
    id_ = registrations.ask(session, wanted=said)
    return ReceiptPublic(id=id_, status=RegistrationStatus.PENDING)


@router.get(
    "",
    operation_id="listRegistrations",
    summary="What outside branches ask of mine",
    responses=problems(*READING, CursorUnreadable),
)
def list_registrations(
    actor: ActorDep,
    session: SessionDep,
    status: Annotated[RegistrationStatus | None, Query()] = None,
    limit: LimitDep = 50,
    cursor: CursorDep = None,
) -> RegistrationPage:
    """List what was asked of my organisations and of those below, newest first."""
    after = read_cursor(cursor, UUID)
    wanted = registrations.registrations(
        actor=actor, status=status, after=after[0] if after else None, limit=limit + 1
    )
    found = session.exec(wanted).all()
    more = len(found) > limit
    return RegistrationPage(
        items=[RegistrationPublic.model_validate(row) for row in found[:limit]],
        next_cursor=write_cursor(found[limit - 1].id) if more else None,
    )


@router.get(
    "/{registration_id}",
    operation_id="getRegistration",
    summary="One registration",
    responses=problems(*READING, registrations.RegistrationNotFound),
)
def get_registration(
    registration_id: UUID, actor: ActorDep, session: SessionDep
) -> RegistrationDetail:
    """Show it; who decides sees the contact, and that is noted."""
    found = registrations.get(session, actor=actor, registration_id=registration_id)
    asked = session.get_one(Organisation, found.organisation_id)
    deciding = registrations.deciders(actor, asked=asked)
    if deciding:
        actor.act_as(deciding)
        audit.note(
            session,
            action="read",
            noun="registration",
            row_id=found.id,
            district_id=asked.district_id,
            fields="contact",
        )
    return _detail(found, told=bool(deciding))


def _detail(found: Registration, *, told: bool) -> RegistrationDetail:
    sealed = found.contact_phone_sealed
    return RegistrationDetail(
        **RegistrationPublic.model_validate(found).model_dump(),
        contact_name=found.contact_name if told else None,
        contact_phone=privacy.unseal(sealed) if told and sealed else None,
        note=found.note if told else None,
    )
