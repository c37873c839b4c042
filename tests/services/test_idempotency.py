"""One key, one deed: asked twice, at once or later, by one or by two."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from app.models import Account, IdempotencyKey
from app.services import idempotency
from app.services.idempotency import KEPT, Answer, IdempotencyKeyReused, forget_old
from tests.conftest import NOW
from tests.makers import make_account
from tests.races import at_once, until_somebody_waits

ANSWER = Answer(201, '{"名": 1}'.encode())
MOMENT = timedelta(microseconds=1)
KEY = uuid4()


@pytest.fixture
def account(session: Session) -> Account:
    return make_account(session)


def begin(
    session: Session,
    account_id: UUID,
    *,
    key: UUID = KEY,
    body: bytes = b"body",
    later: timedelta = timedelta(0),
) -> Answer | None:
    return idempotency.begin(
        session, account_id=account_id, key=key, request_hash=body, now=NOW + later
    )


def do(session: Session, account_id: UUID, answer: Answer = ANSWER) -> Answer | None:
    """Do something, unless it was done, and keep its answer."""
    done = begin(session, account_id)
    if done is None:
        idempotency.keep(session, account_id=account_id, key=KEY, answer=answer)
    return done


def test_the_second_time_has_the_first_answer(session: Session, account: Account) -> None:
    assert do(session, account.id) is None
    assert do(session, account.id, Answer(409, b"")) == ANSWER
    assert do(session, account.id) == ANSWER


def test_another_request_under_the_key_is_refused(session: Session, account: Account) -> None:
    do(session, account.id)
    with pytest.raises(IdempotencyKeyReused):
        begin(session, account.id, body=b"other")


def test_keys_are_each_persons_own(session: Session, account: Account) -> None:
    do(session, account.id)
    assert begin(session, make_account(session).id, body=b"other") is None
    assert begin(session, account.id, key=uuid4(), body=b"other") is None


@pytest.mark.parametrize("body", [b"body", b"other"])
def test_a_key_is_kept_for_a_day_and_then_free(
    session: Session, account: Account, body: bytes
) -> None:
    do(session, account.id)
    assert begin(session, account.id, later=KEPT - MOMENT) == ANSWER
    assert begin(session, account.id, later=KEPT, body=body) is None
    idempotency.keep(session, account_id=account.id, key=KEY, answer=Answer(200, b"new"))
    later = KEPT + KEPT - MOMENT
    assert begin(session, account.id, later=later, body=body) == Answer(200, b"new")


def test_old_keys_are_forgotten_and_no_others(session: Session, account: Account) -> None:
    do(session, account.id)
    assert forget_old(session, NOW + KEPT - MOMENT) == 0
    assert forget_old(session, NOW + KEPT) == 1
    assert forget_old(session, NOW + KEPT) == 0
    assert session.exec(select(IdempotencyKey)).all() == []


@pytest.fixture
def account_id(own_engine: Engine) -> UUID:
    with Session(own_engine) as session, session.begin():
        return make_account(session).id


def test_what_was_rolled_back_was_not_done(own_engine: Engine, account_id: UUID) -> None:
    with Session(own_engine) as session:
        assert do(session, account_id) is None
        session.rollback()
    with Session(own_engine) as session, session.begin():
        assert begin(session, account_id, body=b"other") is None


def second_while_first_is_busy(
    engine: Engine, account_id: UUID, end: Callable[[Session], None]
) -> Answer | None:
    """Ask again while the first has not ended; return what the second was told."""

    def ask() -> Answer | None:
        with Session(engine) as session, session.begin():
            return do(session, account_id)

    with ThreadPoolExecutor(1) as pool:
        with Session(engine) as first:
            assert do(first, account_id) is None
            second = pool.submit(ask)
            until_somebody_waits(engine)
            end(first)
        return second.result(timeout=10)


def test_the_second_waits_for_the_first_and_replays_it(
    own_engine: Engine, account_id: UUID
) -> None:
    assert second_while_first_is_busy(own_engine, account_id, Session.commit) == ANSWER


def test_the_second_goes_first_when_the_first_gave_up(own_engine: Engine, account_id: UUID) -> None:
    assert second_while_first_is_busy(own_engine, account_id, Session.rollback) is None


def test_of_eight_at_once_one_does_it(own_engine: Engine, account_id: UUID) -> None:
    def ask(number: int) -> Answer | None:
        with Session(own_engine) as session, session.begin():
            return do(session, account_id, Answer(201, str(number).encode()))

    answers = at_once(8, ask)
    assert answers.count(None) == 1
    winner = answers.index(None)
    assert set(answers) == {None, Answer(201, str(winner).encode())}


def test_without_the_key_of_the_table_both_would_do_it(
    own_engine: Engine, account_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(session: Session, *, account_id: UUID, key: UUID, **_: Any) -> Answer | None:
        kept = session.get(IdempotencyKey, (account_id, key))
        return Answer(kept.status or 0, kept.answer or b"") if kept else None

    monkeypatch.setattr(idempotency, "begin", look)
    with Session(own_engine) as one, Session(own_engine) as other:
        assert begin(one, account_id) is None
        assert begin(other, account_id) is None
