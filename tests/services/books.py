"""A fund with an entry of almost every kind, and the database function without its guards."""

from uuid import UUID

from sqlalchemy import Engine, text
from sqlmodel import Session, select

from app.models import Account, Booking, Claim, EntryKind, Fund, LedgerEntry, Reversal
from app.models.posting import POST
from app.services import claim_moves, ledger, reversals
from tests.conftest import NOW, as_owner
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    World,
    actor,
    make_booking,
    make_claim,
    make_completed,
    make_session,
    make_venue,
    make_world,
    move,
)

VOUCHER = "2026-记-0117"
PAYING = ("submit", "review", "approve", "pay")

LOOKUP = ("IF FOUND THEN\n        IF (entry", "IF FALSE THEN\n        IF (entry")
LOCK = ("f.id = wanted_fund FOR NO KEY UPDATE", "f.id = wanted_fund")
MEET = (
    "entry.created_at := coalesce",
    "PERFORM pg_advisory_xact_lock_shared(7);\n"
    "    WHILE (SELECT count(*) < 2 FROM pg_locks WHERE locktype = 'advisory') LOOP END LOOP;\n"
    "    entry.created_at := coalesce",
)
"""What two who post do without it; and both wait until the other has looked, too."""


def unguarded(engine: Engine, *changes: tuple[str, str], dropping: tuple[str, ...] = ()) -> None:
    """Replace words of the function that posts, and drop constraints of the ledger."""
    changed = POST.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
    for words, others in changes:
        assert words in changed
        changed = changed.replace(words, others)
    with engine.begin() as connection:
        as_owner(connection)
        connection.exec_driver_sql(changed)
        for constraint in dropping:
            connection.execute(text(f"ALTER TABLE ledger_entry DROP CONSTRAINT {constraint}"))


def entry_of(
    session: Session,
    kind: EntryKind,
    booking: Booking | None = None,
    *,
    fund: Fund | None = None,
) -> LedgerEntry:
    """The newest entry of a kind."""
    wanted = select(LedgerEntry).where(LedgerEntry.kind == kind)
    if fund:
        wanted = wanted.where(LedgerEntry.fund_id == fund.id)
    if booking:
        wanted = wanted.where(LedgerEntry.booking_id == booking.id)
    return max(session.exec(wanted).all(), key=lambda entry: entry.number)


def move_claim(session: Session, world: World, claim: Claim, name: str) -> Claim:
    who = {"submit": world.manager, "review": world.fund_officer}.get(name, world.fund_approver)
    return claim_moves.move(
        session,
        actor=actor(session, who),
        claim_id=claim.id,
        name=name,
        now=NOW,
        voucher_number=VOUCHER if name == "pay" else None,
    )


def make_paid(session: Session, world: World) -> Claim:
    """Draft the claim of what has been completed, and have it paid."""
    claim = make_claim(session, world)
    for name in PAYING:
        move_claim(session, world, claim, name)
    return claim


def ask(session: Session, world: World, entry: LedgerEntry, who: Account | None = None) -> Reversal:
    return reversals.ask(
        session,
        actor=actor(session, who or world.fund_officer),
        entry_id=entry.id,
        reason="记错",
        now=NOW,
    )


def confirm(
    session: Session, world: World, reversal_id: UUID, who: Account | None = None
) -> Reversal:
    return reversals.confirm(
        session, actor=actor(session, who or world.fund_approver), reversal_id=reversal_id, now=NOW
    )


def reverse(session: Session, world: World, entry: LedgerEntry) -> Reversal:
    return confirm(session, world, ask(session, world, entry).id)


def make_books(session: Session) -> World:
    """Bring money, have visits, pay and correct."""
    world = make_world(session)
    hall = make_venue(session, world.site)
    slots = iter(
        [make_session(session, hall, starts_at=IN_A_WEEK + 3 * n * HOUR) for n in range(6)]
    )
    make_completed(session, world, next(slots), attended=18)
    claim = make_paid(session, world)
    reverse(session, world, entry_of(session, EntryKind.PAY, fund=world.fund))
    move_claim(session, world, claim, "pay")
    wrong = make_completed(session, world, next(slots), attended=30)
    reverse(session, world, entry_of(session, EntryKind.COMMIT, wrong))
    make_completed(session, world, next(slots))
    for steps in (("approve",), ("approve", "cancel")):
        booking = make_booking(session, world, next(slots))
        for name in steps:
            move(session, world.manager, booking, name)
    ledger.appropriate(
        session, fund_id=world.fund.id, amount_fen=700, document="示例 2 号", now=NOW
    )
    slip = ledger.appropriate(
        session, fund_id=world.fund.id, amount_fen=900, document="示例 3 号", now=NOW
    )
    reverse(session, world, slip)
    return world
