"""The statements that the service itself sends, caught on their way, as scripts for pgbench."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

import httpx2
import psycopg
from fastapi.testclient import TestClient
from psycopg import sql
from psycopg.adapt import PyFormat, Transformer
from psycopg.types import TypeInfo
from sqlalchemy import Engine, event

from app.api import deps
from app.db import create_engine
from app.main import create_app
from app.settings import Env, Settings

_PLACEHOLDER = re.compile(r"%(?:\((?P<name>\w+)\))?(?P<form>[sbt%])")
_LITERAL = re.compile(r"'(?:[^']|'')*'")
NOTHING: Mapping[str, str] = MappingProxyType({})
_WOULD_BE_A_VARIABLE = re.compile(r"(?<!:):[A-Za-z_0-9]")


@dataclass(frozen=True)
class Sent:
    """A statement as psycopg was given it."""

    query: str
    values: Mapping[str, Any]


@dataclass
class Probe:
    """A request that was answered, and all that was asked of the database for it."""

    path: str
    response: httpx2.Response
    sent: list[Sent] = field(default_factory=list)


class Requester:
    """Sends requests to the service, in this process, and hears what it asks the database."""

    def __init__(self, engine: Engine, now: datetime) -> None:
        """Connect the service to an engine.

        Args:
            engine: nobody has used it yet.
            now: the instant at which all requests are judged, so that it is the same in each.
        """
        self.heard: list[Sent] = []
        app = create_app(engine, Settings(env=Env.TEST))
        app.dependency_overrides[deps.get_now] = lambda: now
        self.client = TestClient(app)
        heard = self.heard

        class Hearing(psycopg.Cursor[Any]):
            def execute(self, query: Any, params: Any = None, **more: Any) -> Any:
                heard.append(Sent(_text(query), _named(params)))
                return super().execute(query, params, **more)

        @event.listens_for(engine, "connect")
        def listen(connection: Any, _record: object) -> None:
            connection.cursor_factory = Hearing

    def get(self, path: str) -> Probe:
        """Ask for a path of the API.

        Raises:
            RuntimeError: it was refused.
        """
        self.heard.clear()
        response = self.client.get(path)
        if response.status_code != httpx2.codes.OK:
            raise RuntimeError(f"{path} answers {response.status_code}: {response.text[:300]}")
        return Probe(path, response, list(self.heard))


@contextmanager
def requester(url: str, now: datetime) -> Iterator[Requester]:
    """Yield a requester on a database of its own engine."""
    engine = create_engine(url)
    try:
        yield Requester(engine, now)
    finally:
        engine.dispose()


def _text(query: Any) -> str:
    if isinstance(query, sql.Composable):
        return query.as_string(None)
    return query.decode() if isinstance(query, bytes) else str(query)


def _named(params: Any) -> dict[str, Any]:
    """Name parameters; those that have only a place by that."""
    if isinstance(params, Mapping):
        return dict(params)
    return {f"at_{n}": value for n, value in enumerate(params or ())}


def main_statement(probes: Sequence[Probe]) -> list[Sent]:
    """Return of each request the statement that does its work: the longest that all of them sent.

    What is then looked up by the keys it found is left out, to the service's disadvantage.

    Raises:
        RuntimeError: they have none in common.
    """
    by_query = [{sent.query: sent for sent in probe.sent} for probe in probes]
    shared = set.intersection(*(set(sent) for sent in by_query))
    found = [[sent[query] for sent in by_query] for query in shared]
    chosen = [sent for sent in found if not _looks_up(sent)]
    if not chosen:
        raise RuntimeError("the requests lead to different statements")
    return max(chosen, key=lambda sent: len(sent[0].query))


def _looks_up(sent: Sequence[Sent]) -> bool:
    """Tell whether a list is among the parameters that change."""
    return any(
        isinstance(value, list) and any(one.values[name] != value for one in sent)
        for name, value in sent[0].values.items()
    )


@dataclass(frozen=True)
class Script:
    """A script of pgbench, and the variables to define on its command line."""

    text: str
    defined: Mapping[str, str]


def script(*statements: Sequence[Sent], fresh: Mapping[str, str] = NOTHING) -> Script:
    """Write statements with parameters that change at random as a script, one after another.

    What is the same in all of them is defined once. A number that differs is looked up by a tree
    of CASE, which costs pgbench a microsecond; a text that differs by the server, in an array.

    Args:
        statements: each of them several times, each time with other parameters.
        fresh: expressions to put for values that must not come twice, by the value that the first
            of them has or by the parameter's name.

    Raises:
        RuntimeError: pgbench would take a part of it for a variable.
    """
    lines, queries = [f"\\set i random(1, {len(statements[0])})"], list[str]()
    defined: dict[str, str] = {}
    for number, sent in enumerate(statements):
        mark = f"_{number}" if len(statements) > 1 else ""
        columns = {
            name: _Column(
                name + mark,
                [one.values[name] for one in sent],
                fresh.get(name) or fresh.get(str(sent[0].values[name])),
            )
            for name in sent[0].values
        }
        for column in columns.values():
            lines += column.lines()
            defined |= column.defined()
        queries.append(_written(sent[0].query, columns))
    return Script("\n".join([*lines, *queries]) + "\n", defined)


def _written(query: str, columns: Mapping[str, "_Column"]) -> str:
    places = iter(columns)

    def written(match: re.Match[str]) -> str:
        if match["form"] == "%":
            return "%"
        return columns[match["name"] or next(places)].expression()

    query = _LITERAL.sub(_without_colons, query.strip().rstrip(";"))
    if _WOULD_BE_A_VARIABLE.search(_PLACEHOLDER.sub("", query)):
        raise RuntimeError("a colon in the statement would be a variable of pgbench")
    return _PLACEHOLDER.sub(written, query) + ";"


def _without_colons(match: re.Match[str]) -> str:
    """Write the colons of a literal, which pgbench would take for the mark of a variable, by code.

    A literal of the service has no prefix such as E; then this means the same.
    """
    literal = match[0]
    if not _WOULD_BE_A_VARIABLE.search(literal):
        return literal
    return "U&" + literal.replace("\\", "\\\\").replace(":", "\\003A")


class _Column:
    """All values of one parameter."""

    def __init__(self, name: str, values: Sequence[Any], fresh: str | None) -> None:
        self.name = name
        self.fresh = fresh
        converter = Transformer()
        self.texts, kinds = [], set()
        for value in values:
            (dumped,) = converter.dump_sequence([value], [PyFormat.TEXT])
            self.texts.append(None if dumped is None else bytes(dumped).decode())
            kinds |= {_type_name(oid) for oid in converter.types or () if value is not None}
        # Of numbers of several sizes the largest: int2 < int4 < int8.
        self.type = max(filter(None, kinds), default=None)
        self.is_number = all(isinstance(value, int | float) for value in values)

    def lines(self) -> list[str]:
        """Return what the script does before the statement."""
        if self.fresh or self._is_constant() or not self.is_number:
            return []
        return [f"\\set {self.name} {_tree([str(text) for text in self.texts])}"]

    def defined(self) -> dict[str, str]:
        """Return the variable that is the same all the time."""
        if self.fresh:
            return {}
        if self._is_constant():
            return {} if self.texts[0] is None else {self.name: self.texts[0]}
        if self.is_number:
            return {}
        (array,) = Transformer().dump_sequence([self.texts], [PyFormat.TEXT])
        return {self.name: bytes(array or b"").decode()}

    def expression(self) -> str:
        """Return what stands for it in the statement."""
        if self.fresh:
            return self.fresh
        if self.texts[0] is None and self._is_constant():
            return "NULL"
        cast = f"::{self.type}" if self.type else ""
        if self._is_constant() or self.is_number:
            return f":{self.name}{cast}"
        return f"((:{self.name}::text[])[:i::int]){cast}"

    def _is_constant(self) -> bool:
        return len(set(self.texts)) == 1


def _type_name(oid: int) -> str | None:
    """Return a type's name; a text has none, for its place in the statement decides."""
    found = psycopg.adapters.types.get(oid)
    if oid == 0 or found is None:
        return None
    return f"{found.name}[]" if oid == _array_oid(found) else found.name


def _array_oid(found: TypeInfo) -> int:
    return found.array_oid


def _tree(values: Sequence[str], first: int = 1) -> str:
    """Return an expression of pgbench that finds the `i`-th value in few steps."""
    if len(values) == 1:
        return values[0]
    half = len(values) // 2
    low, high = _tree(values[:half], first), _tree(values[half:], first + half)
    return f"CASE WHEN :i < {first + half} THEN {low} ELSE {high} END"
