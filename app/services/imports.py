"""Importing organisations: a whole table or none of it, and every fault told at once."""

import json
from collections import Counter
from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import ColumnElement, func, text
from sqlmodel import Session, col, select

from app.db import violating
from app.models import Organisation, Role
from app.services import import_lines, import_tables, sheets, tree
from app.services.access import Actor, Held
from app.services.import_lines import FORM
from app.services.import_plan import Plan
from app.services.import_tables import PATIENCE_MS, Imported, Progress
from app.services.organisations import CODE_ONCE, OrganisationCodeTaken

_COLUMNS = (
    "id uuid, parent_id uuid, district_id uuid, path text, code text, name text, kind text,"
    " sector text, member_count int, place text"
)
_INSERT = text(f"""
    INSERT INTO organisation (id, parent_id, district_id, path, code, name, kind, sector,
        member_count, place, outside, active, version)
    SELECT id, parent_id, district_id, path::ltree, code, name, kind, sector, member_count, place,
        false, true, 1
    FROM json_to_recordset(CAST(:rows AS json)) AS r({_COLUMNS})""")  # noqa: S608
_UPDATE = text(f"""
    UPDATE organisation o SET parent_id = r.parent_id, name = r.name, sector = r.sector,
        member_count = r.member_count, place = r.place, version = o.version + 1
    FROM json_to_recordset(CAST(:rows AS json)) AS r({_COLUMNS}) WHERE o.id = r.id""")  # noqa: S608
_REHANG = text("""
    WITH RECURSIVE hung AS (
        SELECT id, path FROM organisation WHERE id = ANY(:districts)
        UNION ALL
        SELECT o.id, hung.path || replace(o.id::text, '-', '')
        FROM organisation o JOIN hung ON o.parent_id = hung.id)
    UPDATE organisation o SET path = hung.path FROM hung
    WHERE o.id = hung.id AND o.path <> hung.path""")


def system(district: Organisation) -> Actor:
    """Return who works on the command line: nobody's account, and all of one district."""
    held = Held(Role.DISTRICT_STAFF, district.id, district.path, None)
    return Actor(UUID(int=0), "system", (held,))


def run(
    session: Session,
    *,
    actor: Actor,
    data: bytes,
    dry_run: bool,
    progress: Progress | None = None,
) -> Imported:
    """Plant, change and move the organisations of a table, known by their codes.

    Parents may come in any order. Columns that the table lacks stay as they are; an empty cell
    empties. All or nothing.

    Args:
        session: open transaction.
        actor: who imports.
        data: a CSV or XLSX file.
        dry_run: tell what would happen, and leave no trace.
        progress: hears how far it is.

    Raises:
        NotInScope: the actor plants nowhere.
        SheetTooLarge: the file is larger than is taken at once.
        SheetUnreadable: it is no table.
        ImportRefused: something in it is wrong.
        OrganisationCodeTaken: another district took a code in the meantime.
        TreeTooDeep: what moves would hang too deep.
    """
    tell = progress or (lambda _, __: None)
    actor.require(*tree.STAFF)
    tell("读取", 0.0)
    lines, faults = import_lines.read(sheets.read(data))
    tell("检查", 0.3)
    session.execute(select(func.set_config("statement_timeout", str(PATIENCE_MS), True)))
    districts = sorted({UUID(path.partition(".")[0]) for path in actor.paths(*tree.STAFF)})
    for district_id in districts:
        tree.hold(session, district_id=district_id, moving=True)
    codes = {code for line in lines for code in (line.code, line.parent_code)}
    plan = Plan(actor, lines, _known(session, codes))
    plan.make()
    import_tables.refuse(faults + plan.faults, FORM)
    summary = _summary(plan)
    tell("写入", 0.5)
    with session.begin_nested() as savepoint:
        _write(session, plan, districts)
        if dry_run:
            savepoint.rollback()
    session.expire_all()
    tell("完成", 1.0)
    return summary


def _known(session: Session, codes: Iterable[str]) -> dict[str, Organisation]:
    named: ColumnElement[bool] = col(Organisation.code) == func.any(list(codes))
    wanted = select(Organisation).where(named).execution_options(populate_existing=True)
    return {found.code: found for found in session.exec(wanted)}


def _write(session: Session, plan: Plan, districts: list[UUID]) -> None:
    new = [node.row() for node in plan.nodes.values() if node.was is None]
    changed = [node.row() for node in plan.nodes.values() if node.is_changed()]
    with violating(CODE_ONCE, OrganisationCodeTaken()):
        for statement, rows in ((_INSERT, new), (_UPDATE, changed)):
            if rows:
                session.execute(statement, {"rows": json.dumps(rows, ensure_ascii=False)})
    if any(node.is_moved() for node in plan.nodes.values()):
        session.execute(_REHANG, {"districts": districts})
        for district_id in districts:
            tree.check_depth(session, path=district_id.hex)


def _summary(plan: Plan) -> Imported:
    counted = Counter(
        "created" if n.was is None else "changed" if n.is_changed() else "unchanged"
        for n in plan.nodes.values()
    )
    return Imported(len(plan.lines), counted["created"], counted["changed"], counted["unchanged"])
