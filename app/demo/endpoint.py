"""Whom a visitor of the demonstration may sign in as; not there in production."""

from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from app import demo
from app.api.deps import SessionDep
from app.api.router import Router
from app.models import Role

router = Router(prefix="/demo", tags=["demo"])


class DemoAccountPublic(BaseModel):
    """A made-up person with their password, and what they are."""

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    role: Role
    name: str
    phone: str
    password: str
    organisation_id: UUID | None
    site_id: UUID | None


class DemoAccounts(BaseModel):
    """Everybody made up."""

    items: list[DemoAccountPublic]


@router.get("/accounts", summary="Accounts of the demonstration")
def list_demo_accounts(session: SessionDep) -> DemoAccounts:
    """List the demonstration's accounts; their passwords are no secret."""
    found = demo.accounts(session)
    return DemoAccounts(items=[DemoAccountPublic.model_validate(account) for account in found])
