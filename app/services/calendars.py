"""Bookings in people's own calendars: one of them as a file, and all that are theirs as a feed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import ColumnElement, func, or_
from sqlmodel import Session, col, select

from app.models import (
    Booking,
    BookingEvent,
    BookingStatus,
    Organisation,
    Purpose,
    Role,
    Site,
    Venue,
)
from app.services import bookings, coordinates, ics
from app.services.access import Actor
from app.services.codes import code_of
from app.services.states import status_at

NAME = "党建地图 · 预约"
PAST = timedelta(days=60)
"""How long a feed shows what is over."""
GONE_SHOWN = timedelta(days=30)
"""How long a feed shows that something is off, so that every program hears of it."""
MOST = 500
"""Appointments in a feed; the nearest to the present."""
DESIGN = 1
"""To be counted up when appointments look different, so that nobody keeps the old ones."""

S = BookingStatus
STATUSES = {
    S.PENDING: ("待接单", "Waiting for the site"),
    S.APPROVED: ("已接单", "Approved"),
    S.REJECTED: ("已拒单", "Rejected"),
    S.EXPIRED: ("已超时", "Expired"),
    S.CANCELLED: ("已取消", "Cancelled"),
    S.NO_SHOW: ("爽约", "Nobody came"),
    S.ARRIVED: ("已到场", "Arrived"),
    S.COMPLETED: ("已完成", "Completed"),
}
AS_PLANNED = (S.APPROVED, S.ARRIVED, S.COMPLETED)
"""The states that a title need not name. Many programs do not show that something is off."""
PURPOSES = {
    Purpose.THEME_PARTY_DAY: "主题党日",
    Purpose.PARTY_LECTURE: "党课",
    Purpose.MEMBERS_MEETING: "支部党员大会",
    Purpose.COMMITTEE_MEETING: "支部委员会会议",
    Purpose.GROUP_MEETING: "党小组会",
    Purpose.ORGANISATION_LIFE_MEETING: "组织生活会",
    Purpose.DEMOCRATIC_APPRAISAL: "民主评议党员",
    Purpose.VOLUNTEERING: "志愿服务",
    Purpose.TRAINING: "教育培训",
    Purpose.VISIT: "参观学习",
}


@dataclass(frozen=True)
class Pages:
    """Where people find the pages, and which page of a booking is the reader's."""

    base: str
    actor: Actor

    def is_guest(self, booking: Booking) -> bool:
        """Tell whether the reader goes there with their branch; else they receive it."""
        branches = self.actor.organisations(Role.ORGANISER, Role.MEMBER)
        return booking.organisation_id in branches

    def of(self, booking: Booking) -> str:
        """Return the address of a booking for this reader."""
        received = "reception" if booking.site_id in self.actor.sites() else "district"
        page = "bookings" if self.is_guest(booking) else received
        return f"{self.base}/#/{page}/{booking.id}"


@dataclass(frozen=True)
class _Row:
    """A booking with what an appointment tells of it."""

    booking: Booking
    changed_at: datetime
    site: Site
    venue: str
    branch: str


def tag(appointments: Sequence[ics.Appointment]) -> str:
    """Return what changes with a calendar, and only then."""
    return sha256(f"{DESIGN} {list(appointments)!r}".encode()).hexdigest()[:32]


def written(appointments: Sequence[ics.Appointment]) -> bytes:
    """Return the calendar as programs read it."""
    return ics.written(appointments, name=NAME)


def one(
    session: Session, *, actor: Actor, booking: Booking, base: str, now: datetime
) -> list[ics.Appointment]:
    """Return one booking, to be kept in a calendar; with the site's phone and a reminder.

    Args:
        session: open transaction.
        actor: who asks.
        booking: one that they may see.
        base: where people find the pages.
        now: the present instant, aware.
    """
    rows = _rows(session, col(Booking.id) == booking.id, now=now)
    phones = [f"阵地电话 Phone：{row.site.contact_phone}" for row in rows if row.site.contact_phone]
    return _appointments(session, rows, Pages(base, actor), now, more=phones, remind=True)


