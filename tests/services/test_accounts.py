"""Accounts and passwords."""

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlmodel import Session

from app.models import Account
from app.services import accounts, privacy
from app.services.accounts import PhoneTaken, WrongCredentials

PHONE = "13800001234"
PASSWORD = "一个-long-passphrase"  # noqa: S105


@pytest.fixture
def account(session: Session) -> Account:
    return accounts.create(session, name="张三", phone=PHONE, password=PASSWORD)


class Counting(Argon2Hasher):
    """Counts verifications: the work that takes the time."""

    verified = 0

    def verify(self, password: str | bytes, hash: str | bytes) -> bool:  # noqa: A002
        Counting.verified += 1
        return super().verify(password, hash)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> type[Counting]:
    hasher = Counting(memory_cost=19 * 1024, time_cost=2, parallelism=1)
    monkeypatch.setattr(accounts, "_HASHER", PasswordHash((hasher,)))
    Counting.verified = 0
    return Counting


def test_what_is_kept_shows_neither_phone_nor_password(account: Account) -> None:
    assert account.password_hash
    assert account.phone_hash
    assert account.phone_sealed
    assert account.password_hash.startswith("$argon2id$")
    kept = account.phone_hash + account.phone_sealed + account.password_hash.encode()
    assert PHONE.encode() not in kept
    assert PASSWORD.encode() not in kept
    assert privacy.unseal(account.phone_sealed) == f"+86{PHONE}"


@pytest.mark.parametrize("typed", [PHONE, f"+86 {PHONE}", "138-0000-1234"])
def test_phone_and_password_open_the_account(
    session: Session, account: Account, typed: str
) -> None:
    assert accounts.authenticate(session, phone=typed, password=PASSWORD) is account


@pytest.mark.parametrize(
    ("phone", "password"),
    [
        (PHONE, "wrong"),
        (PHONE, ""),
        (PHONE, PASSWORD + " "),
        ("13800001235", PASSWORD),
        ("nobody", PASSWORD),
        ("", ""),
    ],
)
def test_anything_else_does_not(
    session: Session, account: Account, phone: str, password: str
) -> None:
    with pytest.raises(WrongCredentials):
        accounts.authenticate(session, phone=phone, password=password)


def test_an_inactive_account_stays_shut(session: Session, account: Account) -> None:
    account.active = False
    with pytest.raises(WrongCredentials):
        accounts.authenticate(session, phone=PHONE, password=PASSWORD)


def test_an_account_without_a_password_stays_shut(session: Session) -> None:
    accounts.create(session, name="李四", phone="13800005678", password=None)
    for password in ("", "None", PASSWORD):
        with pytest.raises(WrongCredentials):
            accounts.authenticate(session, phone="13800005678", password=password)


def test_every_refusal_costs_one_verification(
    session: Session, account: Account, counted: type[Counting]
) -> None:
    accounts.create(session, name="李四", phone="13800005678", password=None)
    for phone in (PHONE, "13800005678", "13999999999", "nobody"):
        counted.verified = 0
        with pytest.raises(WrongCredentials):
            accounts.authenticate(session, phone=phone, password="wrong")  # noqa: S106
        assert counted.verified == 1, phone


def test_an_old_hash_is_renewed_at_sign_in(session: Session, account: Account) -> None:
    old = PasswordHash((Argon2Hasher(memory_cost=1024, time_cost=1, parallelism=1),))
    account.password_hash = old.hash(PASSWORD)
    with pytest.raises(WrongCredentials):
        accounts.authenticate(session, phone=PHONE, password="wrong")  # noqa: S106
    assert "m=1024," in account.password_hash
    accounts.authenticate(session, phone=PHONE, password=PASSWORD)
    renewed = account.password_hash
    assert "m=19456,t=2,p=1" in renewed
    accounts.authenticate(session, phone=PHONE, password=PASSWORD)
    assert account.password_hash == renewed


def test_a_phone_has_one_account_however_it_is_spelt(session: Session, account: Account) -> None:
    with pytest.raises(PhoneTaken), session.begin_nested():
        accounts.create(session, name="李四", phone=f"+86 {PHONE}", password=None)
    accounts.create(session, name="李四", phone="13800005678", password=None)


def test_an_account_needs_a_phone(session: Session) -> None:
    with pytest.raises(privacy.InvalidPhone):
        accounts.create(session, name="李四", phone="12", password=None)
