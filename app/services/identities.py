"""What other services call a person, and sign-ins under way there."""

import hashlib
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select
from uuid_utils.compat import uuid7

from app.errors import Conflict, Unauthenticated
from app.models import Account, Identity, OidcLogin, Provider
from app.services import accounts, privacy

LIFE = timedelta(minutes=10)
WECHAT = Provider.WECHAT


class WechatUnlinked(Unauthenticated):
    """No account is linked with this WeChat yet; send phone and password once."""

    zh = "该微信尚未绑定账号，请输入手机号和密码绑定"


class OidcUnlinked(Unauthenticated):
    """No account is linked with this identity, and none has its verified phone number."""

    zh = "该身份尚未绑定本平台账号，请联系工作人员"


class AlreadyLinked(Conflict):
    """The account is linked with another identity there, or the identity with another account."""

    zh = "该账号已绑定其他身份，或该身份已绑定其他账号"


def account_of(session: Session, *, provider: Provider, subject: str) -> Account | None:
    """Return the active account that a subject of a provider is linked with, locked."""
    account_id = holder_of(session, provider=provider, subject=subject)
    if account_id is None:
        return None
    if provider == WECHAT:
        _keep_address(session, account_id, subject)
    account = accounts.locked(session, condition=Account.id == account_id)
    return account if account and account.active else None


def holder_of(session: Session, *, provider: Provider, subject: str) -> UUID | None:
    """Return whose account a subject of a provider is linked with, active or not."""
    theirs = select(Identity.account_id).where(
        Identity.provider == provider, Identity.subject_hash == _hash(provider, subject)
    )
    return session.exec(theirs).one_or_none()


def _keep_address(session: Session, account_id: UUID, subject: str) -> None:
    """Keep where messages go to, of who was linked before that was kept."""
    lacking = (
        col(Identity.account_id) == account_id,
        col(Identity.provider) == WECHAT,
        col(Identity.subject_sealed).is_(None),
    )
    sealed = privacy.seal_bytes(subject.encode())
    session.exec(update(Identity).where(*lacking).values(subject_sealed=sealed))


def account_with_phone(session: Session, *, phone: str) -> Account | None:
    """Return the active account with a phone number that somebody else has verified, locked."""
    try:
        phone_hash = privacy.fingerprint(phone)
    except privacy.InvalidPhone:
        return None
    account = accounts.locked(session, condition=Account.phone_hash == phone_hash)
    return account if account and account.active else None


def link(session: Session, *, account: Account, provider: Provider, subject: str) -> None:
    """Let a subject of a provider be an account from now on; doing it again is harmless.

    Raises:
        AlreadyLinked: one of the two is linked with another.
    """
    subject_hash = _hash(provider, subject)
    row = insert(Identity).values(
        id=uuid7(),
        account_id=account.id,
        provider=provider,
        subject_hash=subject_hash,
        # Messages go to it.
        subject_sealed=privacy.seal_bytes(subject.encode()) if provider == WECHAT else None,
    )
    # Either unique index may be in the way; whose row it is tells whether that is harmless.
    session.exec(row.on_conflict_do_nothing())
    if holder_of(session, provider=provider, subject=subject) != account.id:
        raise AlreadyLinked


def remember(
    session: Session, *, state: str, nonce: str, code_verifier: str, now: datetime
) -> None:
    """Keep what the answer to a sign-in sent to the identity provider must fit."""
    session.add(
        OidcLogin(
            state_hash=_state_hash(state),
            nonce=nonce,
            code_verifier=code_verifier,
            expires_at=now + LIFE,
        )
    )
    session.flush()


def take(session: Session, *, state: str, now: datetime) -> OidcLogin | None:
    """Use up a sign-in that comes back; None if none with this state is awaited (any more)."""
    mine = delete(OidcLogin).where(col(OidcLogin.state_hash) == _state_hash(state))
    row = session.exec(
        mine.returning(OidcLogin).execution_options(synchronize_session=False)
    ).one_or_none()
    if row is None:
        return None
    login: OidcLogin = row[0]
    session.expunge(login)
    return login if login.expires_at > now else None


def forget_expired(session: Session, now: datetime) -> int:
    """Delete sign-ins that did not come back in time and return how many; a job."""
    past = delete(OidcLogin).where(col(OidcLogin.expires_at) <= now)
    return session.exec(past.execution_options(synchronize_session=False)).rowcount


def _hash(provider: Provider, subject: str) -> bytes:
    return privacy.keyed_hash(f"identity {provider}", subject.encode())


def _state_hash(state: str) -> bytes:
    # 256 random bits cannot be guessed, so a fast hash is enough.
    return hashlib.sha256(state.encode()).digest()
