"""What a password must be like, how it is kept, and how it is proved."""

import secrets
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlmodel import Session

from app import settings
from app.errors import Malformed, Unauthenticated
from app.models import Account
from app.services import privacy, tokens
from app.settings import PasswordProfile

LONGEST = 128
# OWASP's argon2id setting: 19 MiB each, so that a full house of logins fits into memory.
_HASHER = PasswordHash((Argon2Hasher(memory_cost=19 * 1024, time_cost=2, parallelism=1),))


@lru_cache(maxsize=1)
def _nobody() -> str:
    """Return what is verified where there is no password, so that the time does not tell who is."""
    return _HASHER.hash(secrets.token_urlsafe())


@dataclass(frozen=True)
class Policy:
    """One profile: what a password must be like, how long it lasts, and how often one may fail."""

    shortest: int
    kinds: int
    """Of capitals, small letters, digits and others, how many it needs."""
    not_common: bool
    lasting: timedelta | None
    failures: int
    locked_for: timedelta = timedelta(minutes=15)


POLICIES: Mapping[PasswordProfile, Policy] = {
    PasswordProfile.MLPS: Policy(
        shortest=8, kinds=3, not_common=False, lasting=timedelta(days=90), failures=5
    ),
    PasswordProfile.NIST: Policy(shortest=15, kinds=0, not_common=True, lasting=None, failures=10),
}
"""等保 2.0 (GB/T 22239-2019, 8.1.4.1) and NIST SP 800-63B-4, 3.1.1."""

_WORDS = {
    "too-short": ("至少 {limit} 个字符", "at least {limit} characters"),
    "too-long": ("至多 {limit} 个字符", "at most {limit} characters"),
    "too-few-kinds": (
        "须含大写字母、小写字母、数字、符号中的至少 {limit} 类",
        "at least {limit} of capitals, small letters, digits and other characters",
    ),
    "names-you": ("不得包含本人姓名或手机号", "without your name or phone number"),
    "too-common": ("不得是常见密码", "not one of the passwords that everybody tries"),
    "unchanged": ("不得与原密码相同", "not the password you have"),
}


@dataclass(frozen=True)
class Broken:
    """A rule that a password breaks, and the number in it."""

    rule: str
    limit: int | None = None


class PasswordTooWeak(Malformed):
    """The password does not meet the rules.

    The fact `rules` has each rule broken, with its `limit`.
    """

    zh = "密码不符合要求"

    def __init__(self, broken: list[Broken]) -> None:
        super().__init__(rules=broken)
        self.broken = broken

    def detail(self, language: str) -> str:
        """Say what a password must be like that this one is not."""
        words = [_WORDS[one.rule][language != "zh"].format(limit=one.limit) for one in self.broken]
        return f"密码{'，'.join(words)}" if language == "zh" else f"It must be {', '.join(words)}"


class PasswordExpired(Unauthenticated):
    """The password is too old; choose a new one."""

    zh = "密码已过期，请设置新密码"


def policy() -> Policy:
    """Return the profile of this deployment."""
    return POLICIES[settings.load().password_profile]


def hashed(password: str) -> str:
    """Return what is kept of a password."""
    return _HASHER.hash(_normal(password))


def fits(session: Session, *, account: Account | None, password: str) -> bool:
    """Tell whether this is the password of an active account.

    The work is the same whether or not there is such an account. A password kept under older
    parameters is hashed anew, as this is the only moment it is known.

    Args:
        session: open transaction.
        account: None for a phone that nobody has.
        password: as typed.
    """
    kept = (account.password_hash if account else None) or _nobody()
    right, renewed = _HASHER.verify_and_update(_normal(password), kept)
    if account is None or not (right and account.active and account.password_hash):
        return False
    if renewed is not None:
        account.password_hash = renewed
        session.flush()
    return True


def is_expired(account: Account, now: datetime) -> bool:
    """Tell whether the account's password has outlived the profile's time at `now`."""
    lasting, since = policy().lasting, account.password_set_at
    return lasting is not None and since is not None and since + lasting <= now


def set_password(session: Session, *, account: Account, password: str, now: datetime) -> None:
    """Give an account a new password and end all its logins.

    Args:
        session: open transaction.
        account: not erased.
        password: as typed.
        now: the present instant, aware.

    Raises:
        PasswordTooWeak: it breaks rules of the profile, which are named.
    """
    broken = list(_broken(account, _normal(password), policy()))
    if fits(session, account=account, password=password):
        broken.append(Broken("unchanged"))
    if broken:
        raise PasswordTooWeak(broken)
    account.password_hash = hashed(password)
    account.password_set_at = now
    tokens.end_all(session, account_id=account.id, now=now)
    session.flush()


def _broken(account: Account, password: str, rules: Policy) -> Iterator[Broken]:
    if len(password) < rules.shortest:
        yield Broken("too-short", rules.shortest)
    if len(password) > LONGEST:
        yield Broken("too-long", LONGEST)
    if len({_kind(letter) for letter in password}) < rules.kinds:
        yield Broken("too-few-kinds", rules.kinds)
    if _names(account, password):
        yield Broken("names-you")
    if rules.not_common and password.lower() in _common():
        yield Broken("too-common")


def _kind(letter: str) -> str:
    if letter.isdigit():
        return "digit"
    return "capital" if letter.isupper() else "small" if letter.islower() else "other"


def _names(account: Account, password: str) -> bool:
    phone = (
        privacy.unseal(account.phone_sealed).removeprefix(f"+{privacy.HOME_CODE}")
        if (account.phone_sealed)
        else None
    )
    # A name of one letter is in too many passwords to be a rule.
    name = _normal(account.name).lower() if len(account.name) > 1 else None
    return any(own is not None and own in password.lower() for own in (name, phone))


@lru_cache(maxsize=1)
def _common() -> frozenset[str]:
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(FREQUENCY_LISTS["passwords"])


def _normal(password: str) -> str:
    # One spelling, whichever keyboard wrote it (SP 800-63B-4, 3.1.1.2): full-width digits too.
    return unicodedata.normalize("NFKC", password)
