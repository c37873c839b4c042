"""Guessing is slow, for one account and from one address, however many guess at once."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, func
from sqlmodel import Session, select

from app import settings
from app.models import Account, LoginThrottle
from app.services import accounts, audit, one_time_codes, passwords, sign_in, throttles
from app.services.throttles import ADDRESS_FAILURES, ADDRESS_WINDOW, TooManyAttempts
from app.settings import PasswordProfile, Settings
from tests.conftest import NOW
from tests.races import at_once
from tests.services.counting import Counting, counted

__all__ = ["counted"]

PHONE = "13800001234"
UNKNOWN = "13900001234"
PASSWORD = "一个-long-passphrase"  # noqa: S105
HOME = "192.0.2.1"
SECOND = timedelta(seconds=1)
MOST = 5
LOCKED = timedelta(minutes=15)


@pytest.fixture
def account(session: Session) -> Account:
    return accounts.create(session, name="张三", phone=PHONE, password=PASSWORD)


def attempt(
    session: Session,
    password: str = PASSWORD,
    *,
    phone: str = PHONE,
    after: timedelta = timedelta(0),
    address: str | None = HOME,
) -> str:
    """How an attempt ends: `in`, or the name of the refusal."""
    done = sign_in.with_password(
        session, phone=phone, password=password, address=address, now=NOW + after
    )
    return "in" if isinstance(done, Account) else type(done).__name__


def fail(session: Session, times: int = MOST, phone: str = PHONE) -> None:
    for _ in range(times):
        assert attempt(session, "wrong", phone=phone) == "WrongCredentials"


def test_after_so_many_failures_even_the_right_password_is_refused(
    session: Session, account: Account
) -> None:
    fail(session)
    assert attempt(session) == "TooManyAttempts"
    assert attempt(session, after=LOCKED - SECOND) == "TooManyAttempts"
    assert attempt(session, after=LOCKED) == "in"


def test_one_failure_less_and_it_opens(session: Session, account: Account) -> None:
    fail(session, MOST - 1)
    assert attempt(session) == "in"


def test_success_begins_the_count_anew(session: Session, account: Account) -> None:
    for _ in range(3):
        fail(session, MOST - 1)
        assert attempt(session) == "in"


def test_old_failures_are_forgotten(session: Session, account: Account) -> None:
    fail(session, MOST - 1)
    assert attempt(session, "wrong", after=LOCKED) == "WrongCredentials"
    assert attempt(session, after=LOCKED) == "in"


def test_after_a_lock_there_are_as_many_attempts_again(session: Session, account: Account) -> None:
    fail(session)
    for _ in range(MOST):
        assert attempt(session, "wrong", after=LOCKED) == "WrongCredentials"
    assert attempt(session, after=LOCKED) == "TooManyAttempts"


def test_the_refusal_says_how_long(session: Session, account: Account) -> None:
    fail(session)
    subject = throttles.subject_of(PHONE)
    refused = throttles.begin(
        session, subject=subject, address=HOME, now=NOW + timedelta(seconds=0.5)
    )
    assert isinstance(refused, TooManyAttempts)
    assert refused.facts == {"retry_after_seconds": 900}
    assert "900 秒" in refused.detail("zh")


@pytest.mark.parametrize("phone", [UNKNOWN, "nobody", "", "13800001234x甲"])
def test_a_phone_nobody_has_is_counted_alike(session: Session, phone: str) -> None:
    fail(session, phone=phone)
    assert attempt(session, phone=phone) == "TooManyAttempts"


def test_however_the_phone_is_spelt_it_is_one(session: Session, account: Account) -> None:
    for phone in (PHONE, f"+86{PHONE}", "138 0000 1234", f"86-{PHONE}", f"0086{PHONE}"):
        attempt(session, "wrong", phone=phone)
    assert attempt(session) == "TooManyAttempts"


def test_one_account_shut_shuts_no_other(session: Session, account: Account) -> None:
    fail(session, phone=UNKNOWN)
    assert attempt(session) == "in"


def test_neither_phone_nor_address_is_kept(session: Session, account: Account) -> None:
    fail(session, 1)
    kept = b"".join(session.exec(select(LoginThrottle.key)).all())
    assert account.phone_hash
    for trace in (PHONE.encode(), HOME.encode(), account.phone_hash):
        assert trace not in kept


def spoil(session: Session, times: int, address: str = HOME) -> None:
    """Fail from one address at as many phones."""
    for number in range(times):
        phone = f"139{number:08}"
        assert attempt(session, "wrong", phone=phone, address=address) == "WrongCredentials"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Verify nothing, as only the count is looked at."""
    right = {PASSWORD}
    monkeypatch.setattr(
        passwords, "fits", lambda _, *, account, password: bool(account) and password in right
    )