def feed(session: Session, *, actor: Actor, base: str, now: datetime) -> list[ics.Appointment]:
    """Return what a person goes to or receives, by start; two statements, however many.

    Whoever has the address reads it, so no phone is in it; and programs fetch it whole, so it
    reaches back for `PAST` only, and for `GONE_SHOWN` where a booking is off.

    Args:
        session: open transaction.
        actor: whose it is.
        base: where people find the pages.
        now: the present instant, aware.
    """
    theirs = bookings.within(actor, bookings.Scope.MINE, bookings.Scope.SITE)
    recent = col(Booking.starts_at) >= now - PAST
    on = col(Booking.status).not_in(ics.GONE)
    heard_of = col(BookingEvent.at) >= now - GONE_SHOWN
    rows = _rows(session, theirs, recent, or_(on, heard_of), now=now)
    rows.sort(key=lambda row: (row.booking.starts_at, row.booking.id))
    return _appointments(session, rows, Pages(base, actor), now, more=[], remind=False)


def _rows(session: Session, *conditions: ColumnElement[bool], now: datetime) -> list[_Row]:
    away = func.abs(func.extract("epoch", col(Booking.starts_at) - now))
    found = session.exec(
        select(Booking, BookingEvent.at, Site, Venue.name, Organisation.name)  # type: ignore[call-overload]
        .join(
            BookingEvent,
            (col(BookingEvent.booking_id) == Booking.id)
            & (col(BookingEvent.version) == Booking.version),
        )
        .join(Site, col(Site.id) == Booking.site_id)
        .join(Venue, col(Venue.id) == Booking.venue_id)
        .join(Organisation, col(Organisation.id) == Booking.organisation_id)
        .where(*conditions)
        .order_by(away, Booking.id)
        .limit(MOST)
        .execution_options(populate_existing=True)
    )
    return [_Row(*row) for row in found]


def _appointments(
    session: Session,
    rows: Sequence[_Row],
    pages: Pages,
    now: datetime,
    *,
    more: Sequence[str],
    remind: bool,
) -> list[ics.Appointment]:
    menus = bookings.programme_names(session, [row.booking.id for row in rows])
    return [
        _appointment(row, menus.get(row.booking.id, []), pages, now, more=more, remind=remind)
        for row in rows
    ]


def _appointment(
    row: _Row,
    menu: Sequence[str],
    pages: Pages,
    now: datetime,
    *,
    more: Sequence[str],
    remind: bool,
) -> ics.Appointment:
    booking, site = row.booking, row.site
    status = status_at(booking, now)
    # The step that the clock has made due will be written with a higher version.
    ahead = status != booking.status
    return ics.Appointment(
        id=booking.id,
        sequence=booking.version + ahead,
        changed_at=row.changed_at,
        status=status,
        starts_at=booking.starts_at,
        ends_at=booking.ends_at,
        title=_title(row, status, guest=pages.is_guest(booking)),
        location=f"{site.name} {row.venue}，{site.address}",
        place=coordinates.place(site.navigation_point),
        facts=[*_facts(row, status, menu), *more, *_links(row, pages)],
        url=pages.of(booking),
        reminds=remind and status == S.APPROVED and now < booking.starts_at - ics.REMIND,
    )


def _title(row: _Row, status: BookingStatus, *, guest: bool) -> str:
    other = row.site.name if guest else row.branch
    state = "" if status in AS_PLANNED else f"【{STATUSES[status][0]}】"
    return f"{state}{PURPOSES[Purpose(row.booking.purpose)]} · {other}"


def _facts(row: _Row, status: BookingStatus, menu: Sequence[str]) -> list[str]:
    booking = row.booking
    ordered = [f"活动菜单 Programmes：{'、'.join(menu)}"] if menu else []
    return [
        f"状态 Status：{' '.join(STATUSES[status])}",
        f"预约单号 Code：{code_of(booking.number or 0)}",
        f"预约支部 Branch：{row.branch}",
        f"场地 Hall：{row.venue}",
        f"预计人数 People：{booking.people_expected}",
        *ordered,
    ]


def _links(row: _Row, pages: Pages) -> list[str]:
    return [
        f"怎么去 The way：{pages.base}/#/go/{row.site.id}",
        f"预约单 Booking：{pages.of(row.booking)}",
    ]
