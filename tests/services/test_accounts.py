"""Accounts and passwords."""

import pytest
from sqlmodel import Session

from app.models import Account
from app.services import accounts, privacy
from app.services.accounts import PhoneTaken

PHONE = "13800001234"
PASSWORD = "一个-long-passphrase"  # noqa: S105


@pytest.fixture
def account(session: Session) -> Account:
    return accounts.create(session, name="张三", phone=PHONE, password=PASSWORD)


def test_what_is_kept_shows_neither_phone_nor_password(account: Account) -> None:
    assert account.password_hash
    assert account.phone_hash
    assert account.phone_sealed
    assert account.password_hash.startswith("$argon2id$")
    kept = account.phone_hash + account.phone_sealed + account.password_hash.encode()
    assert PHONE.encode() not in kept
    assert PASSWORD.encode() not in kept
    assert privacy.unseal(account.phone_sealed) == f"+86{PHONE}"


def test_the_age_of_a_password_is_known(session: Session, account: Account) -> None:
    assert account.password_set_at
    assert (
        accounts.create(session, name="李四", phone="13800005678", password=None).password_set_at
        is None
    )


def test_a_phone_has_one_account_however_it_is_spelt(session: Session, account: Account) -> None:
    with pytest.raises(PhoneTaken), session.begin_nested():
        accounts.create(session, name="李四", phone=f"+86 {PHONE}", password=None)
    accounts.create(session, name="李四", phone="13800005678", password=None)


def test_an_account_needs_a_phone(session: Session) -> None:
    with pytest.raises(privacy.InvalidPhone):
        accounts.create(session, name="李四", phone="12", password=None)
