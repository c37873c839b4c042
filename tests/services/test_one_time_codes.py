"""Codes from staff: good for one use, for a day, and for a few guesses."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from app.models import Account, OneTimeCode
from app.services import one_time_codes
from app.services.one_time_codes import ALPHABET, GUESSES, LENGTH, LIFE
from tests.conftest import NOW
from tests.makers import make_account
from tests.races import at_once, replaced_sql

SECOND = timedelta(seconds=1)
WRONG = ALPHABET[0] * LENGTH


@pytest.fixture
def account(session: Session) -> Account:
    return make_account(session)


def issue(session: Session, account: Account) -> str:
    issued = one_time_codes.issue(session, account_id=account.id, issued_by=None, now=NOW)
    assert issued.expires_at == NOW + LIFE
    return issued.code


def redeem(session: Session, account: Account, code: str, after: timedelta = SECOND) -> bool:
    return one_time_codes.redeem(session, account_id=account.id, code=code, now=NOW + after)


def test_a_code_is_easy_to_read_out_and_never_the_same(session: Session, account: Account) -> None:
    codes = {issue(session, account) for _ in range(50)}
    assert len(codes) == 50
    assert all(len(code) == LENGTH and set(code) <= set(ALPHABET) for code in codes)
    assert not set("01ILOU") & set(ALPHABET)


def test_the_database_does_not_hold_the_code(session: Session, account: Account) -> None:
    code = issue(session, account)
    kept = session.exec(select(OneTimeCode)).one()
    assert code.encode() not in kept.code_hash
    assert len(kept.code_hash) == 32


def test_a_code_works_once(session: Session, account: Account) -> None:
    code = issue(session, account)
    assert redeem(session, account, code)
    assert not redeem(session, account, code)


def test_how_it_is_typed_does_not_matter(session: Session, account: Account) -> None:
    code = issue(session, account)
    assert redeem(session, account, f" {code[:5].lower()}-{code[5:]} ")


def test_it_is_good_for_a_day(session: Session, account: Account) -> None:
    code = issue(session, account)
    assert not redeem(session, account, code, LIFE)
    assert redeem(session, account, code, LIFE - SECOND)


def test_a_new_one_takes_the_place_of_the_old(session: Session, account: Account) -> None:
    old, new = issue(session, account), issue(session, account)
    assert not redeem(session, account, old)
    assert redeem(session, account, new)


def test_another_persons_code_opens_nothing(session: Session, account: Account) -> None:
    other = make_account(session)
    code, _ = issue(session, account), issue(session, other)
    assert not redeem(session, other, code)
    assert not redeem(session, make_account(session), code)
    assert redeem(session, account, code)


@pytest.mark.parametrize(("guesses", "still_good"), [(GUESSES - 1, True), (GUESSES, False)])
def test_wrong_guesses_end_it(
    session: Session, account: Account, guesses: int, still_good: bool
) -> None:
    code = issue(session, account)
    assert not any(redeem(session, account, WRONG) for _ in range(guesses))
    assert redeem(session, account, code) is still_good


def test_a_new_one_has_all_its_guesses(session: Session, account: Account) -> None:
    issue(session, account)
    redeem(session, account, WRONG)
    code = issue(session, account)
    assert not any(redeem(session, account, WRONG) for _ in range(GUESSES - 1))
    assert redeem(session, account, code)


@pytest.mark.parametrize("code", ["", "甲", "\0", "A" * 1000])
def test_no_code_at_all_is_a_wrong_one(session: Session, account: Account, code: str) -> None:
    issue(session, account)
    assert not redeem(session, account, code)


def test_codes_past_their_time_are_forgotten(session: Session, account: Account) -> None:
    issue(session, account)
    assert one_time_codes.forget_expired(session, NOW + LIFE - SECOND) == 0
    assert one_time_codes.forget_expired(session, NOW + LIFE) == 1
    assert one_time_codes.forget_expired(session, NOW + LIFE) == 0


@pytest.fixture
def committed(own_engine: Engine) -> tuple[UUID, str]:
    with Session(own_engine) as session, session.begin():
        account = make_account(session)
        code, account_id = issue(session, account), account.id
    return account_id, code


def uses(engine: Engine, account_id: UUID, code: str, times: int = 8) -> int:
    def use(_: int) -> bool:
        with Session(engine) as session, session.begin():
            return one_time_codes.redeem(session, account_id=account_id, code=code, now=NOW)

    return sum(at_once(times, use))


def test_two_clients_with_one_code_use_it_once(
    own_engine: Engine, committed: tuple[UUID, str]
) -> None:
    assert uses(own_engine, *committed) == 1


def test_parallel_guesses_are_all_counted(own_engine: Engine, committed: tuple[UUID, str]) -> None:
    account_id, code = committed
    assert uses(own_engine, account_id, WRONG, GUESSES) == 0
    assert uses(own_engine, account_id, code, 1) == 0


def test_issued_at_once_one_code_is_left(own_engine: Engine, committed: tuple[UUID, str]) -> None:
    account_id, _ = committed

    def issue_one(_: int) -> str:
        with Session(own_engine) as session, session.begin():
            return one_time_codes.issue(
                session, account_id=account_id, issued_by=None, now=NOW
            ).code

    codes = at_once(4, issue_one)
    assert sum(uses(own_engine, account_id, code, 1) for code in codes) == 1


def test_without_the_lock_guesses_would_be_lost(
    own_engine: Engine, committed: tuple[UUID, str]
) -> None:
    account_id, _ = committed
    with (
        Session(own_engine) as slow,
        slow.begin(),
        replaced_sql(own_engine, "FOR UPDATE"),
    ):
        read = slow.get_one(OneTimeCode, account_id)
        assert uses(own_engine, account_id, WRONG, 1) == 0
        read.guesses_left -= 1
    with Session(own_engine) as session:
        assert session.get_one(OneTimeCode, account_id).guesses_left == GUESSES - 1
