"""The lines about orders, on districts made for them: P3, P4 and P8."""

import asyncio
import itertools
import secrets
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from uuid import UUID, uuid4

import httpx2
import psycopg
from psycopg import sql
from sqlalchemy import make_url
from sqlmodel import Session

from app import clock
from app.database import upgrade
from app.db import create_engine
from bench import servers
from bench.loads import HttpOnce, Measured, Sql, post_line
from bench.order_ground import Market, Post, build, order
from bench.runs import Leg, Row, Setting, per_second
from bench.statements import Script, Sent, requester, script
from race import rows

_INDICO, _PRETIX = 31, 14
"""Bookings a second that two peers made on two cores with four workers; measured once."""
_RECORDED = 40
"""Orders whose statements pgbench repeats."""
_CLIENTS = 8
_RIVALS, _TRIES = 32, 10
_CONTESTED, _PLACES = 10, 8
_APPROVED = 100
"""Approvals a leg of a round."""


@dataclass(frozen=True)
class Answer:
    """A status, the problem that was named if it is one, and how long it took, milliseconds."""

    status: int
    problem: str | None
    took_ms: float


async def _send(base: str, posts: Iterator[Post], clients: int) -> list[Answer]:
    """Send requests of so many clients, each when its last one was answered."""
    answers: list[Answer] = []
    limits = httpx2.Limits(max_connections=clients)

    async def one(client: httpx2.AsyncClient) -> None:
        for post in posts:
            started = time.monotonic()
            headers = _headers(post)
            reply = await client.post(f"/api/v1{post.path}", json=post.body, headers=headers)
            took_ms = (time.monotonic() - started) * 1000
            problem = reply.text[:300] if reply.is_error else None
            answers.append(Answer(reply.status_code, problem, took_ms))

    async with httpx2.AsyncClient(base_url=base, limits=limits, timeout=60) as client:
        await asyncio.gather(*(one(client) for _ in range(clients)))
    return answers


def _headers(post: Post) -> dict[str, str]:
    return {"Authorization": f"Bearer {post.token}", "Idempotency-Key": str(uuid4())}


@dataclass
class Posts:
    """A leg: so many requests that all have to be done, however long it takes."""

    base: str
    posts: Iterator[Post]
    clients: int
    count: int

    def measure(self, seconds: int, folder: Path, seed: int) -> Measured:  # noqa: ARG002 - a leg's
        """Send as many requests as a round has.

        Raises:
            RuntimeError: one was refused.
        """
        started = time.monotonic()
        some = itertools.islice(self.posts, self.count)
        answers = asyncio.run(_send(self.base, some, self.clients))
        lasted = time.monotonic() - started
        if refused := [answer.problem for answer in answers if answer.problem]:
            raise RuntimeError(f"{len(refused)} of {len(answers)} were refused: {refused[0]}")
        times = sorted(answer.took_ms for answer in answers)
        half, most = statistics.median(times), times[int(len(times) * 0.95)]
        return Measured(len(answers) / lasted, half, most, len(answers))


def once(base: str, posts: Iterator[Post]) -> HttpOnce:
    """Return a leg of requests that can be done once, for wrk to send."""
    lines = (post_line(f"/api/v1{post.path}", _headers(post), post.body) for post in posts)
    return HttpOnce(base, lines, _CLIENTS)


def spread(setting: Setting) -> Iterator[Row]:
    """P3: orders spread over sessions, against their own statements and against two peers."""
    with _market(setting, branches=110, halls=40, sessions=5, groups=rows.MANY) as (url, market):
        # What is repeated fills its branches' quota, so these order nothing else.
        some, others = replace(market, branches=market.branches[:10]), market.branches[10:]
        repeated = itertools.islice(_shuffled(some, setting.seed), _RECORDED)
        recorded = _recorded(replace(setting, url=url), repeated)
        orders = _shuffled(replace(market, branches=others), setting.seed)
        with servers.ours(url, workers=2) as ours:
            turns = setting.in_turns(
                {
                    "ours": once(ours.base, orders),
                    "sql": Sql(url, _transaction(url, recorded), _CLIENTS),
                }
            )
    told, theirs = turns.told("ours"), turns.told("sql")
    value, count = turns.ratio("ours", "sql", per_second), len(recorded)
    yield Row("P3", f"orders / their {count} statements", value, 0.25, ours=told, theirs=theirs)
    for peer, rate, target in (("indico", _INDICO, 12.0), ("pretix", _PRETIX, 25.0)):
        value = turns.median("ours", per_second) / rate
        yield Row("P3", f"orders / {peer}", value, target, ours=told, theirs=f"{rate} /s")


