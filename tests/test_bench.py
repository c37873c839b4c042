"""The pieces of the bench, on databases that take a second."""

import itertools
import json
import os
import sys
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import URL, Engine, text
from sqlmodel import Session
from typer.testing import CliRunner

from app import clock
from app.models import Organisation, Programme, Site, Venue
from app.services import site_cards
from app.services.calendar import ZONE
from bench import (
    export_ground,
    exports,
    figures,
    lines,
    load,
    order_ground,
    orders,
    questions,
    report,
    runs,
    servers,
)
from bench.__main__ import cli
from bench.country import Country
from bench.loads import Http, Measured, Sql
from bench.order_ground import Post
from bench.questions import Asker
from bench.runs import Effort, Row, Setting
from bench.statements import Probe, Requester, Script, Sent, main_statement, script
from tests.conftest import NOW, database, plain
from tests.live import serving

SITES = 60
CONSTRAINTS = """
    SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE conrelid = 'venue_session'::regclass UNION ALL
    SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
    WHERE indrelid = 'venue_session'::regclass ORDER BY 1, 2
"""


@pytest.fixture
def tiny(own_engine: Engine) -> str:
    """URL of a country of a few sites with a week of sessions."""
    url = plain(own_engine.url)
    load.country(url, sites=SITES, days=10, seed=1, now=NOW)
    load.derive(url, anew=True, now=NOW)
    return url


def count(url: str, table: str) -> int:
    with psycopg.connect(url) as connection:
        counting = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
        row = connection.execute(counting).fetchone()
    assert row
    return int(row[0])


def test_the_same_seed_makes_the_same_country() -> None:
    one, same, other = (Country(sites=300, seed=seed, since=NOW) for seed in (1, 1, 2))
    assert one.rows == same.rows != other.rows
    assert len(one.rows[Site]) == len(one.rows[Venue]) == 300 < len(one.rows[Programme])
    assert len({row["code"] for row in one.rows[Site] + one.rows[Organisation]}) == sum(
        len(one.rows[model]) for model in (Site, Organisation)
    )


def test_sites_lie_where_people_live() -> None:
    sites = Country(sites=3000, seed=1, since=NOW).rows[Site]
    eastern = sum(row["source_longitude"] > 105 for row in sites)
    assert 0.8 < eastern / len(sites) < 0.95
    cells = Counter(
        (round(row["source_longitude"]), round(row["source_latitude"])) for row in sites
    )
    assert cells.most_common(1)[0][1] > 10 * len(sites) / len(cells) / 4


def test_a_loaded_country_is_whole(tiny: str, server: URL, template: str) -> None:
    assert count(tiny, "site") == count(tiny, "site_card") == count(tiny, "site_words") == SITES
    assert count(tiny, "site_card_stale") == 0
    assert count(tiny, "venue_session") == SITES * 2 * 8  # ten days hold eight working days
    with psycopg.connect(tiny) as loaded, database(server, template) as url:
        with psycopg.connect(plain(url)) as migrated:
            wanted = migrated.execute(CONSTRAINTS).fetchall()
        assert loaded.execute(CONSTRAINTS).fetchall() == wanted
        full, free, shut = loaded.execute("""
            SELECT count(*) FILTER (WHERE groups_held = groups_limit),
                count(*) FILTER (WHERE groups_held = 0), count(closed_reason) FROM venue_session
        """).fetchone() or (0, 0, 0)
    assert 0.2 < full / (SITES * 16) < 0.4
    assert free / (SITES * 16) > 0.3
    assert 0 < shut < SITES


def test_cards_made_by_the_bench_are_right(tiny: str, own_engine: Engine) -> None:
    with Session(own_engine) as session:
        wrong = session.connection().execute(text(site_cards.WRONG), {"now": NOW})
        assert wrong.all() == []


