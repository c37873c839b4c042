"""People who chose ways, messages that are due, and a channel that does as it is told."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from aiohttp import ClientSession
from sqlalchemy import Engine, text
from sqlmodel import Session, col, select

from app.channels.sending import Letter
from app.models import Account, Booking, ChannelChoice, Delivery, Way
from app.sending import Pace, Worker
from app.services import notifications, privacy
from app.services.messages import Kind
from app.services.notifications import Readers
from tests.conftest import NOW

MINUTE = timedelta(minutes=1)


@dataclass
class Outbound:
    """A channel in this process: keeps what it is sent, and fails as it is told."""

    sent: list[Letter] = field(default_factory=list)
    faults: deque[Exception] = field(default_factory=deque)

    async def send(self, letter: Letter, *, now: datetime, over: ClientSession) -> str | None:
        if self.faults:
            raise self.faults.popleft()
        self.sent.append(letter)
        return f"provider-{len(self.sent)}"


def choose(session: Session, account: Account, *ways: Way, enabled: bool = True) -> None:
    """Have a person want messages by these ways, in this order."""
    for place, way in enumerate(ways):
        needs = way in {Way.EMAIL, Way.WECOM}
        sealed = privacy.seal_bytes(b"someone@example.com") if needs else None
        session.add(
            ChannelChoice(
                account_id=account.id,
                channel=way,
                enabled=enabled,
                place=place,
                address_sealed=sealed,
            )
        )
    session.flush()


def owe(
    session: Session,
    to: Readers,
    booking: Booking,
    due_at: datetime = NOW,
    *,
    kind: Kind = "booking-approved",
    useless_at: datetime | None = None,
    when: str | None = None,
) -> None:
    """Owe a message whose text can be written."""
    from app.services.calendar import spoken

    facts = dict.fromkeys(
        ("code", "branch", "site", "people", "respond_by", "reason", "alternatives"), "x"
    )
    facts["when"] = when or spoken(booking.starts_at)
    notifications.owe(
        session,
        to=to,
        kind=kind,
        booking_id=booking.id,
        facts=facts,
        due_at=due_at,
        useless_at=useless_at,
    )


def worker(
    engine: Engine,
    channel: Any,
    *,
    way: Way = Way.SMS,
    ways: tuple[Way, ...] = (Way.SMS,),
    now: datetime = NOW,
    **options: Any,
) -> Worker:
    """A worker whose clock stands still."""
    return Worker(engine, way, channel, lambda: now, ways, **options)


def rows(session: Session, account_id: UUID | None = None) -> list[Delivery]:
    """All deliveries, the oldest first, as they are now."""
    session.expire_all()
    wanted = select(Delivery).order_by(col(Delivery.due_at), col(Delivery.id))
    if account_id:
        wanted = wanted.where(Delivery.account_id == account_id)
    return list(session.exec(wanted).all())


def status_set(engine: Engine, booking: Booking, **values: object) -> None:
    """Change a booking behind everybody's back."""
    changes = ", ".join(f"{name} = :{name}" for name in values)
    with engine.begin() as connection:
        connection.execute(
            text(f"UPDATE booking SET {changes} WHERE id = :id"),  # noqa: S608 - a test's
            {**values, "id": booking.id},
        )


PACE = Pace(batch=10, at_once=2)
