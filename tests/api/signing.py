"""Signing in with real commits, at any instant, and people to do it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from fastapi.testclient import TestClient
from sqlalchemy import Engine
from sqlmodel import Session, col, select

from app.api import deps
from app.main import create_app
from app.models import Account, AuditEvent, Organisation
from app.services import accounts
from app.settings import Env, Settings
from tests.conftest import NOW
from tests.makers import make_organisation

PHONE = "13800001234"
PASSWORD = "Chun-2026"  # noqa: S105
NEW = "Qiu-2026-11"
LOGIN = {"username": PHONE, "password": PASSWORD}


@dataclass
class Clock:
    """The instant at which requests are judged."""

    now: datetime = NOW

    async def read(self) -> datetime:
        """Give it."""
        return self.now

    def forward(self, by: timedelta = timedelta(seconds=1)) -> None:
        """Let time pass."""
        self.now += by


def client_at(engine: Engine, clock: Clock | None = None, **knobs: object) -> TestClient:
    """Client of an app of its own, on a clock of its own (or on the wall's), with real commits."""
    app = create_app(engine, Settings.model_validate({"env": Env.TEST} | knobs))
    if clock:
        app.dependency_overrides[deps.get_now] = clock.read
    return TestClient(app)


def enrol(engine: Engine, phone: str = PHONE, *, active: bool = True) -> UUID:
    """Save a person of a branch, whose password is `PASSWORD`, set at `NOW`."""
    with Session(engine) as session, session.begin():
        branch = make_organisation(session, parent=make_organisation(session))
        account = accounts.create(session, name="张三", phone=phone, password=PASSWORD)
        account.password_set_at, account.organisation_id, account.active = NOW, branch.id, active
        return account.id


def bearing(pair: dict[str, str]) -> dict[str, str]:
    """Make the header of a signed-in client."""
    return {"Authorization": f"Bearer {pair['access_token']}"}


def noted(engine: Engine, account_id: UUID) -> list[str]:
    """What the log of an account's district says that befell it, changes of its row aside."""
    with Session(engine) as session:
        events = (
            select(AuditEvent.action)
            .join(Organisation, col(Organisation.district_id) == AuditEvent.district_id)
            .join(Account, col(Account.organisation_id) == Organisation.id)
            .where(
                Account.id == account_id,
                AuditEvent.row_id == str(account_id),
                col(AuditEvent.action).not_in(["create", "update"]),
            )
        )
        return list(session.exec(events.order_by(col(AuditEvent.number))).all())