def test_an_address_that_fails_too_often_is_shut_for_all(
    session: Session, account: Account, quick: None
) -> None:
    spoil(session, ADDRESS_FAILURES)
    assert attempt(session) == "TooManyAttempts"
    assert attempt(session, address="192.0.2.2") == "in"
    assert attempt(session, after=ADDRESS_WINDOW) == "in"


def test_a_town_hall_where_some_mistype_goes_on(
    session: Session, account: Account, quick: None
) -> None:
    spoil(session, ADDRESS_FAILURES - 1)
    assert all(attempt(session) == "in" for _ in range(3))


def test_success_does_not_clear_the_address(
    session: Session, account: Account, quick: None
) -> None:
    spoil(session, ADDRESS_FAILURES - 1)
    assert attempt(session) == "in"
    fail(session, 1, UNKNOWN)
    assert attempt(session) == "TooManyAttempts"


def test_a_household_of_ipv6_is_one_address(
    session: Session, account: Account, quick: None
) -> None:
    spoil(session, ADDRESS_FAILURES, "2001:db8::1")
    assert attempt(session, address="2001:db8::ffff:1") == "TooManyAttempts"
    assert attempt(session, address="2001:db8:0:1::1") == "in"


def test_who_comes_from_nowhere_is_counted(session: Session, account: Account) -> None:
    assert attempt(session, address=None) == "in"


def test_the_profile_says_how_often(
    session: Session, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "load", lambda: Settings(password_profile=PasswordProfile.NIST))
    fail(session, 10)
    assert attempt(session) == "TooManyAttempts"


def test_a_code_from_staff_unlocks(session: Session, account: Account) -> None:
    fail(session)
    one_time_codes.issue(session, account_id=account.id, issued_by=None, now=NOW)
    assert attempt(session) == "in"


def noted(session: Session) -> list[str]:
    return [note.action for note in session.info.get(audit.NOTED, [])]


def test_what_befalls_an_account_is_noted(session: Session, account: Account) -> None:
    fail(session)
    fail(session, 1, UNKNOWN)
    attempt(session)
    assert noted(session) == ["sign_in_failed"] * (MOST - 1) + ["lock_out"]


def test_old_counters_are_forgotten(session: Session, account: Account) -> None:
    fail(session, 1)
    assert throttles.forget_old(session, NOW + throttles.KEPT - SECOND) == 0
    assert throttles.forget_old(session, NOW + throttles.KEPT) == 2
    assert throttles.forget_old(session, NOW + throttles.KEPT) == 0


def attempts_at_once(
    engine: Engine, threads: int, password: str, phone: str = PHONE, *, each: int = 1
) -> list[str]:
    """Attempt in so many threads at once, no more than the pool has connections, `each` in turn."""

    def some(_: int) -> list[str]:
        ends = []
        for _ in range(each):
            with Session(engine) as session, session.begin():
                ends.append(attempt(session, password, phone=phone))
        return ends

    return [end for ends in at_once(threads, some) for end in ends]


@pytest.mark.parametrize("phone", [PHONE, UNKNOWN])
def test_of_a_hundred_guesses_by_twenty_at_once_five_are_verified(
    own_engine: Engine, counted: type[Counting], phone: str
) -> None:
    with Session(own_engine) as session, session.begin():
        accounts.create(session, name="张三", phone=PHONE, password=PASSWORD)
    ends = attempts_at_once(own_engine, 20, "wrong", phone, each=5)
    assert (ends.count("WrongCredentials"), ends.count("TooManyAttempts")) == (MOST, 95)
    assert counted.verified == MOST
    if phone == PHONE:
        assert attempts_at_once(own_engine, 1, PASSWORD) == ["TooManyAttempts"]


def test_right_passwords_at_once_are_all_let_in(own_engine: Engine) -> None:
    with Session(own_engine) as session, session.begin():
        accounts.create(session, name="张三", phone=PHONE, password=PASSWORD)
    assert attempts_at_once(own_engine, 3 * MOST, PASSWORD) == ["in"] * 3 * MOST


def test_without_the_lock_more_would_be(
    own_engine: Engine, counted: type[Counting], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Session(own_engine) as session, session.begin():
        attempt(session, "wrong", phone=UNKNOWN)

    def unlocked(session: Session, key: bytes, now: object) -> LoginThrottle:
        return session.get(LoginThrottle, key) or LoginThrottle(key=key, since=NOW)

    counted.verified = 0
    monkeypatch.setattr(throttles, "_locked", unlocked)
    attempts_at_once(own_engine, 12, "wrong", UNKNOWN)
    assert counted.verified > MOST


def test_failures_from_one_address_at_once_are_all_counted(own_engine: Engine, quick: None) -> None:
    def one(number: int) -> str:
        with Session(own_engine) as session, session.begin():
            return attempt(session, "wrong", phone=f"139{number:08}")

    assert at_once(16, one) == ["WrongCredentials"] * 16
    with Session(own_engine) as session:
        assert session.exec(select(func.max(LoginThrottle.failures))).one() == 16
