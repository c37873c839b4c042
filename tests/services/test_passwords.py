"""What a password must be like, and how it is proved."""

from datetime import timedelta

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlmodel import Session

from app import settings
from app.models import Account
from app.services import accounts, passwords, tokens
from app.services.passwords import LONGEST, PasswordTooWeak
from app.settings import PasswordProfile, Settings
from tests.conftest import NOW
from tests.services.counting import Counting, counted

__all__ = ["counted"]

PHONE = "13800001234"
PASSWORD = "一个-long-passphrase"  # noqa: S105
GOOD = "Abcdef-1"
LONG = "three quiet herons"
SECOND = timedelta(seconds=1)
LASTING = timedelta(days=90)


@pytest.fixture
def account(session: Session) -> Account:
    return accounts.create(session, name="张三", phone=PHONE, password=PASSWORD)


@pytest.fixture
def nist(monkeypatch: pytest.MonkeyPatch) -> None:
    knobs = Settings(password_profile=PasswordProfile.NIST)
    monkeypatch.setattr(settings, "load", lambda: knobs)


def broken(session: Session, account: Account, password: str) -> list[str]:
    """The rules that a password breaks; none if it is taken."""
    try:
        passwords.set_password(session, account=account, password=password, now=NOW)
    except PasswordTooWeak as refusal:
        return [one.rule for one in refusal.broken]
    assert passwords.fits(session, account=account, password=password)
    return []


def test_a_password_is_proved(session: Session, account: Account) -> None:
    assert passwords.fits(session, account=account, password=PASSWORD)


@pytest.mark.parametrize("password", ["wrong", "", PASSWORD + " ", PASSWORD.upper()])
def test_another_one_is_not(session: Session, account: Account, password: str) -> None:
    assert not passwords.fits(session, account=account, password=password)


def test_full_width_letters_are_the_same_letters(session: Session, account: Account) -> None:
    typed = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in PASSWORD)
    assert typed != PASSWORD
    assert passwords.fits(session, account=account, password=typed)


def test_an_inactive_account_stays_shut(session: Session, account: Account) -> None:
    account.active = False
    assert not passwords.fits(session, account=account, password=PASSWORD)


def test_an_account_without_a_password_stays_shut(session: Session) -> None:
    empty = accounts.create(session, name="李四", phone="13800005678", password=None)
    for password in ("", "None", PASSWORD):
        assert not passwords.fits(session, account=empty, password=password)


def test_every_refusal_costs_one_verification(
    session: Session, account: Account, counted: type[Counting]
) -> None:
    empty = accounts.create(session, name="李四", phone="13800005678", password=None)
    for who in (account, empty, None):
        counted.verified = 0
        assert not passwords.fits(session, account=who, password="wrong")  # noqa: S106
        assert counted.verified == 1, who


def test_an_old_hash_is_renewed_when_the_password_is_known(
    session: Session, account: Account
) -> None:
    old = PasswordHash((Argon2Hasher(memory_cost=1024, time_cost=1, parallelism=1),))
    account.password_hash = old.hash(PASSWORD)
    assert not passwords.fits(session, account=account, password="wrong")  # noqa: S106
    assert "m=1024," in account.password_hash
    assert passwords.fits(session, account=account, password=PASSWORD)
    renewed = account.password_hash
    assert "m=19456,t=2,p=1" in renewed
    assert passwords.fits(session, account=account, password=PASSWORD)
    assert account.password_hash == renewed


@pytest.mark.parametrize(
    ("password", "rules"),
    [
        (GOOD, []),
        ("甲乙丙丁戊1aA", []),
        ("Abcde-1", ["too-short"]),
        ("abcdefg-", ["too-few-kinds"]),
        ("abc", ["too-short", "too-few-kinds"]),
        ("Aa1" * 43, ["too-long"]),
        ("Aa1" * 42 + "Aa", []),
        (f"Ab-{PHONE}", ["names-you"]),
        ("张三-Abcd12", ["names-you"]),
        ("张-三-Abcd12", []),
    ],
)
def test_the_rules_of_mlps(
    session: Session, account: Account, password: str, rules: list[str]
) -> None:
    assert broken(session, account, password) == rules


@pytest.mark.parametrize(
    ("password", "rules"),
    [
        (LONG, []),
        ("一二三四五六七八九十百千万亿兆", []),
        ("three herons!1A", []),
        ("three heron!1A", ["too-short"]),
        (GOOD, ["too-short"]),
        ("x" * (LONGEST + 1), ["too-long"]),
        ("x" * LONGEST, []),
        (f"the number {PHONE}", ["names-you"]),
    ],
)
def test_the_rules_of_nist(
    session: Session, account: Account, nist: None, password: str, rules: list[str]
) -> None:
    assert broken(session, account, password) == rules


def test_a_common_password_is_known_in_capitals_too(
    session: Session, account: Account, nist: None
) -> None:
    common = max(passwords._common(), key=len)
    assert len(common) >= passwords.policy().shortest
    assert broken(session, account, common.upper()) == ["too-common"]


def test_the_same_again_is_no_new_password(session: Session, account: Account) -> None:
    assert broken(session, account, GOOD) == []
    assert broken(session, account, GOOD) == ["unchanged"]


def test_a_refusal_names_the_rules_and_their_values(session: Session, account: Account) -> None:
    with pytest.raises(PasswordTooWeak) as refusal:
        passwords.set_password(session, account=account, password="abc", now=NOW)  # noqa: S106
    assert refusal.value.facts == {
        "rules": [passwords.Broken("too-short", 8), passwords.Broken("too-few-kinds", 3)]
    }
    assert refusal.value.detail("zh") == (
        "密码至少 8 个字符，须含大写字母、小写字母、数字、符号中的至少 3 类"
    )
    assert refusal.value.detail("en") == (
        "It must be at least 8 characters,"
        " at least 3 of capitals, small letters, digits and other characters"
    )


def test_every_rule_can_be_told_in_both_languages() -> None:
    for rule in passwords._WORDS:
        refusal = PasswordTooWeak([passwords.Broken(rule, 8)])
        assert refusal.detail("zh") != refusal.detail("en")


def test_a_refused_password_changes_nothing(session: Session, account: Account) -> None:
    before = (account.password_hash, account.password_set_at, account.logins_since)
    assert broken(session, account, "abc")
    assert (account.password_hash, account.password_set_at, account.logins_since) == before


def test_a_new_password_ends_every_login(session: Session, account: Account) -> None:
    pair = tokens.issue(session, account_id=account.id, now=NOW - SECOND)
    assert broken(session, account, GOOD) == []
    assert (account.password_set_at, account.logins_since) == (NOW, NOW)
    assert tokens.refresh(session, refresh_token=pair.refresh_token, now=NOW) is None


def test_a_password_lasts_for_ninety_days(session: Session, account: Account) -> None:
    broken(session, account, GOOD)
    assert not passwords.is_expired(account, NOW + LASTING - SECOND)
    assert passwords.is_expired(account, NOW + LASTING)


def test_under_nist_it_lasts_for_good(session: Session, account: Account, nist: None) -> None:
    broken(session, account, LONG)
    assert not passwords.is_expired(account, NOW + 100 * LASTING)