def test_boxes_hold_a_page_or_half_of_all(tiny: str) -> None:
    asker = Asker(tiny, seed=3)
    with psycopg.connect(tiny) as connection:
        for box in asker.boxes()[:10]:
            inside = connection.execute(
                "SELECT count(*) FROM site WHERE location && ST_MakeEnvelope(%s, %s, %s, %s, 4326)",
                [float(part) for part in box.split(",")],
            ).fetchone()
            assert inside
            assert abs(inside[0] - SITES // 2) <= 1  # six decimals may cut the outermost off
    assert asker.boxes() != Asker(tiny, seed=3).boxes() == Asker(tiny, seed=3).boxes()


@pytest.mark.parametrize("days", range(7))
def test_availability_is_asked_for_a_friday_beyond_the_lead_time(days: int) -> None:
    now = NOW + timedelta(days=days)
    (path,) = questions.availability_paths(["118,36"], now)
    (since,) = parse_qs(path)["from"]
    day = datetime.fromisoformat(since)
    assert day.astimezone(ZONE).isoweekday() == 5
    assert timedelta(days=6) < day - now < timedelta(days=14)


def sent(**values: object) -> Sent:
    return Sent("INSERT INTO seen VALUES (%(number)s, %(word)s, %(times)s, 'a:b%%')", values)


def test_a_statement_runs_in_pgbench_with_the_parameters_it_had(
    own_engine: Engine, tmp_path: Path
) -> None:
    url = plain(own_engine.url)
    given = [(n + 0.5, f'第{n}\'，"词"', NOW) for n in range(7)]
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE seen (n float8, word text, at timestamptz, mark text)")
        connection.execute("GRANT ALL ON seen TO party_map_service")
    written = script([sent(number=n, word=word, times=at) for n, word, at in given])
    measured = Sql(url, written, 2).measure(1, tmp_path, seed=1)
    with psycopg.connect(url) as connection:
        seen = connection.execute("SELECT DISTINCT * FROM seen").fetchall()
    assert {(n, word, at) for n, word, at, _ in seen} == set(given)
    assert {mark for *_, mark in seen} == {"a:b%"}
    assert measured.requests > 7
    assert 0 < measured.p50_ms <= measured.p95_ms


def test_statements_run_in_pgbench_one_after_another_and_name_anew_what_they_make(
    own_engine: Engine, tmp_path: Path
) -> None:
    url = plain(own_engine.url)
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE made (id text PRIMARY KEY, word text)")
        connection.execute("CREATE TABLE told (id text REFERENCES made, n int)")
        connection.execute("GRANT ALL ON made, told TO party_map_service")
    make = [
        Sent("INSERT INTO made VALUES (%(id)s, %(word)s)", {"id": f"{n}", "word": f"w{n}"})
        for n in range(3)
    ]
    tell = [
        Sent("INSERT INTO told VALUES (%(id)s, %(n)s)", {"id": f"{n}", "n": 7 + n})
        for n in range(3)
    ]
    written = script(make, tell, fresh={"0": "txid_current()::text", "n": "(5 + 1)"})
    whole = Script(f"BEGIN;\n{written.text}END;\n", written.defined)
    measured = Sql(url, whole, 2).measure(1, tmp_path, seed=1)
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT word, n FROM made JOIN told USING (id)").fetchall()
    assert len(rows) >= measured.requests > 3
    assert {row[0] for row in rows} == {"w0", "w1", "w2"}
    assert {row[1] for row in rows} == {6}


def test_orders_are_repeated_by_pgbench_and_counted_over_http(
    own_engine: Engine, tmp_path: Path
) -> None:
    url = plain(own_engine.url)
    with Session(own_engine) as session, session.begin():
        market = order_ground.build(
            session, branches=3, halls=2, sessions=2, groups=900, funded=True, now=NOW
        )
    posts = market.orders()
    setting = Setting(url, NOW, tmp_path, 1)
    recorded = orders._recorded(setting, itertools.islice(posts, 6))
    before = count(url, "booking")
    measured = Sql(url, orders._transaction(url, recorded), 2).measure(1, tmp_path, seed=1)
    assert before == 6
    assert count(url, "booking") - before >= measured.requests > 3
    assert count(url, "booking") == count(url, "booking_event")
    with serving(own_engine, NOW) as base:
        done = orders.Posts(base, posts, 2, count=4).measure(1, tmp_path, seed=1)
        refused = itertools.repeat(Post("/bookings", "nobody", {}))
        with pytest.raises(RuntimeError, match="401"):
            orders.Posts(base, refused, 1, count=1).measure(1, tmp_path, seed=1)
    assert done.requests == 4


def test_what_can_be_ordered_once_is_sent_in_turn(own_engine: Engine, tmp_path: Path) -> None:
    with Session(own_engine) as session, session.begin():
        market = order_ground.build(
            session, branches=20, halls=4, sessions=50, groups=900, funded=False, now=NOW
        )
    url = plain(own_engine.url)
    with serving(own_engine, NOW) as base:
        posts = market.orders()
        orders.Posts(base, posts, 2, count=4).measure(1, tmp_path, seed=1)  # warms
        few = orders.once(base, iter([next(posts)]))
        leg = orders.once(base, posts)
        done = [leg.measure(4, tmp_path, seed=1) for _ in range(2)]
        refused = orders.once(base, itertools.repeat(Post("/bookings", "nobody", {})))
        with pytest.raises(RuntimeError, match="requests failed"):
            refused.measure(4, tmp_path, seed=1)
        with pytest.raises(RuntimeError, match="too few"):
            few.measure(4, tmp_path, seed=1)
    assert 4 < 4 + sum(one.requests for one in done) <= count(url, "booking")


def test_long_tables_are_made_and_fetched_whole(
    own_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "ROWS", 300)
    setting = Setting(plain(own_engine.url), clock.now(), tmp_path, 1, Effort(rounds=1))
    csv, _, xlsx, grown = exports.export(setting)
    assert csv.ours.startswith("300 rows")
    assert 20 < csv.value <= xlsx.value + 20
    assert grown.value < 30
    monkeypatch.setattr(export_ground, "fill", lambda *_, **__: None)
    with pytest.raises(RuntimeError, match="not what was asked for"):
        list(exports.export(setting))


def test_statistics_of_few_bookings_are_measured_beside_those_of_many(
    own_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "SIZES", (60, 600))
    setting = Setting(plain(own_engine.url), clock.now(), tmp_path, 1, Effort(1, 1, 1))
    measured = list(figures.statistics(setting))
    assert [row.unit for row in measured] == ["", "ms", "", "ms"]
    assert all(0 < row.value < 1000 for row in measured)
    monkeypatch.setattr(export_ground, "fill", lambda *_, **__: None)
    with pytest.raises(RuntimeError, match="do not count"):
        list(figures.statistics(setting))


def test_a_statement_that_fails_is_not_measured(own_engine: Engine, tmp_path: Path) -> None:
    broken = script([Sent("SELECT 1 / %(n)s", {"n": 0})])
    with pytest.raises(RuntimeError, match="division by zero"):
        Sql(plain(own_engine.url), broken, 1).measure(1, tmp_path, seed=1)


def test_a_colon_outside_of_a_literal_is_refused() -> None:
    with pytest.raises(RuntimeError, match="colon"):
        script([Sent("SELECT (ARRAY[1, 2])[1:x] FROM t", {})])


def probe(*sent: Sent) -> Probe:
    return Probe("", None, list(sent))  # type: ignore[arg-type]


def test_the_statement_that_all_requests_share_is_the_one_measured() -> None:
    find, keys = "SELECT id FROM site WHERE x > %(x)s", "SELECT * FROM card WHERE id = ANY(%(k)s)"
    odd = Sent("SELECT something, that, only, one, of, the, requests, needed FROM somewhere", {})
    one = probe(Sent(find, {"x": 1}), Sent(keys, {"k": [1, 2]}), odd)
    two = probe(Sent(find, {"x": 2}), Sent(keys, {"k": [3, 4]}))
    assert [sent.values for sent in main_statement([one, two])] == [{"x": 1}, {"x": 2}]
    with pytest.raises(RuntimeError, match="different statements"):
        main_statement([probe(odd), two])


def test_the_service_is_heard_whichever_way_it_asks(tiny: str, own_engine: Engine) -> None:
    own_engine.dispose()
    asked = Requester(own_engine, NOW)
    asker = Asker(tiny, seed=1)
    places = asker.places()[:3]
    for paths in (
        questions.map_paths(asker.boxes()[:3]),
        questions.nearest_paths(places),
        questions.availability_paths(places, NOW),
        questions.tile_paths(asker.tiles(9)[:3]),
    ):
        written = script(main_statement([asked.get(path) for path in paths]))
        assert "SELECT" in written.text
    with pytest.raises(RuntimeError, match="answers 404"):
        asked.get("/api/v1/nothing")


def test_requests_are_counted_and_failures_noticed(
    tiny: str, own_engine: Engine, tmp_path: Path
) -> None:
    boxes = questions.map_paths(Asker(tiny, seed=1).boxes()[:5])
    with serving(own_engine, NOW) as base:
        measured = Http(base, boxes, 2).measure(3, tmp_path, seed=1)
        with pytest.raises(RuntimeError, match="failed"):
            Http(base, ["/api/v1/nothing"], 1).measure(1, tmp_path, seed=1)
    assert measured.requests > 0
    assert 0 < measured.p50_ms <= measured.p95_ms


class Steps:
    """A leg that is as fast as it is told."""

    def __init__(self, log: list[str], name: str, *rates: float) -> None:
        self.log, self.name, self.rates = log, name, iter((0.0, *rates))

    def measure(self, seconds: int, folder: Path, seed: int) -> Measured:
        self.log.append(self.name)
        return Measured(next(self.rates), 1, 2, 3)


def test_legs_take_turns_and_the_median_of_the_ratios_counts(tmp_path: Path) -> None:
    log: list[str] = []
    setting = Setting("", NOW, tmp_path, 1, Effort(rounds=3))
    turns = setting.in_turns({"a": Steps(log, "a", 10, 90, 20), "b": Steps(log, "b", 20, 30, 40)})
    assert "".join(log) == "ab" + "ababab"
    assert turns.ratio("a", "b", runs.per_second) == 0.5
    assert turns.median("a", runs.per_second) == 20


def test_a_leg_that_answers_nothing_is_noticed(tmp_path: Path) -> None:
    class Stuck:
        def measure(self, seconds: int, folder: Path, seed: int) -> Measured:
            return Measured(0, 0, 0, 0)

    with pytest.raises(RuntimeError, match="stuck answered nothing"):
        Setting("", NOW, tmp_path, 1).in_turns({"stuck": Stuck()})


def test_a_target_is_reached_from_its_own_side() -> None:
    assert Row("P", "", 0.4, 0.4).reached is True
    assert Row("P", "", 0.39, 0.4).reached is False
    assert Row("P", "", 2.1, 2, at_most=True).reached is False
    assert Row("P", "", 1.9, 2, at_most=True).reached is True
    assert Row("P", "", 1.9).reached is None


def test_results_of_other_lines_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_engine: Engine
) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results.json")
    on = report.machine(plain(own_engine.url))
    assert on["postgis"]
    report.keep([Row("P1", "a", 1), Row("P2", "b", 1)], on, "country", NOW)
    report.keep([Row("P2", "b", 2)], on, "country", NOW)
    report.keep([Row("P2", "b", 3)], on, "district", NOW)
    held = json.loads((tmp_path / "results.json").read_text())
    told = {size: [(row["id"], row["value"]) for row in held[size]["rows"]] for size in held}
    assert told == {"country": [("P1", 1), ("P2", 2)], "district": [("P2", 3)]}


def interrupted(pids: list[int]) -> None:
    port = servers._free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    with servers._serving(command, {}, port, "/") as server:
        pids.append(server.pid)
        assert server.memory_mb() > 1
        raise KeyboardInterrupt


def test_no_server_outlives_the_bench() -> None:
    pids: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted(pids)
    with pytest.raises(ProcessLookupError):
        os.killpg(pids[0], 0)


def test_a_server_that_ends_at_once_is_noticed() -> None:
    with (
        pytest.raises(RuntimeError, match="does not answer"),
        servers._serving(["/bin/false"], {}, servers._free_port(), "/"),
    ):
        pass


def test_every_line_is_explained() -> None:
    readme = (Path(lines.__file__).parent / "README.md").read_text()
    assert [name for name in lines.LINES if f"| {name} |" not in readme] == []
    told = CliRunner().invoke(cli, ["--only", "P99"])
    assert told.exit_code == 2
    assert "P10" in told.output
