"""The lines that are measured, by the ids of their targets."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack

import httpx2

from bench import exports, figures, orders, questions, servers
from bench.loads import Http, Sql
from bench.runs import Leg, Row, Setting, p50, p95, per_second
from bench.statements import Probe, main_statement, requester, script

_ZOOMS = range(6, 13)
_WARM, _REQUESTS = 10_000, 100_000
_GROWN = 1.1
"""What may be noise, of a process whose memory does not grow."""


def bbox(setting: Setting) -> Iterator[Row]:
    """P1: the map's layer in boxes of 200 sites, against its SQL and against other servers.

    Raises:
        RuntimeError: a copy that is good is sent again.
    """
    boxes = setting.asker().boxes()
    paths = questions.map_paths(boxes)
    bare = Sql(setting.url, script(main_statement(_probed(setting, paths))), 16)
    servers.give_to_peers(setting.url)
    with ExitStack() as stack:
        ours = stack.enter_context(servers.ours(setting.url, workers=2))
        tipg = stack.enter_context(servers.tipg(setting.url, setting.folder))
        pygeoapi = stack.enter_context(servers.pygeoapi(setting.url, setting.folder))
        etags = _etags(ours.base, paths)
        theirs = f"items?limit={questions.PAGE}&bbox="
        of_tipg = [f"/collections/peer.site/{theirs}{box}&f=geojson" for box in boxes]
        of_pygeoapi = [f"/collections/site/{theirs}{box}&f=json" for box in boxes]
        turns = setting.in_turns(
            {
                "ours": Http(ours.base, paths, 16),
                "sql": bare,
                "304": Http(ours.base, paths, 16, etags),
                "tipg": Http(tipg.base, of_tipg, 16),
                "pygeoapi": Http(pygeoapi.base, of_pygeoapi, 16),
            }
        )
        if etags != _etags(ours.base, paths):
            raise RuntimeError("the sites changed while they were measured: run this again")
    for name, what, target in (
        ("sql", "bbox of 200 / its SQL", 0.40),
        ("tipg", "bbox of 200 / tipg", 20.0),
        ("pygeoapi", "bbox of 200 / pygeoapi", 20.0),
    ):
        value = turns.ratio("ours", name, per_second)
        yield Row("P1", what, value, target, ours=turns.told("ours"), theirs=turns.told(name))
    value = turns.ratio("304", "ours", per_second)
    told = turns.told("304")
    yield Row("P1", "304 by ETag / bbox of 200", value, 2.0, ours=told, theirs=turns.told("ours"))


def availability(setting: Setting) -> Iterator[Row]:
    """P2: where forty people find room next Friday within 15 km."""
    paths = questions.availability_paths(setting.asker().places(), setting.now)
    written = script(main_statement(_probed(setting, paths)))
    with servers.ours(setting.url, workers=2) as ours:
        turns = setting.in_turns(
            {
                "ours": Http(ours.base, paths, 8),
                "sql": Sql(setting.url, written, 8),
                "alone": Sql(setting.url, written, 1),
            }
        )
    for name, what in (("alone", "1 client"), ("sql", "8 clients")):
        value, what = turns.median(name, p50), f"availability, p50 of its SQL, {what}"
        yield Row("P2", what, value, 2.0, at_most=True, unit="ms", theirs=turns.told(name))
    value, what = turns.ratio("ours", "sql", p95), "availability, p95 / p95 of its SQL, 8 clients"
    told = turns.told("ours")
    yield Row("P2", what, value, 2.0, at_most=True, ours=told, theirs=turns.told("sql"))


def tiles(setting: Setting) -> Iterator[Row]:
    """P6: vector tiles at the zooms at which people look for places."""
    asker = setting.asker()
    paths = {f"tile z{zoom}": questions.tile_paths(asker.tiles(zoom)) for zoom in _ZOOMS}
    yield from _against_sql(setting, "P6", paths, 16, 0.40)


def search(setting: Setting) -> Iterator[Row]:
    """P7: what people type."""
    words = setting.asker().words()
    with servers.ours(setting.url) as ours:
        legs = {
            how: Http(ours.base, questions.search_paths(typed), 1) for how, typed in words.items()
        }
        turns = setting.in_turns(legs)
    for how in words:
        value, what = turns.median(how, p95), f"search by {how}, p95"
        yield Row("P7", what, value, 10.0, at_most=True, unit="ms", ours=turns.told(how))


def nearest(setting: Setting) -> Iterator[Row]:
    """The twenty sites around a place."""
    paths = questions.nearest_paths(setting.asker().places())
    yield from _against_sql(setting, "near", {"nearest 20": paths}, 8, None)


def memory(setting: Setting) -> Iterator[Row]:
    """P9: the memory of one process that has served all kinds of requests."""
    asker = setting.asker()
    paths = [
        *questions.map_paths(asker.boxes()),
        *questions.availability_paths(asker.places(), setting.now),
        *questions.nearest_paths(asker.places()),
        *questions.tile_paths([tile for zoom in _ZOOMS for tile in asker.tiles(zoom)[:40]]),
        *questions.search_paths([typed for some in asker.words().values() for typed in some]),
    ]
    with servers.ours(setting.url) as ours:
        load = Http(ours.base, paths, 16)
        served, before = 0, 0.0
        while served < _REQUESTS:
            served += load.measure(setting.effort.seconds, setting.folder, served).requests
            if served >= _WARM:
                before = before or ours.memory_mb()
        after = ours.memory_mb()
    told = f"{before:.0f} MB after {_WARM:,} requests, {after:.0f} MB after {served:,}"
    yield Row("P9", "memory of one process", after, 180.0, at_most=True, unit="MB", ours=told)
    yield Row("P9", "memory, last / first", after / before, _GROWN, at_most=True, ours=told)


def start(setting: Setting) -> Iterator[Row]:
    """P10: from the command to the first answer."""
    times = []
    for _ in range(setting.effort.rounds):
        with servers.ours(setting.url) as ours:
            times.append(ours.ready_after)
    told = ", ".join(f"{seconds:.2f}" for seconds in times) + " s"
    value = statistics.median(times)
    yield Row("P10", "first answer", value, 2.0, at_most=True, unit="s", ours=told)


LINES: dict[str, Callable[[Setting], Iterator[Row]]] = {
    "P1": bbox,
    "P2": availability,
    "P3": orders.spread,
    "P4": orders.contested,
    "P5": figures.statistics,
    "P6": tiles,
    "P7": search,
    "P8": orders.approvals,
    "near": nearest,
    "P9": memory,
    "P10": start,
    "export": exports.export,
}


def _against_sql(
    setting: Setting,
    id_: str,
    paths: Mapping[str, Sequence[str]],
    clients: int,
    target: float | None,
) -> Iterator[Row]:
    """Compare the rates of requests of several kinds with those of their statements."""
    legs: dict[str, Leg] = {}
    with servers.ours(setting.url, workers=2) as ours:
        for what, some in paths.items():
            legs[what] = Http(ours.base, some, clients)
            written = script(main_statement(_probed(setting, some)))
            legs[f"{what}, sql"] = Sql(setting.url, written, clients)
        turns = setting.in_turns(legs)
    for what in paths:
        sql = f"{what}, sql"
        value = turns.ratio(what, sql, per_second)
        told, theirs = turns.told(what), turns.told(sql)
        yield Row(id_, f"{what} / its SQL", value, target, ours=told, theirs=theirs)


def _probed(setting: Setting, paths: Sequence[str]) -> list[Probe]:
    with requester(setting.url, setting.now) as ask:
        return [ask.get(path) for path in paths]


def _etags(base: str, paths: Sequence[str]) -> list[str]:
    with httpx2.Client(base_url=base) as client:
        return [client.get(path).headers["etag"] for path in paths]