def contested(setting: Setting) -> Iterator[Row]:
    """P4: many rivals on few sessions, round after round; how long winners and losers wait.

    Raises:
        RuntimeError: there were more winners than places, or fewer, or anything else was answered.
    """
    branches, rounds = _RIVALS * _TRIES, setting.effort.rounds + 1  # the first one warms
    ground = _market(setting, branches=branches, halls=_CONTESTED, sessions=rounds, groups=_PLACES)
    with ground as (url, market), servers.ours(url, workers=2) as ours:
        contests = [_contest(ours.base, market, n, setting.seed + n) for n in range(rounds)]
    told = f"{_CONTESTED * _PLACES} winners of {branches} in each round, no other answer"
    p99 = statistics.median(contest.p99_ms for contest in contests[1:])
    yield Row("P4", "32 rivals, p99", p99, 250.0, at_most=True, unit="ms", ours=told)
    value = statistics.median(contest.lost_ms / contest.won_ms for contest in contests[1:])
    losers = statistics.median(contest.lost_ms for contest in contests[1:])
    winners = statistics.median(contest.won_ms for contest in contests[1:])
    times = f"p50 {losers:.0f} ms", f"p50 {winners:.0f} ms"
    yield Row("P4", "losers / winners", value, 1.5, at_most=True, ours=times[0], theirs=times[1])


@dataclass(frozen=True)
class Contest:
    """How long one round's answers took: medians of who won and lost, 99 of 100 of all."""

    won_ms: float
    lost_ms: float
    p99_ms: float


def _contest(base: str, market: Market, n: int, seed: int) -> Contest:
    """Let every branch want the n-th session of a hall.

    Raises:
        RuntimeError: there were more winners than places, or fewer, or anything else was answered.
    """
    posts = [
        order(branch, hall, hall.slots[n])
        for branch, hall in zip(market.branches, itertools.cycle(market.halls), strict=False)
    ]
    Random(seed).shuffle(posts)
    answers = asyncio.run(_send(base, iter(posts), _RIVALS))
    won = [answer.took_ms for answer in answers if answer.status == httpx2.codes.CREATED]
    lost = [answer.took_ms for answer in answers if answer.status == httpx2.codes.CONFLICT]
    places = _CONTESTED * _PLACES
    if (len(won), len(lost)) != (places, len(posts) - places):
        raise RuntimeError(f"{len(won)} of {len(posts)} won {places} places, {len(lost)} lost")
    p99 = sorted(won + lost)[int(len(answers) * 0.99)]
    return Contest(statistics.median(won), statistics.median(lost), p99)


def approvals(setting: Setting) -> Iterator[Row]:
    """P8: approving with a fund that pays, against approving without."""
    rounds = setting.effort.rounds + 1  # the first one warms
    with ExitStack() as stack:
        legs: dict[str, Leg] = {}
        for name, funded in (("funded", True), ("plain", False)):
            url, market = stack.enter_context(
                _market(setting, branches=100, halls=2, sessions=10, groups=100, funded=funded)
            )
            base = stack.enter_context(servers.ours(url)).base
            posts = _approvals(url, base, market, rounds * _APPROVED)
            legs[name] = Posts(base, posts, _CLIENTS, _APPROVED)
        turns = setting.in_turns(legs)
    value = turns.ratio("funded", "plain", per_second)
    told, theirs = turns.told("funded"), turns.told("plain")
    yield Row("P8", "approvals, funded / plain", value, 0.85, ours=told, theirs=theirs)


