"""One token for all processes, asked for by one of them at a time."""

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Event

import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session

from app.channels.asking import Passing
from app.channels.tokens import Lent
from app.db import create_engine
from app.models import ProviderToken
from app.services.provider_tokens import EARLY, Tokens
from tests.channels.letters import OPENID, Ledger, letter, program, sent
from tests.conftest import NOW
from tests.fakes import wechat_messages
from tests.races import at_once, replaced_sql, until_somebody_waits

HOURS_2 = timedelta(hours=2)
PROVIDER = "wechat:wx1"


class Asked:
    """A provider that counts."""

    def __init__(self, life: timedelta = HOURS_2, fault: Exception | None = None) -> None:
        self.times, self.life, self.fault = 0, life, fault

    def __call__(self) -> Lent:
        self.times += 1
        if self.fault:
            raise self.fault
        return Lent(f"token-{self.times}", self.life)


def token(
    engine: Engine, ask: Callable[[], Lent], now: datetime = NOW, refused: str | None = None
) -> str | None:
    return Tokens(engine).token(PROVIDER, ask=ask, now=now, refused=refused)


def test_it_is_asked_for_once_and_again_before_its_end(own_engine: Engine) -> None:
    ask = Asked()
    last = NOW + HOURS_2 - EARLY
    assert [token(own_engine, ask, at) for at in (NOW, NOW, last - timedelta(seconds=1))] == [
        "token-1"
    ] * 3
    assert token(own_engine, ask, last) == "token-2"
    assert token(own_engine, ask, last) == "token-2"
    assert ask.times == 2


def test_what_is_refused_is_renewed_once(own_engine: Engine) -> None:
    ask = Asked()
    assert token(own_engine, ask) == "token-1"
    assert token(own_engine, ask, refused="token-1") == "token-2"
    assert token(own_engine, ask, refused="token-1") == "token-2"
    assert ask.times == 2


def test_while_the_old_one_serves_a_fault_is_no_matter(own_engine: Engine) -> None:
    good, bad = Asked(), Asked(fault=Passing("away"))
    with pytest.raises(Passing):
        token(own_engine, bad)
    assert token(own_engine, good) == "token-1"
    assert token(own_engine, bad, NOW + HOURS_2 - timedelta(seconds=1)) == "token-1"
    with pytest.raises(Passing):
        token(own_engine, bad, NOW + HOURS_2)
    with pytest.raises(Passing):
        token(own_engine, bad, refused="token-1")


def test_it_is_kept_sealed(own_engine: Engine) -> None:
    token(own_engine, Asked())
    with Session(own_engine) as session:
        row = session.get(ProviderToken, PROVIDER)
        assert row
        assert row.expires_at == NOW + HOURS_2
        assert row.token_sealed
        assert b"token-1" not in row.token_sealed


def raced(engine: Engine, other: Engine) -> tuple[int, list[str | None]]:
    """Eight threads of two pools send a letter each; how often the token was asked for."""
    with wechat_messages.running() as server:
        stores = [Tokens(engine), Tokens(other)]

        def send(number: int) -> str | None:
            ours = program(server, tokens=stores[number % 2], consents=Ledger(), seconds=20)
            return sent(ours, letter(OPENID))

        return_values = at_once(8, send)
        assert len(server.taken) == 8
        return server.lent, return_values


def test_of_eight_one_asks(own_engine: Engine) -> None:
    other = create_engine(own_engine.url.render_as_string(hide_password=False))
    try:
        lent, ids = raced(own_engine, other)
        assert lent == 1
        assert None not in ids
    finally:
        other.dispose()


def test_without_the_lock_more_would(own_engine: Engine) -> None:
    first, second = Event(), Event()
    asked: list[int] = []

    def ask() -> Lent:
        asked.append(1)
        (first if len(asked) == 1 else second).set()
        assert second.wait(10)
        return Lent("token", HOURS_2)

    token(own_engine, Asked(life=timedelta(seconds=1)))
    later = NOW + timedelta(minutes=1)
    with replaced_sql(own_engine, " FOR UPDATE"):
        at_once(2, lambda _: token(own_engine, ask, later))
    assert len(asked) == 2


def test_who_has_none_waits_and_who_has_one_does_not(own_engine: Engine) -> None:
    waiting = Event()

    def slow() -> Lent:
        waiting.set()
        until_somebody_waits(own_engine)
        return Lent("token-new", HOURS_2)

    def work(number: int) -> str | None:
        if number == 0:
            return token(own_engine, slow)
        assert waiting.wait(10)
        return token(own_engine, Asked())

    assert at_once(2, work) == ["token-new", "token-new"]
    soon = NOW + HOURS_2 - timedelta(minutes=1)
    with own_engine.begin() as holder:
        holder.execute(text("SELECT * FROM provider_token FOR UPDATE"))
        assert token(own_engine, Asked(), soon) == "token-new"


def test_nobody_is_waited_for_longer_than_a_lock(own_engine: Engine) -> None:
    url = own_engine.url.render_as_string(hide_password=False)
    hasty = create_engine(f"{url}")
    token(own_engine, Asked(life=timedelta(seconds=1)))
    with own_engine.begin() as holder:
        holder.execute(text("SELECT * FROM provider_token FOR UPDATE"))
        with replaced_sql(hasty, " FOR UPDATE", " FOR UPDATE NOWAIT"):
            assert token(hasty, Asked(), NOW + HOURS_2) is None
    hasty.dispose()
    with wechat_messages.running() as server, pytest.raises(Passing, match="being renewed"):
        sent(program(server, tokens=Nobody()), letter(OPENID))


class Nobody:
    """A store that has no token for us."""

    def token(
        self, provider: str, *, ask: Callable[[], Lent], now: datetime, refused: str | None = None
    ) -> str | None:
        """Say so."""
        return None
