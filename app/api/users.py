"""People's accounts, as those who may see them do."""

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, ConfigDict
from pydantic.config import JsonDict
from sqlmodel import Session, col, select

from app.api.deps import (
    ActorDep,
    CursorDep,
    CursorUnreadable,
    LimitDep,
    Line,
    NowDep,
    SessionDep,
    read_cursor,
    write_cursor,
)
from app.api.problems import problems
from app.api.router import Router
from app.errors import Unauthenticated
from app.models import Account, Organisation, Role
from app.services import accounts, grants, tokens, users
from app.services.access import NotInScope

router = Router(prefix="/users", tags=["users"])

ID = "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f20"
SIGNED_IN = (Unauthenticated, tokens.InvalidToken)
PLACE: JsonDict = {"id": ID, "name": "示例社区党支部"}
GRANT: JsonDict = {
    "id": ID,
    "role": "organiser",
    "organisation": PLACE,
    "site": None,
    "ends_at": None,
}
USER: JsonDict = {
    "id": ID,
    "name": "张三",
    "phone_masked": "138****1234",
    "organisation": PLACE,
    "active": True,
    "grants": [GRANT],
    "version": 1,
    "created_at": "2026-11-25T09:00:00+08:00",
}


class HomePublic(BaseModel):
    """A place by name."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        from_attributes=True, json_schema_extra={"example": PLACE}
    )

    id: UUID
    name: str


class UserGrant(BaseModel):
    """A role in force at an organisation, at a site or (administrators) everywhere."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        from_attributes=True, json_schema_extra={"example": GRANT}
    )

    id: UUID
    role: Role
    organisation: HomePublic | None
    site: HomePublic | None
    ends_at: AwareDatetime | None


class UserPublic(BaseModel):
    """A person; the phone is always masked."""

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra={"example": USER})

    id: UUID
    name: str
    phone_masked: str
    organisation: HomePublic | None
    active: bool
    grants: list[UserGrant]
    version: int
    created_at: AwareDatetime


class UserPage(BaseModel):
    """One page, in the order the accounts were made."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"items": [USER], "next_cursor": None}}
    )

    items: list[UserPublic]
    next_cursor: str | None


def shown(session: Session, rows: list[Account], now: datetime) -> list[UserPublic]:
    """Return accounts with their homes and roles; two statements, however many."""
    held = grants.grants_of_many(session, account_ids=[row.id for row in rows], now=now)
    home_ids = {row.organisation_id for row in rows if row.organisation_id}
    named = select(Organisation.id, Organisation.name).where(col(Organisation.id).in_(home_ids))
    names = dict(session.exec(named).all())
    return [
        UserPublic(
            id=row.id,
            name=row.name,
            phone_masked=accounts.phone_masked(row) or "",
            organisation=HomePublic(id=row.organisation_id, name=names[row.organisation_id])
            if row.organisation_id
            else None,
            active=row.active,
            grants=[UserGrant.model_validate(one) for one in held[row.id]],
            version=row.version,
            created_at=row.created_at,
        )
        for row in rows
    ]


@router.get(
    "",
    operation_id="listUsers",
    summary="People whose accounts I may see",
    responses=problems(*SIGNED_IN, NotInScope, CursorUnreadable),
)
def list_users(
    actor: ActorDep,
    session: SessionDep,
    now: NowDep,
    q: Annotated[
        Line | None, Query(max_length=40, description="Part of a name, or a whole phone number")
    ] = None,
    role: Role | None = None,
    organisation_id: Annotated[UUID | None, Query(description="At home there or below")] = None,
    limit: LimitDep = 50,
    cursor: CursorDep = None,
) -> UserPage:
    """List them by the age of their accounts; the audit log tells who looked."""
    after = read_cursor(cursor, UUID)
    found = users.page(
        session,
        actor=actor,
        q=q,
        role=role,
        organisation_id=organisation_id,
        after=after[0] if after else None,
        limit=limit,
        now=now,
    )
    rows = found[:limit]
    users.note_read(session, actor=actor, read=rows, searched=q is not None)
    next_cursor = write_cursor(rows[-1].id) if len(found) > limit else None
    return UserPage(items=shown(session, rows, now), next_cursor=next_cursor)


@router.get(
    "/{user_id}",
    operation_id="getUser",
    summary="One person's account",
    responses=problems(*SIGNED_IN, users.UserNotFound),
)
def get_user(user_id: UUID, actor: ActorDep, session: SessionDep, now: NowDep) -> UserPublic:
    """Show it, if it is in my reach; the audit log tells who looked."""
    found = users.get(session, actor=actor, user_id=user_id)
    users.note_read(session, actor=actor, read=[found], searched=False)
    return shown(session, [found], now)[0]
