"""Postings: clients that send every call twice, are killed, and begin again."""

import secrets
import signal
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from uuid import UUID

import psycopg
from sqlalchemy import Engine, text
from sqlmodel import Session

from app.db import create_engine
from app.models import OrganisationKind
from app.models.posting import POST
from app.services import ledger, reconciliation
from race import rows
from race.plan import CHUNK, chunk
from race.recount import recount

CLIENTS, FUNDS = 16, 4
PATIENCE = 3600.0
"""Seconds until a client that does not end is a failure."""
_PAUSE = 0.05

GUARDS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "step": (
        "IF FOUND THEN\n        IF (entry",
        "IF FALSE THEN\n        IF (entry",
        ("ledger_entry_step_once",),
    ),
    "fund": (
        "f.id = wanted_fund FOR NO KEY UPDATE",
        "f.id = wanted_fund",
        ("ledger_entry_step_once", "ledger_entry_number_once"),
    ),
}
"""The look at what a step has, and the lock of the fund: words, others, and what is behind."""


@dataclass(frozen=True)
class Played:
    """What came out: calls sent and acknowledged, entries there are, clients killed, faults."""

    acknowledged: int
    entries: int
    killed: int
    faults: list[str]


def without(engine: Engine, guard: str) -> None:
    """Take a guard from the function that posts, for good."""
    words, others, behind = GUARDS[guard]
    changed = POST.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION").replace(words, others)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL ROLE NONE"))
        connection.exec_driver_sql(changed)
        for constraint in behind:
            connection.execute(text(f"ALTER TABLE ledger_entry DROP CONSTRAINT {constraint}"))


def play(url: str, *, seed: int, count: int, kills: int, clients: int = CLIENTS) -> Played:
    """Make so many random postings, and judge what was left.

    Args:
        url: the database's, as libpq reads it.
        seed: where chance comes from, but for when a client is killed.
        count: postings; each is sent by two clients.
        kills: how often a client is killed in the midst of it.
        clients: processes, each with a connection of its own.
    """
    engine = create_engine(url)
    funds = _open(engine)
    chunks = -(-count // CHUNK)
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / str(n) for n in range(clients)]
        plan = [url, str(seed), str(chunks)]
        commands = [
            [*plan, str(n), str(clients), str(path), *map(str, funds)]
            for n, path in enumerate(files)
        ]
        killed = _run(commands, files, seed, kills, 2 * chunks * CHUNK)
        told = [line.split(" ", 1) for path in files for line in path.read_text().splitlines()]
    faults = [*_judge(url, seed, chunks, funds, told)]
    with Session(engine) as session:
        for fund_id in funds:
            found = reconciliation.findings(session, fund_id=fund_id)
            faults += [f"reconciliation: {one.check}: {one.row}" for one in found]
    engine.dispose()
    faults += recount(url)
    with psycopg.connect(url) as connection:
        entries = connection.execute("SELECT count(*) FROM ledger_entry").fetchone()
    return Played(len(told), entries[0] if entries else 0, killed, faults)


def _open(engine: Engine) -> list[UUID]:
    with Session(engine) as session, session.begin():
        owners = [rows.organisation(session, None, OrganisationKind.DISTRICT) for _ in range(FUNDS)]
        return [
            ledger.open_fund(
                session, organisation_id=owner.id, fiscal_year=2026, name=secrets.token_hex(4)
            ).id
            for owner in owners
        ]


def _run(commands: list[list[str]], files: list[Path], seed: int, kills: int, calls: int) -> int:
    """Have all clients do their part; kill one each time another share of the calls is done."""
    running = [_start(command) for command in commands]
    chance, killed, waited = Random(seed), 0, 0.0
    while waited < PATIENCE:
        live = [n for n, client in enumerate(running) if client.poll() is None]
        failed = [n for n, client in enumerate(running) if client.returncode]
        if failed or not live:
            break
        done = sum(path.read_bytes().count(b"\n") for path in files if path.exists())
        if killed < kills and done * (kills + 1) > calls * (killed + 1):
            victim = chance.choice(live)
            running[victim].send_signal(signal.SIGKILL)
            running[victim].wait()
            running[victim] = _start(commands[victim])
            killed += 1
        waited += _pause(running[live[0]])
    for client in running:
        client.kill()
        client.wait()
    return killed


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "race.poster", *command])  # noqa: S603


def _pause(client: subprocess.Popen[bytes]) -> float:
    try:
        client.wait(_PAUSE)
    except subprocess.TimeoutExpired:
        return _PAUSE
    return 0.0


def _judge(
    url: str, seed: int, chunks: int, funds: list[UUID], told: list[list[str]]
) -> Iterator[str]:
    """Compare what was sent, what was acknowledged, and what is there."""
    calls = {call.step: call for n in range(chunks) for call in chunk(seed, n, funds)}
    answers: dict[str, list[str]] = defaultdict(list)
    for step, answer in told:
        answers[step].append(answer)
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT step, id::text, fund_id, kind, amount_fen, document FROM ledger_entry"
        ).fetchall()
    there = {step: id_ for step, id_, *_ in found}
    for step, _, *facts in found:
        call = calls[step]
        if facts != [call.fund_id, call.kind, call.amount_fen, call.document]:
            yield f"{step}: {facts} is not what was sent"
    for step in calls:
        if len(answers[step]) != 2:
            yield f"{step}: {len(answers[step])} answers"
        posted = set(answers[step]) - {"exhausted"}
        if posted != ({there[step]} if step in there else set()):
            yield f"{step}: answered {posted}, and {there.get(step)} is there"
    if len(there) != len(found):
        yield f"{len(found) - len(there)} entries of steps that have one"
