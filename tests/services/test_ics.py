"""What is written is read again as it was meant, by two libraries that share no line."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import icalendar
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ical.calendar_stream import IcsCalendarStream
from ical.exceptions import CalendarParseError

from app.models import BookingStatus
from app.services import ics
from app.services.calendar import ZONE
from app.services.coordinates import Place
from app.services.ics import Appointment
from tests.conftest import NOW

S = BookingStatus
GATE = Place(117.970001, 36.640002)
ODD = (
    "主题党日；，,;:\\n\\",
    "a\nb\r\nc\rd",
    "\x00\x0b\x0c\x1c\x1d\x1e\x7f\x85\u2028\u2029",
    "家👨‍👩‍👧‍👦旗🇨🇳" * 40,
    "BEGIN:VEVENT\r\nUID:x",
    "，" * 24 + "𠮷" * 60,
    '"^n" %0A =0A',
    " 前后 ",
)


def appointment(number: int = 1, **other: Any) -> Appointment:
    plain: dict[str, Any] = {
        "id": UUID(int=number),
        "sequence": 1,
        "changed_at": NOW,
        "status": S.APPROVED,
        "starts_at": NOW + timedelta(days=7),
        "ends_at": NOW + timedelta(days=7, hours=2),
        "title": "主题党日 · 示例阵地",
        "location": "示例阵地 报告厅，示例路 1 号",
        "place": GATE,
        "facts": ["状态 Status：已接单 Approved", "预约单号 Code：ABC"],
        "url": "https://map.example.cn/#/bookings/1",
        "reminds": False,
    }
    return Appointment(**plain | other)


def by_icalendar(text: bytes) -> list[dict[str, Any]]:
    """What one library reads."""
    calendar: Any = icalendar.Calendar.from_ical(text)
    assert calendar.walk("X-IGNORED") == []
    return [
        {
            "uid": str(event["uid"]),
            "sequence": int(event["sequence"]),
            "status": str(event["status"]),
            "start": event.start,
            "end": event.end,
            "stamps": {event.stamp, event.last_modified},
            "summary": str(event["summary"]),
            "location": str(event["location"]),
            "description": str(event["description"]),
            "place": (event["geo"].latitude, event["geo"].longitude),
            "url": str(event["url"]),
            "transp": str(event["transp"]),
            "alarms": [alarm["trigger"].dt for alarm in event.walk("VALARM")],
            "errors": event.errors,
        }
        for event in calendar.events
    ]


def by_ical(text: bytes) -> list[dict[str, Any]]:
    """What the other reads, which refuses what the standard does not allow."""
    calendar = IcsCalendarStream.calendar_from_ics(text.decode())
    return [
        {
            "uid": event.uid,
            "sequence": event.sequence,
            "status": event.status,
            "start": event.dtstart,
            "end": event.dtend,
            "stamps": {event.dtstamp, event.last_modified},
            "summary": event.summary,
            "location": event.location,
            "description": event.description,
            "place": (event.geo.lat, event.geo.lng) if event.geo else None,
            "url": event.url,
            "transp": event.transparency,
            "alarms": [alarm.trigger for alarm in event.alarm],
            "errors": [],
        }
        for event in calendar.events
    ]


def meant(appointments: Iterable[Appointment], status: str = "CONFIRMED") -> list[dict[str, Any]]:
    return [
        {
            "uid": str(one.id),
            "sequence": one.sequence,
            "status": status,
            "start": one.starts_at,
            "end": one.ends_at,
            "stamps": {one.changed_at},
            "summary": ics.one_line(one.title),
            "location": ics.one_line(one.location),
            "description": "\n".join(map(ics.one_line, one.facts)),
            "place": (one.place.lat, one.place.lon),
            "url": one.url,
            "transp": "TRANSPARENT" if status == "CANCELLED" else "OPAQUE",
            "alarms": [timedelta(days=-1)] if one.reminds else [],
            "errors": [],
        }
        for one in appointments
    ]


def check(shown: Sequence[Appointment], status: str = "CONFIRMED") -> bytes:
    text = ics.written(shown, name="党建地图 · 预约")
    assert by_icalendar(text) == meant(shown, status)
    assert by_ical(text) == meant(shown, status)
    return text


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200) | st.sampled_from(ODD)


@given(
    title=TEXT,
    location=TEXT,
    facts=st.lists(TEXT, min_size=1, max_size=5),
    minutes=st.integers(1, 60 * 24 * 3000),
    sequence=st.integers(0, 2**31 - 1),
    reminds=st.booleans(),
)
@example(ODD[0], ODD[1], list(ODD), 90, 0, True)
@example(ODD[5], ODD[3], [ODD[2]], 90, 7, True)
def test_two_readers_understand_whatever_is_written(
    title: str, location: str, facts: list[str], minutes: int, sequence: int, reminds: bool
) -> None:
    starts_at = NOW + timedelta(minutes=minutes)
    text = check(
        [
            appointment(
                title=f"a{title}",
                location=f"a{location}",
                facts=[f"a{fact}" for fact in facts],
                starts_at=starts_at.astimezone(ZONE),
                ends_at=starts_at + timedelta(minutes=90),
                sequence=sequence,
                reminds=reminds,
            ),
            appointment(2),
        ]
    )
    assert text.endswith(b"END:VCALENDAR\r\n")
    lines = text.removesuffix(b"\r\n").split(b"\r\n")
    assert max(map(len, lines)) <= 75  # octets, and no character is torn apart
    assert not any(
        set(line.decode()) & set("\r\n\x00\x0b\x0c\x1c\x85\u2028\u2029") for line in lines
    )


@pytest.mark.parametrize("text", ["党员，活动；a,b;c\\n", "家👨‍👩‍👧‍👦旗🇨🇳", "x" * 5000])
def test_a_text_that_can_be_written_is_not_altered(text: str) -> None:
    assert ics.one_line(text) == text


def test_a_line_end_that_is_left_in_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ics, "one_line", lambda text: text)
    with pytest.raises((CalendarParseError, AssertionError)):
        check([appointment(title="a\x0bb")])


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (S.PENDING, "TENTATIVE"),
        (S.APPROVED, "CONFIRMED"),
        (S.ARRIVED, "CONFIRMED"),
        (S.COMPLETED, "CONFIRMED"),
        (S.NO_SHOW, "CONFIRMED"),
        (S.CANCELLED, "CANCELLED"),
        (S.REJECTED, "CANCELLED"),
        (S.EXPIRED, "CANCELLED"),
    ],
)
def test_every_state_has_a_word_that_programs_know(status: BookingStatus, told: str) -> None:
    text = check([appointment(status=status)], told)
    busy = {"TENTATIVE": "TENTATIVE", "CONFIRMED": "BUSY", "CANCELLED": "FREE"}[told]
    assert f"X-MICROSOFT-CDO-BUSYSTATUS:{busy}\r\n".encode() in text


def test_no_state_is_without_a_word() -> None:
    for status in S:
        ics.written([appointment(status=status)], name="")


def test_times_are_instants_whatever_zone_they_came_in() -> None:
    starts_at = datetime(2026, 12, 2, 9, tzinfo=ZONE)
    text = ics.written(
        [appointment(starts_at=starts_at, ends_at=starts_at + timedelta(hours=2))], name=""
    )
    assert b"DTSTART:20261202T010000Z\r\nDTEND:20261202T030000Z\r\n" in text
    assert by_ical(text)[0]["start"] == datetime(2026, 12, 2, 1, tzinfo=UTC)


def test_the_same_appointments_are_the_same_bytes() -> None:
    shown = [appointment(1), appointment(2, title="别的")]
    assert ics.written(shown, name="a") == ics.written(list(shown), name="a")
    assert ics.written(shown, name="a") != ics.written(shown[::-1], name="a")


@pytest.mark.parametrize("shown", [[], [appointment()]], ids=["none", "one"])
def test_a_calendar_says_what_it_is_called_and_when_to_ask_again(shown: list[Appointment]) -> None:
    text = ics.written(shown, name="党建地图 · 预约")
    assert text.startswith(b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:")
    calendar: Any = icalendar.Calendar.from_ical(text)
    assert str(calendar["method"]) == "PUBLISH"
    assert str(calendar["name"]) == str(calendar["x-wr-calname"]) == "党建地图 · 预约"
    assert calendar["refresh-interval"].dt == timedelta(hours=1)
    assert b"REFRESH-INTERVAL;VALUE=DURATION:PT1H\r\nX-PUBLISHED-TTL:PT1H\r\n" in text
    other = IcsCalendarStream.calendar_from_ics(text.decode())
    assert (other.method, other.refresh_interval) == ("PUBLISH", timedelta(hours=1))
    # The standard wants one component at least.
    assert len(calendar.subcomponents) == 1
    assert len(other.events) == len(shown)