def _approvals(url: str, base: str, market: Market, count: int) -> Iterator[Post]:
    """Order so many visits, and return the requests that accept them."""
    orders = itertools.islice(market.orders(), count)
    asyncio.run(_send(base, orders, _CLIENTS))
    managers = {hall.site_id: hall.manager.token for hall in market.halls}
    with psycopg.connect(url) as connection:
        made = connection.execute("SELECT id, site_id FROM booking ORDER BY id").fetchall()
    posts = [Post(f"/bookings/{id_}/approve", managers[site_id], {}) for id_, site_id in made]
    return iter(posts)


def _shuffled(market: Market, seed: int) -> Iterator[Post]:
    posts = list(market.orders())
    Random(seed).shuffle(posts)
    return iter(posts)


@contextmanager
def _market(
    setting: Setting,
    *,
    branches: int,
    halls: int,
    sessions: int,
    groups: int,
    funded: bool = False,
) -> Iterator[tuple[str, Market]]:
    """Yield a database of its own with a district in it, on the server that is measured."""
    name = f"bench_orders_{secrets.token_hex(4)}"
    url = make_url(setting.url).set(database=name).render_as_string(hide_password=False)
    with psycopg.connect(setting.url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            upgrade(url)
            engine = create_engine(url)
            with Session(engine) as session, session.begin():
                market = build(
                    session,
                    branches=branches,
                    halls=halls,
                    sessions=sessions,
                    groups=groups,
                    funded=funded,
                    now=clock.now(),
                )
            engine.dispose()
            yield url, market
        finally:
            connection.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            )


def _recorded(setting: Setting, posts: Iterator[Post]) -> list[list[Sent]]:
    """Return the statements of some orders, each with its parameters in all of them.

    Raises:
        RuntimeError: an order was refused, or they sent different statements.
    """
    heard = []
    with requester(setting.url, setting.now) as ask:
        for post in posts:
            ask.heard.clear()
            reply = ask.client.post(f"/api/v1{post.path}", json=post.body, headers=_headers(post))
            if reply.status_code != httpx2.codes.CREATED:
                raise RuntimeError(f"an order was refused: {reply.text[:300]}")
            heard.append(list(ask.heard))
    shared = heard[len(heard) // 2 :]  # the first ones see to the sessions besides
    queries = [sent.query for sent in shared[0]]
    if any([sent.query for sent in one] != queries for one in shared):
        raise RuntimeError("the orders lead to different statements")
    return [list(sent) for sent in zip(*shared, strict=True)]


def _transaction(url: str, recorded: Sequence[Sequence[Sent]]) -> Script:
    """Write the statements of an order as a transaction that can be sent again and again.

    What an order makes is named anew each time: ids, the key, and its number among the branch's.
    """
    with psycopg.connect(url) as connection:
        known = {row[0] for row in connection.execute(_KNOWN)}
    sent = [one[0] for one in recorded]
    made = {str(v) for one in sent for v in one.values.values() if isinstance(v, UUID)} - known
    fresh = {value: _NEW_ID.format(n) for n, value in enumerate(sorted(made))}
    written = script(*recorded, fresh={**fresh, "open_number": _NEW_NUMBER})
    return Script(f"BEGIN;\n{written.text}END;\n", written.defined)


# A transaction's number is the same in all its statements, and never comes again.
_NEW_ID = "md5('{}' || txid_current()::text)::uuid"
_NEW_NUMBER = "(1 + txid_current() % 2000000000)::int"
_KNOWN = """
    SELECT id::text FROM organisation UNION ALL SELECT id::text FROM account
    UNION ALL SELECT id::text FROM policy UNION ALL SELECT id::text FROM site
    UNION ALL SELECT id::text FROM venue UNION ALL SELECT id::text FROM venue_session
    UNION ALL SELECT id::text FROM programme
"""
