"""Accounts as others keep them: made, changed, reset, and given roles."""

from datetime import datetime
from typing import TypedDict
from uuid import UUID

from sqlmodel import Session, select

from app.db import violating
from app.errors import Stale, Unauthenticated
from app.models import Account, Grant, OneTimeCode, Organisation, Role
from app.services import (
    access,
    accounts,
    grants,
    offices,
    one_time_codes,
    organisations,
    privacy,
    throttles,
    tokens,
    users,
)
from app.services.access import Actor, NotInScope
from app.services.powers import KEEPERS, keepers


class Changes(TypedDict, total=False):
    """What is to be changed of an account; no home is None."""

    name: str
    phone: str
    organisation_id: UUID | None
    active: bool


def create(
    session: Session,
    *,
    actor: Actor,
    name: str,
    phone: str,
    organisation_id: UUID | None,
    now: datetime,
) -> tuple[Account, one_time_codes.IssuedCode]:
    """Open an account, and issue the code that its first password is set with.

    Args:
        session: open transaction.
        actor: who makes it.
        name: the person's.
        phone: in any spelling.
        organisation_id: their home; only a system administrator makes an account without.
        now: the present instant, aware.

    Raises:
        OrganisationNotFound: there is no such home, or it is not the actor's to see.
        NotInScope: the actor makes no accounts there.
        InvalidPhone: it is no phone number.
        PhoneTaken: another account has it.
    """
    _allow_home(session, actor, organisation_id)
    made = accounts.create(
        session, name=name, phone=phone, password=None, organisation_id=organisation_id
    )
    code = one_time_codes.issue(session, account_id=made.id, issued_by=actor.account_id, now=now)
    return made, code


def change(
    session: Session,
    *,
    actor: Actor,
    user_id: UUID,
    version: int,
    changes: Changes,
    now: datetime,
) -> Account:
    """Change an account; one that is deactivated is signed out everywhere at once.

    Args:
        session: open transaction.
        actor: who changes it.
        user_id: whose.
        version: the one that was read.
        changes: what is to be otherwise.
        now: the present instant, aware.

    Raises:
        UserNotFound: there is none, or it is not the actor's to see.
        NotForOneself: it is the actor's own.
        NotInScope: the actor keeps no such account, or not at the new home.
        Stale: it has changed since.
        OrganisationNotFound: there is no such home, or it is not the actor's to see.
        InvalidPhone: it is no phone number.
        PhoneTaken: another account has it.
        LastOfItsOffice: the last one of an office is to be deactivated.
    """
    account = users.get(session, actor=actor, user_id=user_id, lock=True)
    allow_keeping(session, actor=actor, account=account, now=now)
    if account.version != version:
        raise Stale
    if "organisation_id" in changes:
        _allow_home(session, actor, changes["organisation_id"])
        account.organisation_id = changes["organisation_id"]
    if changes.get("active") is False:
        offices.leave(session, account=account, now=now)
        tokens.end_all(session, account_id=account.id, now=now)
    account.active = changes.get("active", account.active)
    account.name = changes.get("name", account.name)
    if "phone" in changes:
        account.phone_hash = privacy.fingerprint(changes["phone"])
        account.phone_sealed = privacy.seal(changes["phone"])
    account.version += 1
    with violating(accounts.PHONE_ONCE, accounts.PhoneTaken()):
        session.flush()
    return account


def reset(
    session: Session, *, actor: Actor, user_id: UUID, now: datetime
) -> one_time_codes.IssuedCode:
    """Issue a new one-time code, end every login, and open the account to guesses again.

    Args:
        session: open transaction.
        actor: who hands the code over.
        user_id: to whom.
        now: the present instant, aware.

    Raises:
        UserNotFound: there is none, or it is not the actor's to see.
        NotForOneself: it is the actor's own.
        NotInScope: the actor keeps no such account.
    """
    account = users.get(session, actor=actor, user_id=user_id, lock=True)
    allow_keeping(session, actor=actor, account=account, now=now)
    tokens.end_all(session, account_id=account.id, now=now)
    if account.phone_hash is not None:
        throttles.unlock(session, phone_hash=account.phone_hash)
    return one_time_codes.issue(session, account_id=account.id, issued_by=actor.account_id, now=now)


def give(
    session: Session,
    *,
    actor: Actor,
    user_id: UUID,
    role: Role,
    organisation_id: UUID | None,
    site_id: UUID | None,
    ends_at: datetime | None,
    now: datetime,
) -> Grant:
    """Give a person a role; see `grants.give` for the arguments.

    A code issued by somebody who could not issue it any more, now that the person holds this role,
    ends: it would give them the role too.

    Raises:
        UserNotFound: there is none, or it is not the actor's to see.
        DomainError: as `grants.give`.
    """
    account = users.get(session, actor=actor, user_id=user_id, lock=True)
    given = grants.give(
        session,
        actor=actor,
        account=account,
        role=role,
        organisation_id=organisation_id,
        site_id=site_id,
        ends_at=ends_at,
        now=now,
    )
    code = session.get(OneTimeCode, account.id)
    if code is not None and code.issued_by is not None:
        try:
            issuer = access.load(session, account_id=code.issued_by, now=now)
            allow_keeping(session, actor=issuer, account=account, now=now)
        except (Unauthenticated, NotInScope):
            session.delete(code)
            session.flush()
    return given


def refuse_oneself(actor: Actor, account: Account) -> None:
    """Pass if the account is not the actor's own.

    Raises:
        NotForOneself: it is.
    """
    if account.id == actor.account_id:
        raise grants.NotForOneself


def allow_keeping(session: Session, *, actor: Actor, account: Account, now: datetime) -> None:
    """Pass if the actor may change an account they see, and remember by which roles.

    Args:
        session: open transaction.
        actor: who wants to.
        account: whose account, locked.
        now: the present instant, aware.

    Raises:
        NotForOneself: it is the actor's own.
        NotInScope: its home is out of their reach, or the person holds what they could not give.
    """
    refuse_oneself(actor, account)
    allowed = keepers(actor, _home_path(session, account.organisation_id))
    if Role.SYSTEM_ADMIN not in allowed and grants.holds_beyond(
        session, actor=actor, account_id=account.id, now=now
    ):
        allowed = []
    if not allowed:
        raise NotInScope(roles=sorted(KEEPERS))
    actor.act_as(allowed)


def _allow_home(session: Session, actor: Actor, organisation_id: UUID | None) -> None:
    if organisation_id is not None:
        organisations.get(session, actor=actor, organisation_id=organisation_id)
    allowed = keepers(actor, _home_path(session, organisation_id))
    if not allowed:
        raise NotInScope(roles=sorted(KEEPERS))
    actor.act_as(allowed)


def _home_path(session: Session, organisation_id: UUID | None) -> str | None:
    wanted = select(Organisation.path).where(Organisation.id == organisation_id)
    return session.exec(wanted).one_or_none()
