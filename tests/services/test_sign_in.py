"""A sign-in and the end of all logins do not pass each other by."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from app.models import Account, RefreshToken
from app.services import accounts, sign_in, tokens
from tests.conftest import NOW
from tests.races import replaced_sql, until_somebody_waits

PHONE, PASSWORD = "13800001234", "Chun-2026"


def logins_left(engine: Engine, meanwhile: Callable[[Future[None]], None]) -> int:
    """How many logins live on, if all are to be ended while one is being begun."""
    with Session(engine) as session, session.begin():
        account_id = accounts.create(session, name="张三", phone=PHONE, password=PASSWORD).id

    def end_all() -> None:
        with Session(engine) as session, session.begin():
            tokens.end_all(session, account_id=account_id, now=NOW)

    with ThreadPoolExecutor(1) as pool:
        with Session(engine) as session, session.begin():
            account = sign_in.with_password(
                session, phone=PHONE, password=PASSWORD, address=None, now=NOW
            )
            assert isinstance(account, Account)
            done = pool.submit(end_all)
            meanwhile(done)
            sign_in.enter(session, account=account, by="password", now=NOW)
        done.result()
    with Session(engine) as session:
        usable = select(RefreshToken).where(col(RefreshToken.revoked_at).is_(None))
        return len(session.exec(usable).all())


def test_the_end_of_all_logins_waits_for_the_one_being_begun(own_engine: Engine) -> None:
    assert logins_left(own_engine, lambda _: until_somebody_waits(own_engine)) == 0


def test_without_the_lock_one_would_be_missed(own_engine: Engine) -> None:
    with replaced_sql(own_engine, "FOR NO KEY UPDATE"):
        assert logins_left(own_engine, lambda done: done.result()) == 1
