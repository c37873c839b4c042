"""Access and refresh tokens."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from threading import Barrier
from uuid import uuid4

import jwt
import pytest
from sqlalchemy import Engine
from sqlmodel import Session, col, select

from app import settings
from app.models import Account, RefreshToken
from app.services import accounts, tokens
from app.services.tokens import InvalidToken
from tests.conftest import NOW
from tests.races import replaced_sql, until_somebody_waits

SECOND = timedelta(seconds=1)
LIFE = timedelta(minutes=settings.Settings().access_minutes)
CHAIN_LIFE = timedelta(days=settings.Settings().refresh_days)


def make_account(session: Session) -> Account:
    return accounts.create(session, name="张三", phone="13800001234", password=None)


@pytest.fixture
def account(session: Session) -> Account:
    return make_account(session)


@pytest.fixture
def first(session: Session, account: Account) -> tokens.TokenPair:
    return tokens.issue(session, account_id=account.id, now=NOW)


def forged(key: str | None = None, algorithm: str = "HS256", **claims: object) -> str:
    good = {
        "sub": str(uuid4()),
        "aud": tokens.AUDIENCE,
        "iat": NOW.timestamp(),
        "exp": (NOW + LIFE).timestamp(),
    }
    kept = {name: value for name, value in (good | claims).items() if value is not None}
    key = settings.load().secret_key.get_secret_value() if key is None else key
    return jwt.encode(kept, key, algorithm)


def test_an_access_token_names_the_account_for_its_life(
    account: Account, first: tokens.TokenPair
) -> None:
    assert tokens.read_access(first.access_token, NOW).account_id == account.id
    assert tokens.read_access(first.access_token, NOW + LIFE - SECOND).account_id == account.id
    assert first.expires_in == LIFE.total_seconds()
    with pytest.raises(InvalidToken):
        tokens.read_access(first.access_token, NOW + LIFE)


def test_a_well_made_token_is_read() -> None:
    account_id = uuid4()
    assert tokens.read_access(forged(sub=str(account_id)), NOW).account_id == account_id


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="empty"),
        pytest.param("a.b.c", id="noise"),
        pytest.param("ü.ü.ü", id="letters"),
        pytest.param(forged(key="k" * 40), id="other-key"),
        pytest.param(forged(key="", algorithm="none"), id="unsigned"),
        pytest.param(forged(algorithm="HS384"), id="other-algorithm"),
        pytest.param(forged(aud="pass"), id="other-purpose"),
        pytest.param(forged(aud=None), id="no-purpose"),
        pytest.param(forged(exp=None), id="for-ever"),
        pytest.param(forged(exp="soon"), id="no-time"),
        pytest.param(forged(sub=None), id="nobody"),
        pytest.param(forged(sub="me"), id="no-id"),
    ],
)
def test_any_other_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidToken):
        tokens.read_access(token, NOW)


def test_a_refresh_token_is_no_access_token(first: tokens.TokenPair) -> None:
    with pytest.raises(InvalidToken):
        tokens.read_access(first.refresh_token, NOW)


def test_the_database_does_not_hold_the_token(session: Session, first: tokens.TokenPair) -> None:
    kept = session.exec(select(RefreshToken.token_hash)).one()
    assert kept != first.refresh_token.encode()
    assert len(kept) == 32


def test_a_refresh_gives_a_new_pair(
    session: Session, account: Account, first: tokens.TokenPair
) -> None:
    later = NOW + LIFE
    second = tokens.refresh(session, refresh_token=first.refresh_token, now=later)
    assert second
    assert second.refresh_token != first.refresh_token
    assert tokens.read_access(second.access_token, later).account_id == account.id
    assert tokens.refresh(session, refresh_token=second.refresh_token, now=later)


def test_a_second_use_ends_the_login(session: Session, first: tokens.TokenPair) -> None:
    second = tokens.refresh(session, refresh_token=first.refresh_token, now=NOW)
    assert second
    assert tokens.refresh(session, refresh_token=first.refresh_token, now=NOW) is None
    assert tokens.refresh(session, refresh_token=second.refresh_token, now=NOW) is None


def test_a_second_use_leaves_other_logins_alone(
    session: Session, account: Account, first: tokens.TokenPair
) -> None:
    elsewhere = tokens.issue(session, account_id=account.id, now=NOW)
    for _ in range(2):
        tokens.refresh(session, refresh_token=first.refresh_token, now=NOW)
    assert tokens.refresh(session, refresh_token=elsewhere.refresh_token, now=NOW)


def test_a_used_token_betrays_the_theft_even_when_past_its_time(
    session: Session, first: tokens.TokenPair
) -> None:
    second = tokens.refresh(session, refresh_token=first.refresh_token, now=NOW + SECOND)
    assert second
    much_later = NOW + CHAIN_LIFE
    assert tokens.refresh(session, refresh_token=first.refresh_token, now=much_later) is None
    assert tokens.refresh(session, refresh_token=second.refresh_token, now=much_later) is None


def test_a_refresh_token_lives_for_its_days(session: Session, first: tokens.TokenPair) -> None:
    expired = tokens.refresh(session, refresh_token=first.refresh_token, now=NOW + CHAIN_LIFE)
    in_time = tokens.refresh(
        session, refresh_token=first.refresh_token, now=NOW + CHAIN_LIFE - SECOND
    )
    assert expired is None
    assert in_time


@pytest.mark.parametrize("unknown", ["", "nobody's", "\0", "甲"])
def test_an_unknown_token_is_refused(
    session: Session, first: tokens.TokenPair, unknown: str
) -> None:
    assert tokens.refresh(session, refresh_token=unknown, now=NOW) is None
    tokens.revoke(session, refresh_token=unknown, now=NOW)
    assert tokens.refresh(session, refresh_token=first.refresh_token, now=NOW)


def test_an_inactive_account_is_not_refreshed(
    session: Session, account: Account, first: tokens.TokenPair
) -> None:
    account.active = False
    session.flush()
    assert tokens.refresh(session, refresh_token=first.refresh_token, now=NOW) is None


def test_signing_out_ends_the_whole_login(session: Session, first: tokens.TokenPair) -> None:
    second = tokens.refresh(session, refresh_token=first.refresh_token, now=NOW)
    assert second
    for _ in range(2):
        tokens.revoke(session, refresh_token=first.refresh_token, now=NOW)
    assert tokens.refresh(session, refresh_token=second.refresh_token, now=NOW) is None


def test_expired_links_are_forgotten_once_and_the_lock_of_a_living_login_stays(
    session: Session, account: Account, first: tokens.TokenPair
) -> None:
    halfway, end = NOW + CHAIN_LIFE / 2, NOW + CHAIN_LIFE
    dead = tokens.issue(session, account_id=account.id, now=NOW)
    second = tokens.refresh(session, refresh_token=first.refresh_token, now=NOW)
    assert second
    third = tokens.refresh(session, refresh_token=second.refresh_token, now=halfway)
    assert third
    assert tokens.forget_expired(session, end - SECOND) == 0
    assert tokens.forget_expired(session, end) == 2  # the dead one, and the second link
    assert tokens.forget_expired(session, end) == 0
    kept = session.exec(select(RefreshToken)).all()
    assert {link.family_id for link in kept} == {min(link.id for link in kept)}
    assert tokens.refresh(session, refresh_token=dead.refresh_token, now=end) is None
    assert tokens.refresh(session, refresh_token=third.refresh_token, now=end)


def committed_login(engine: Engine) -> str:
    with Session(engine) as session, session.begin():
        account = make_account(session)
        pair = tokens.issue(session, account_id=account.id, now=NOW)
        return pair.refresh_token


def living(engine: Engine) -> int:
    """How many links could still be refreshed."""
    with Session(engine) as session:
        usable = select(RefreshToken).where(
            col(RefreshToken.used_at).is_(None), col(RefreshToken.revoked_at).is_(None)
        )
        return len(session.exec(usable).all())


def test_of_simultaneous_refreshes_exactly_one_wins(own_engine: Engine) -> None:
    token = committed_login(own_engine)
    gate = Barrier(8)

    def use(_: int) -> bool:
        gate.wait()
        with Session(own_engine) as session, session.begin():
            return tokens.refresh(session, refresh_token=token, now=NOW) is not None

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(use, range(8))) == 1
    assert living(own_engine) == 0  # seven second uses have ended the login


def test_what_a_session_remembers_of_a_link_does_not_count(own_engine: Engine) -> None:
    token = committed_login(own_engine)
    with Session(own_engine) as slow, slow.begin():
        remembered = slow.exec(select(RefreshToken)).one()
        with Session(own_engine) as quick, quick.begin():
            assert tokens.refresh(quick, refresh_token=token, now=NOW)
        assert remembered.used_at is None
        assert tokens.refresh(slow, refresh_token=token, now=NOW) is None


def test_without_the_lock_several_win(own_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    token = committed_login(own_engine)
    read = Barrier(2)

    def unlocked(session: Session, refresh_token: str) -> RefreshToken | None:
        known = RefreshToken.token_hash == tokens._hash(refresh_token)
        link = session.exec(select(RefreshToken).where(known)).one_or_none()
        read.wait()
        return link

    monkeypatch.setattr(tokens, "_locked", unlocked)

    def use(_: int) -> bool:
        with Session(own_engine) as session, session.begin():
            return tokens.refresh(session, refresh_token=token, now=NOW) is not None

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(use, range(2))) == 2


def links_left_by_a_sign_out_during_a_refresh(engine: Engine) -> int:
    first = committed_login(engine)
    with Session(engine) as session, session.begin():
        second = tokens.refresh(session, refresh_token=first, now=NOW)
    assert second

    def sign_out() -> None:
        with Session(engine) as session, session.begin():
            tokens.revoke(session, refresh_token=first, now=NOW)

    with ThreadPoolExecutor(1) as pool:
        with Session(engine) as session, session.begin():
            assert tokens.refresh(session, refresh_token=second.refresh_token, now=NOW)
            done = pool.submit(sign_out)
            until_somebody_waits(engine)
        done.result()
    return living(engine)


def test_a_sign_out_misses_no_link_that_is_being_made(own_engine: Engine) -> None:
    assert links_left_by_a_sign_out_during_a_refresh(own_engine) == 0


def test_locking_only_the_link_at_hand_would_miss_one(
    own_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def own_link_only(session: Session, refresh_token: str) -> RefreshToken | None:
        known = RefreshToken.token_hash == tokens._hash(refresh_token)
        return session.exec(select(RefreshToken).where(known).with_for_update()).one_or_none()

    monkeypatch.setattr(tokens, "_locked", own_link_only)
    assert links_left_by_a_sign_out_during_a_refresh(own_engine) == 1


def links_left_by_the_end_of_all_during_a_refresh(engine: Engine) -> int:
    token = committed_login(engine)

    def end_all() -> None:
        with Session(engine) as session, session.begin():
            account_id = session.exec(select(Account.id)).one()
            tokens.end_all(session, account_id=account_id, now=NOW)

    with ThreadPoolExecutor(1) as pool:
        with Session(engine) as session, session.begin():
            assert tokens.refresh(session, refresh_token=token, now=NOW)
            done = pool.submit(end_all)
            until_somebody_waits(engine)
        done.result()
    return living(engine)


def test_the_end_of_all_logins_misses_no_link_that_is_being_made(own_engine: Engine) -> None:
    assert links_left_by_the_end_of_all_during_a_refresh(own_engine) == 0


def test_without_locking_the_account_it_would_miss_one(own_engine: Engine) -> None:
    with replaced_sql(own_engine, "FOR SHARE"):
        assert links_left_by_the_end_of_all_during_a_refresh(own_engine) == 1


def test_the_end_of_a_login_is_lost_unless_committed(own_engine: Engine) -> None:
    token = committed_login(own_engine)
    with Session(own_engine) as session, session.begin():
        second = tokens.refresh(session, refresh_token=token, now=NOW)
    assert second

    class Refused(Exception):
        pass

    with suppress(Refused), Session(own_engine) as session, session.begin():
        assert tokens.refresh(session, refresh_token=token, now=NOW) is None
        raise Refused
    assert living(own_engine) == 1
