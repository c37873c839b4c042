"""Erasing a person (注销): what happened stays, and whose name and number it was does not."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, delete, func, or_, update
from sqlmodel import Session, col

from app.models import (
    Account,
    Booking,
    CalendarFeed,
    ChannelChoice,
    Delivery,
    Grant,
    IdempotencyKey,
    Identity,
    Notification,
    OneTimeCode,
    RefreshToken,
    Registration,
    RegistrationStatus,
    Role,
    Site,
    WaitlistEntry,
    WechatGrant,
)
from app.services import keeping, offices, privacy, throttles, tokens, users
from app.services.access import Actor

NOBODY = "已注销用户"
NO_CONTACT = "已注销"
NO_TRACE = {
    "contact_name": NO_CONTACT,
    "contact_phone_hash": None,
    "contact_phone_sealed": None,
    "note": None,
}
REASON = "联系人已注销账号"

THEIRS = (
    *(CalendarFeed, ChannelChoice, Grant, Identity, OneTimeCode),
    *(RefreshToken, IdempotencyKey, Delivery, Notification, WechatGrant),
)
"""Tables of what is a person's alone; their rows go."""


def erase(session: Session, *, actor: Actor, user_id: UUID, now: datetime) -> None:
    """Take a person's name and phone out of everything, for good; the account keeps its key alone.

    Bookings, visits, claims and reviews are their branch's and stay; their steps now name nobody.
    A registration of theirs that waits for an answer is rejected, since nobody could be called.
    Who erases twice finds nobody the second time.

    Args:
        session: open transaction.
        actor: a system administrator.
        user_id: who is to be forgotten.
        now: the present instant, aware.

    Raises:
        UserNotFound: there is none, not any more, or it is not the actor's to see.
        NotForOneself: it is the actor's own.
        NotInScope: the actor is no system administrator.
        LastOfItsOffice: nobody else holds their office.
    """
    account = users.get(session, actor=actor, user_id=user_id, lock=True)
    keeping.refuse_oneself(actor, account)
    actor.require(Role.SYSTEM_ADMIN)
    offices.leave(session, account=account, now=now)
    if account.phone_hash is not None and account.phone_sealed is not None:
        phone = privacy.unseal(account.phone_sealed)
        _forget_contact(session, account, account.phone_hash)
        _reject_registrations(session, account.phone_hash, actor, now)
        _forget_site_contact(session, phone)
        throttles.unlock(session, phone_hash=account.phone_hash)
    for table in THEIRS:
        session.exec(delete(table).where(col(table.account_id) == account.id))
    tokens.end_all(session, account_id=account.id, now=now)
    account.name = NOBODY
    account.phone_hash = account.phone_sealed = None
    account.password_hash = account.password_set_at = account.organisation_id = None
    account.active, account.erased_at = False, now
    account.version += 1
    session.flush()


def _forget_contact(session: Session, account: Account, phone_hash: bytes) -> None:
    """Take them out of what was ordered, by their number or by their name on their own."""
    for table in (Booking, WaitlistEntry):
        own = and_(col(table.made_by) == account.id, col(table.contact_name) == account.name)
        theirs = or_(col(table.contact_phone_hash) == phone_hash, own)
        session.exec(update(table).where(theirs).values(**NO_TRACE))


def _reject_registrations(session: Session, phone_hash: bytes, actor: Actor, now: datetime) -> None:
    theirs = col(Registration.contact_phone_hash) == phone_hash
    answer = {
        "status": RegistrationStatus.REJECTED,
        "reason": REASON,
        "decided_by": actor.account_id,
        "decided_at": now,
    }
    waiting = col(Registration.status) == RegistrationStatus.PENDING
    session.exec(update(Registration).where(theirs, waiting).values(**answer))
    session.exec(update(Registration).where(theirs).values(**NO_TRACE))


def _forget_site_contact(session: Session, phone: str) -> None:
    """A site's number is public and kept as typed; a person's own goes with them."""
    digits = func.regexp_replace(col(Site.contact_phone), r"\D", "", "g")
    theirs = digits.endswith(privacy.national(phone))
    session.exec(update(Site).where(theirs).values(contact_name=NO_CONTACT, contact_phone=""))
