"""Every booking of a period, one row each, without a contact's name or phone."""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy
from sqlalchemy import ColumnElement, Select, and_, func, literal
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from app.models import (
    Booking,
    BookingEvent,
    BookingProgramme,
    BookingStatus,
    Organisation,
    Programme,
    Review,
    Site,
    Subsidy,
    SubsidyStatus,
    Visit,
)
from app.services import bookings
from app.services.access import Actor
from app.services.calendar import midnight
from app.services.calendars import STATUSES
from app.services.codes import code_of
from app.services.table_notes import CATEGORIES, SECTORS, Asked, notes
from app.services.tables import AT_A_TIME, Cell, Column, Kind, Table

COUNTED = "开始时间在期间内的预约，每行一条；接单时长为首次人工答复所用分钟数，评分为三项均分"
COLUMNS = (
    Column("code", "预约编号", "Code", width=14),
    Column("site_code", "阵地编号", "Site code"),
    Column("site", "阵地", "Site", width=30),
    Column("town", "镇街", "Town", width=14),
    Column("category", "类别", "Category"),
    Column("branch_code", "支部编号", "Branch code"),
    Column("branch", "支部", "Branch", width=30),
    Column("sector", "行业", "Sector"),
    Column("side", "区内外", "Inside or outside"),
    Column("programmes", "菜单", "Programme", width=24),
    Column("starts_at", "开始", "Starts", Kind.INSTANT, 17),
    Column("ends_at", "结束", "Ends", Kind.INSTANT, 17),
    Column("people_expected", "预约人数", "Expected", Kind.INTEGER),
    Column("people_attended", "实到人数", "Attended", Kind.INTEGER),
    Column("status", "状态", "Status"),
    Column("answer_minutes", "接单时长（分）", "Minutes to answer", Kind.FLOAT),
    Column("rating", "评分", "Rating", Kind.FLOAT),
    Column("subsidy_fen", "补助（元）", "Subsidy (yuan)", Kind.FEN, 14),
)
_TOWN, _BRANCH = aliased(Organisation), aliased(Organisation)


def make(session: Session, actor: Actor, asked: Asked) -> Table:
    """Return the bookings an actor oversees that start in a period, the earliest first."""
    theirs = _theirs(actor, asked)
    total = session.execute(sqlalchemy.select(func.count()).select_from(Booking).where(*theirs))
    return Table(
        name="bookings",
        title="预约与到访明细",
        columns=COLUMNS,
        rows=_rows(session, theirs),
        total=total.scalar_one(),
        notes=notes(session, actor=actor, asked=asked, counted=COUNTED),
    )


def _theirs(actor: Actor, asked: Asked) -> tuple[ColumnElement[bool], ...]:
    starts = col(Booking.starts_at)
    return (
        bookings.within(actor, bookings.Scope.DISTRICT),
        starts >= midnight(asked.since),
        starts < midnight(asked.until),
    )


def _rows(session: Session, theirs: Sequence[ColumnElement[bool]]) -> Iterator[Sequence[Cell]]:
    """Read by a cursor of the server, so that no more than `AT_A_TIME` rows are ever here."""
    wanted = _wanted().where(*theirs).order_by(col(Booking.starts_at), col(Booking.id))
    for row in session.execute(wanted, execution_options={"yield_per": AT_A_TIME}):
        number, category, sector, outside, status, *rest = row
        site_code, site, town, branch_code, branch, programmes, starts, ends, *numbers = rest
        expected, attended, waited, rating, fen = numbers
        yield (
            code_of(number),
            site_code,
            site,
            town,
            CATEGORIES[category],
            branch_code,
            branch,
            SECTORS[sector] if sector else None,
            "区外" if outside else "区内",
            programmes,
            starts,
            ends,
            expected,
            attended,
            STATUSES[status][0],
            None if waited is None else round(float(waited), 1),
            None if rating is None else round(float(rating), 2),
            fen,
        )


def _wanted() -> Select[*tuple[Any, ...]]:
    stars = (col(Review.content) + col(Review.reception) + col(Review.facilities)) / 3.0
    return (
        sqlalchemy.select(
            col(Booking.number),
            col(Site.category),
            col(_BRANCH.sector),
            col(_BRANCH.outside),
            col(Booking.status),
            col(Site.code),
            col(Site.name),
            col(_TOWN.place),
            col(_BRANCH.code),
            col(_BRANCH.name),
            _menu(),
            col(Booking.starts_at),
            col(Booking.ends_at),
            col(Booking.people_expected),
            col(Visit.people_attended),
            _waited(),
            stars,
            func.coalesce(col(Subsidy.committed_fen), col(Subsidy.reserved_fen)),
        )
        .join(Site, col(Site.id) == Booking.site_id)
        .join(_TOWN, col(_TOWN.id) == Site.town_id)
        .join(_BRANCH, col(_BRANCH.id) == Booking.organisation_id)
        .outerjoin(Visit, col(Visit.booking_id) == Booking.id)
        .outerjoin(Review, col(Review.booking_id) == Booking.id)
        .outerjoin(Subsidy, _owed())
    )


def _owed() -> ColumnElement[bool]:
    """Join what is owed, or would be; what was released is owed to nobody."""
    owed = (SubsidyStatus.RESERVED, SubsidyStatus.COMMITTED)
    return and_(col(Subsidy.booking_id) == Booking.id, col(Subsidy.status).in_(owed))


def _menu() -> ColumnElement[Any]:
    names = func.string_agg(Programme.name, aggregate_order_by(literal("、"), col(Programme.id)))
    return (
        sqlalchemy.select(names)
        .join(BookingProgramme, col(BookingProgramme.programme_id) == Programme.id)
        .where(col(BookingProgramme.booking_id) == Booking.id)
        .correlate(Booking)
        .scalar_subquery()
    )


def _waited() -> ColumnElement[Any]:
    answered = (BookingStatus.APPROVED, BookingStatus.REJECTED)
    waited = func.extract("epoch", func.min(BookingEvent.at) - col(Booking.created_at)) / 60
    return (
        sqlalchemy.select(waited)
        .where(
            col(BookingEvent.booking_id) == Booking.id,
            col(BookingEvent.to_status).in_(answered),
            col(BookingEvent.actor_id).is_not(None),
        )
        .correlate(Booking)
        .scalar_subquery()
    )
