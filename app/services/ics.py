"""Appointments as iCalendar (RFC 5545, 7986) writes them, for Outlook, Apple and Android. Pure.

Times are in UTC: a session is one instant that never recurs, and Shanghai has no summer time, so a
time zone would tell a program nothing, and not all of them read one in the same way.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID
from zoneinfo import ZoneInfo

from app.models import BookingStatus
from app.services.coordinates import Place

if TYPE_CHECKING:
    from icalendar import Event

PRODUCT = "-//party-building-map//bookings//ZH"
REFRESH = timedelta(hours=1)
REMIND = timedelta(days=1)
"""How long ahead an appointment is brought to mind."""

S = BookingStatus
GONE = (S.CANCELLED, S.REJECTED, S.EXPIRED)
"""The states in which an appointment is off. A no-show is not: the hall was kept for it."""
# What becomes of a state that has no line here is certain.
_STATUS = {S.PENDING: "TENTATIVE", **dict.fromkeys(GONE, "CANCELLED")}
# Outlook goes by a property of its own, and shows what is cancelled as if it were not.
_BUSY = {"TENTATIVE": "TENTATIVE", "CANCELLED": "FREE", "CONFIRMED": "BUSY"}
# Line ends that a program may take for the end of the property, and what no text may hold.
_UNWRITABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True)
class Appointment:
    """One entry of a calendar, `[starts_at, ends_at)`.

    `sequence` grows with every change, the last of which was at `changed_at`; `place` is WGS-84.
    """

    id: UUID
    sequence: int
    changed_at: datetime
    status: BookingStatus
    starts_at: datetime
    ends_at: datetime
    title: str
    location: str
    place: Place
    facts: Sequence[str]
    url: str
    reminds: bool = False


def written(appointments: Sequence[Appointment], *, name: str) -> bytes:
    """Return a calendar of appointments; the same ones are always the same bytes."""
    from icalendar import Calendar, Timezone

    calendar = Calendar()
    calendar.add("version", "2.0")
    calendar.add("prodid", PRODUCT)
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", "PUBLISH")
    for known_as in ("name", "x-wr-calname"):  # the standard's, and the one that programs read
        calendar.add(known_as, name)
    calendar.add("refresh-interval", REFRESH, {"VALUE": "DURATION"})
    calendar.add("x-published-ttl", "PT1H")
    for appointment in appointments:
        calendar.add_component(_event(appointment))
    if not appointments:
        # One component at least (RFC 5545, 3.4): programs refuse a calendar that has none.
        calendar.add_component(Timezone.from_tzinfo(ZoneInfo("Asia/Shanghai")))
    return bytes(calendar.to_ical())


def one_line(text: str) -> str:
    """Return a text without anything that could end its line."""
    return _UNWRITABLE.sub(" ", text).strip()


def _event(appointment: Appointment) -> "Event":
    from icalendar import Alarm, Event

    status = _STATUS.get(appointment.status, "CONFIRMED")
    event = Event()
    event.add("uid", str(appointment.id))
    event.add("sequence", appointment.sequence)
    for stamped in ("dtstamp", "last-modified"):
        event.add(stamped, appointment.changed_at.astimezone(UTC).replace(microsecond=0))
    event.add("dtstart", appointment.starts_at.astimezone(UTC))
    event.add("dtend", appointment.ends_at.astimezone(UTC))
    event.add("status", status)
    event.add("transp", "TRANSPARENT" if status == "CANCELLED" else "OPAQUE")
    event.add("x-microsoft-cdo-busystatus", _BUSY[status])
    event.add("summary", one_line(appointment.title))
    event.add("location", one_line(appointment.location))
    event.add("geo", (round(appointment.place.lat, 6), round(appointment.place.lon, 6)))
    event.add("description", "\n".join(map(one_line, appointment.facts)))
    event.add("url", appointment.url)
    if appointment.reminds:
        alarm = Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("trigger", -REMIND)
        alarm.add("description", one_line(appointment.title))
        event.add_component(alarm)
    return event
