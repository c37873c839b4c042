"""People who can sign in: their accounts."""

from uuid import UUID

from sqlalchemy import func
from sqlmodel import Session, select

from app.db import violating
from app.errors import Conflict, Stale
from app.models import Account
from app.services import passwords, privacy

PHONE_ONCE = "account_phone_hash_key"


class PhoneTaken(Conflict):
    """Another account has this phone number."""

    zh = "该手机号已有账号"


def create(
    session: Session,
    *,
    name: str,
    phone: str,
    password: str | None,
    organisation_id: UUID | None = None,
) -> Account:
    """Open an account.

    Args:
        session: open transaction.
        name: the person's.
        phone: in any spelling.
        password: whatever it is, as the command line knows best; None for one who has none yet.
        organisation_id: their home, whose staff keep the account; None for nobody's but the
            system administrator's.

    Raises:
        InvalidPhone: it is no phone number.
        PhoneTaken: another account has it.
    """
    account = Account(
        name=name,
        phone_hash=privacy.fingerprint(phone),
        phone_sealed=privacy.seal(phone),
        organisation_id=organisation_id,
    )
    if password is not None:
        account.password_hash = passwords.hashed(password)
        # By the database's clock, as `created_at`: an account is not opened in somebody's past.
        account.password_set_at = func.now()  # type: ignore[assignment]
    session.add(account)
    with violating(PHONE_ONCE, PhoneTaken()):
        session.flush()
    return account


def rename(session: Session, *, account_id: UUID, name: str, version: int) -> Account:
    """Change a person's name.

    Args:
        session: open transaction.
        account_id: the person.
        name: the new one.
        version: the one that was read.

    Raises:
        Stale: it has changed since.
    """
    wanted = select(Account).where(Account.id == account_id).with_for_update(key_share=True)
    account = session.exec(wanted.execution_options(populate_existing=True)).one()
    if account.version != version:
        raise Stale
    account.name, account.version = name, version + 1
    session.flush()
    return account


def phone_masked(account: Account) -> str | None:
    """Return the number as all but its owner may see it; None for an erased person."""
    sealed = account.phone_sealed
    return None if sealed is None else privacy.mask(privacy.unseal(sealed))


def locked(session: Session, *, condition: bool) -> Account | None:
    """Return the one account that meets an SQL condition, as it is once nobody else changes it.

    A login begun meanwhile would outlive the end of all logins that a new password brings.
    """
    found = select(Account).where(condition).with_for_update(key_share=True)
    return session.exec(found.execution_options(populate_existing=True)).one_or_none()
