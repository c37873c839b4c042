"""Importing sites: drafts and changes of a whole table, or none of it."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func
from sqlmodel import Session, col, select

from app.db import violating
from app.models import Organisation, OrganisationKind, Site, SiteStatus
from app.services import coordinates, import_tables, locations, sheets, site_lines
from app.services.access import Actor, is_below
from app.services.coordinates import Place
from app.services.import_tables import PATIENCE_MS, Fault, Imported, Progress
from app.services.locations import Typed
from app.services.site_lines import FORM, Line
from app.services.site_scope import STAFF
from app.services.sites import CODE_ONCE, SiteCodeTaken

EMPTY: dict[str, Any] = {
    "summary": "",
    "introduction": "",
    "contact_name": "",
    "contact_phone": "",
    "lend": [],
    "honours": [],
}
"""What a new site has in columns that the table lacks."""


@dataclass
class Entry:
    """A line, its town, and the site it is of, if that is there already."""

    line: Line
    town: Organisation | None
    was: Site | None
    new: dict[str, Any] = field(default_factory=dict)
    """Columns that become different."""


def run(
    session: Session,
    *,
    actor: Actor,
    data: bytes,
    dry_run: bool,
    progress: Progress | None = None,
) -> Imported:
    """Draft and change the sites of a table, known by their codes.

    Columns that the table lacks stay as they are; an empty cell empties. All or nothing. A site
    that moves is not verified any more; nothing is published.

    Args:
        session: open transaction.
        actor: who imports.
        data: a CSV or XLSX file.
        dry_run: tell what would happen, and leave no trace.
        progress: hears how far it is.

    Raises:
        NotInScope: the actor is no district's staff.
        SheetTooLarge: the file is larger than is taken at once.
        SheetUnreadable: it is no table.
        ImportRefused: something in it is wrong.
        SiteCodeTaken: somebody took a code in the meantime.
    """
    tell = progress or (lambda _, __: None)
    actor.require(*STAFF)
    tell("读取", 0.0)
    lines, faults = site_lines.read(sheets.read(data))
    tell("检查", 0.3)
    session.execute(select(func.set_config("statement_timeout", str(PATIENCE_MS), True)))
    entries, doubles = _entries(session, lines)
    faults += doubles
    for entry in entries:
        faults += _misfits(entry, actor)
        entry.new = _changes(entry)
    faults += _outside(session, entries)
    import_tables.refuse(faults, FORM)
    done = _summary(entries)
    tell("写入", 0.5)
    with session.begin_nested() as savepoint:
        _write(session, entries)
        if dry_run:
            savepoint.rollback()
    session.expire_all()
    tell("完成", 1.0)
    return done


def _entries(session: Session, lines: list[Line]) -> tuple[list[Entry], list[Fault]]:
    """Return the lines with what is there of them, and those whose code came before."""
    towns = {
        row.code: row for row in session.exec(_coded(Organisation, [ln.town_code for ln in lines]))
    }
    held = _coded(Site, [line.code for line in lines]).order_by(col(Site.id))
    # Whoever edits one of them now is waited for, and then seen.
    locked = held.with_for_update(key_share=True).execution_options(populate_existing=True)
    known = {row.code: row for row in session.exec(locked)}
    first: dict[str, int] = {}
    entries, faults = [], []
    for line in lines:
        if line.code in first:
            said = f"与第 {first[line.code]} 行的编号重复"
            faults.append(line.fault("code", line.code, "duplicate-code", said))
        elif line.code:
            first[line.code] = line.row
            entries.append(Entry(line, towns.get(line.town_code), known.get(line.code)))
    return entries, faults


def _coded(model: Any, codes: list[str]) -> Any:
    named: ColumnElement[bool] = col(model.code) == func.any(sorted(set(codes)))
    return select(model).where(named)


def _misfits(entry: Entry, actor: Actor) -> Iterator[Fault]:
    """Yield what stands against a line, whatever its other cells say."""
    line, town, was = entry.line, entry.town, entry.was
    districts = actor.paths(*STAFF)
    roots = {path.partition(".")[0] for path in districts}
    if was is not None and was.district_id.hex not in roots:
        yield line.fault("code", line.code, "out-of-scope", "该编号属于其他区的阵地")
    elif was is not None and was.status == SiteStatus.CLOSED:
        yield line.fault("code", line.code, "closed", "该阵地已永久关闭")
    if not line.town_code:
        return
    if town is None or not any(is_below(town.path, path) for path in districts):
        yield line.fault("town_code", line.town_code, "unknown-town", "没有这个镇街")
    elif town.kind != OrganisationKind.TOWN:
        yield line.fault("town_code", line.town_code, "not-a-town", "不是镇街")
    elif was is not None and was.district_id != town.district_id:
        yield line.fault("town_code", line.town_code, "other-district", "不能跨区调整")


def _changes(entry: Entry) -> dict[str, Any]:
    """Return the columns that become different, or all of a new site."""
    line, town, was = entry.line, entry.town, entry.was
    if line.at is None or town is None:
        return {}
    if was is None:
        typed = Typed(line.at, line.crs, line.gate, line.note)
        named = {"code": line.code, "short_name": line.facts["name"][:20]}
        homes = {"district_id": town.district_id, "town_id": town.id}
        return EMPTY | named | homes | line.facts | locations.written(typed)
    wanted = line.facts | {"town_id": town.id}
    new = {name: value for name, value in wanted.items() if value != getattr(was, name)}
    if "contact_phone" in new:
        new |= {"phone_confirmed_at": None, "phone_confirmed_by": None}
    typed = _typed(line, line.at, was)
    written = locations.written(typed)
    if locations.is_moved(was, typed):
        cleared = ("location_verified_at", "location_verified_by", "outside_confirmed_by")
        return new | written | dict.fromkeys(cleared)
    points = ("location", "navigation_point")
    raw = {name: value for name, value in written.items() if name not in points}
    return new | {name: value for name, value in raw.items() if value != getattr(was, name)}


def _typed(line: Line, at: Place, was: Site) -> Typed:
    """Return where a line puts a site; the gate stays where the table has no columns for it."""
    gate, note = line.gate, line.note if "source_note" in line.said else was.source_note
    if (
        "gate_lon" not in line.said
        and "gate_lat" not in line.said
        and was.gate_longitude is not None
    ):
        stands = coordinates.place(was.navigation_point)
        raw = Place(was.gate_longitude, was.gate_latitude or 0)
        gate = raw if line.crs == was.source_crs else coordinates.from_wgs84(*stands, line.crs)
    return Typed(at, line.crs, gate, note)


def _outside(session: Session, entries: list[Entry]) -> Iterator[Fault]:
    """Yield the lines that put a site outside its district; one that stays is not asked."""
    placed: dict[UUID, list[tuple[Entry, str, Place]]] = defaultdict(list)
    for entry in entries:
        if entry.town is not None and "location" in entry.new:
            for column, point in (("lon", "location"), ("gate_lon", "navigation_point")):
                there = coordinates.place(entry.new[point])
                placed[entry.town.district_id].append((entry, column, there))
    for district_id, points in placed.items():
        places = [there for _, _, there in points]
        told: set[int] = set()
        for n in locations.strays(session, district_id=district_id, places=places):
            entry, column, there = points[n]
            if entry.line.row not in told:  # without a gate of its own both are one point
                told.add(entry.line.row)
                said = "坐标在区界之外，请检查经纬度顺序和坐标系；确属无误的请单独录入并确认"
                where = f"{there.lon:.6f}, {there.lat:.6f}"
                yield entry.line.fault(column, where, "outside-district", said)


def _summary(entries: list[Entry]) -> Imported:
    tests: tuple[Callable[[Entry], bool], ...] = (
        lambda entry: entry.was is None,
        lambda entry: entry.was is not None and bool(entry.new),
        lambda entry: entry.was is not None and not entry.new,
    )
    return Imported(len(entries), *(sum(map(test, entries)) for test in tests))


def _write(session: Session, entries: list[Entry]) -> None:
    for entry in entries:
        if entry.was is None:
            session.add(Site(**entry.new))
        elif entry.new:
            for name, value in entry.new.items():
                setattr(entry.was, name, value)
            entry.was.version += 1
    with violating(CODE_ONCE, SiteCodeTaken()):
        session.flush()
