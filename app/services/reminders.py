"""Reminders (提醒): what people are told because of the clock; one table of rules, one job.

The rows are written by a job that looks at what is so now, a moment before they fall due, not by
the moves: an order pays nothing for them, and one that is moved or cancelled leaves none behind. A
row follows from its rule and the time it is due at, so writing it again changes nothing, whoever
does it and however wrong their clock was. What fell due while nobody looked is written late with
its true times; from `useless_at` on it tells nothing, and delivery says that it was missed.
"""

# ruff: noqa: S608 - rules of our own, nothing anybody sent

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import text
from sqlmodel import Session

from app.services import calendar
from app.services.calendar import DAY, ZONE, Calendar, local_date, midnight
from app.services.messages import Kind

AHEAD = timedelta(minutes=2)
"""How long before it is due a reminder is written: two looks of the job."""
MISSED_FOR = timedelta(days=2)
"""How long afterwards one that tells nothing any more is still written, to be seen as missed."""
MORNING, OFFICES_OPEN = time(7, 30), time(9)
EVENING = time(18)
FAR_DAYS = 21
"""Three working days before a visit are never further from it, whatever the holidays."""
HOLIDAYS_FROM = (11, 1)
"""Month and day from which on the list of the next year's holidays is missed."""


@dataclass(frozen=True)
class Rule:
    """What is owed: its kind, and a SELECT of whom, what about, when, until when, and the facts."""

    kind: Kind
    owed: str


_SPOKEN = "to_char({} AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD HH24:MI')"
_ISO = "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"+00:00\"')"
_FALLS_DUE = """due_at <= :soon AND due_at < useless_at
        AND (useless_at > :now OR due_at > :missed_since)"""
_IN_FORCE = "(g.ends_at IS NULL OR g.ends_at > {}.due_at)"
_DISTRICTS = "SELECT id FROM organisation WHERE kind = 'district'"
_DAYS = """unnest(CAST(:begins AS timestamptz[]), CAST(:ends AS timestamptz[]),
            CAST(:days_before AS timestamptz[]), CAST(:evening_before AS timestamptz[]),
            CAST(:mornings AS timestamptz[]), CAST(:list_is_old AS timestamptz[]))
        AS d (begins_at, ends_at, days_before, evening_before, morning, old_at)"""
_WEEKS = """unnest(CAST(:weeks AS timestamptz[]), CAST(:next_weeks AS timestamptz[]))
        AS w (due_at, useless_at)"""
_FACTS = f"""jsonb_build_object(
        'site', s.name, 'branch', o.name, 'people', b.people_expected::text,
        'when', {_SPOKEN.format("b.starts_at")}, 'starts_at', {_ISO.format("b.starts_at")},
        'respond_by', coalesce({_SPOKEN.format("b.respond_by")}, ''))"""


def _of_bookings(bookings: str, readers: str, *, unless: str = "FALSE") -> str:
    return f"""
    SELECT g.account_id, b.id AS booking_id, b.due_at, b.useless_at, {_FACTS} AS facts
    FROM ({bookings}) b
    JOIN site s ON s.id = b.site_id JOIN organisation o ON o.id = b.organisation_id
    JOIN role_grant g ON ({readers}) AND {_IN_FORCE.format("b")}
    WHERE {_FALLS_DUE} AND NOT ({unless})"""


_ORGANISERS = "g.organisation_id = b.organisation_id AND g.role = 'organiser'"
_MANAGERS = "g.site_id = b.site_id AND g.role = 'site_manager'"
# One that is over by now was still expected when it fell due; nobody is told, but it was missed.
_NOT_EXPECTED = """b.status <> 'approved' AND b.useless_at > :now OR b.due_at < coalesce((
        SELECT max(e.at) FROM booking_event e WHERE e.booking_id = b.id
        AND e.from_status = 'pending' AND e.to_status = 'approved'), 'infinity')"""


def _before_visit(kind: Kind, due_at: str, useless_at: str) -> Rule:
    """Remind of approved visits; what was approved after `due_at` needs no reminder of it."""
    bookings = f"""
        SELECT b.*, {due_at} AS due_at, {useless_at} AS useless_at
        FROM {_DAYS} JOIN booking b ON b.starts_at >= d.begins_at AND b.starts_at < d.ends_at
        WHERE b.district_id IN ({_DISTRICTS})
        AND b.status IN ('approved', 'arrived', 'completed', 'no_show')"""
    return Rule(kind, _of_bookings(bookings, _ORGANISERS, unless=_NOT_EXPECTED))


def _weekly(kind: Kind, claims: str, readers: str) -> Rule:
    """Tell on the week's first working day of claims that wait for somebody; one message each."""
    return Rule(
        kind,
        f"""
    SELECT g.account_id, NULL::uuid AS booking_id, w.due_at, w.useless_at, jsonb_build_object(
        'claims', count(*)::text,
        'list', string_agg(s.name || ' ' || to_char(c.month, 'YYYY-MM'), '、'
            ORDER BY c.month, s.name)) AS facts
    FROM {_WEEKS} JOIN claim c ON ({claims}) AND c.amount_fen > 0
    JOIN site s ON s.id = c.site_id JOIN fund f ON f.id = c.fund_id
    JOIN role_grant g ON ({readers}) AND {_IN_FORCE.format("w")}
    WHERE {_FALLS_DUE} GROUP BY g.account_id, w.due_at, w.useless_at""",
    )


SUBMIT_DAYS = 10
"""How many days after its month a claim should have been submitted."""

_MORNING_LIST = f"""
    SELECT g.account_id, NULL::uuid AS booking_id, b.due_at, b.useless_at, jsonb_build_object(
        'day', to_char(b.due_at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD'),
        'visits', count(*) FILTER (WHERE expected)::text,
        'waiting', count(*) FILTER (WHERE NOT expected)::text,
        'list', coalesce(string_agg(
            to_char(b.starts_at AT TIME ZONE 'Asia/Shanghai', 'HH24:MI') || ' ' || s.name || ' '
            || o.name || ' ' || b.people_expected, '；' ORDER BY b.starts_at, s.name)
            FILTER (WHERE expected), '')) AS facts
    FROM (
        SELECT b.*, TRUE AS expected, d.morning AS due_at, d.old_at AS useless_at
        FROM {_DAYS} JOIN booking b ON b.starts_at >= d.begins_at AND b.starts_at < d.ends_at
        WHERE b.district_id IN ({_DISTRICTS})
        AND b.status IN ('approved', 'arrived', 'completed', 'no_show')
        UNION ALL
        SELECT b.*, FALSE, d.morning, d.old_at
        FROM {_DAYS} JOIN booking b ON b.status = 'pending'
    ) b JOIN site s ON s.id = b.site_id JOIN organisation o ON o.id = b.organisation_id
    JOIN role_grant g ON {_MANAGERS} AND {_IN_FORCE.format("b")}
    WHERE {_FALLS_DUE} AND b.due_at >= (
        SELECT e.at FROM booking_event e WHERE e.booking_id = b.id AND e.version = 1)
    GROUP BY g.account_id, b.due_at, b.useless_at"""

RULES = (
    _before_visit("visit-in-days", "d.days_before", "d.evening_before"),
    _before_visit("visit-tomorrow", "d.evening_before", "b.starts_at - interval '2 hours'"),
    _before_visit("visit-soon", "b.starts_at - interval '2 hours'", "b.starts_at"),
    Rule("visits-today", _MORNING_LIST),
    Rule(
        "answer-due",
        _of_bookings(
            """
        SELECT b.*, b.respond_by - interval '4 hours' AS due_at, b.respond_by AS useless_at
        FROM booking b WHERE b.status = 'pending'
        AND b.respond_by > :missed_since AND b.respond_by <= :soon + interval '4 hours'""",
            f"""{_MANAGERS} OR b.escalated_at IS NOT NULL AND g.organisation_id = s.town_id
        AND g.role IN ('town_staff', 'district_staff')""",
            unless="""b.due_at < (SELECT max(e.at) FROM booking_event e
        WHERE e.booking_id = b.id AND e.to_status = 'pending')""",
        ),
    ),
    Rule(
        "review-due",
        _of_bookings(
            f"""
        SELECT b.*, v.completed_at + interval '3 days' AS due_at,
            v.completed_at + interval '10 days' AS useless_at
        FROM booking b JOIN visit v ON v.booking_id = b.id
        WHERE b.district_id IN ({_DISTRICTS}) AND b.status = 'completed'
        AND b.starts_at > :now - interval '20 days' AND b.starts_at < :now - interval '2 days'
        AND NOT EXISTS (SELECT FROM review r WHERE r.booking_id = b.id)""",
            _ORGANISERS,
        ),
    ),
    _weekly(
        "claims-unsubmitted",
        f"""c.status IN ('draft', 'returned') AND (c.month + interval '1 month {SUBMIT_DAYS} days')
        <= w.due_at AT TIME ZONE 'Asia/Shanghai'""",
        "g.site_id = c.site_id AND g.role = 'site_manager'",
    ),
    _weekly(
        "claims-unreviewed",
        "c.status = 'submitted'",
        "g.organisation_id = f.organisation_id AND g.role = 'fund_officer'",
    ),
    Rule(
        "suspension-ended",
        f"""
    SELECT g.account_id, NULL::uuid AS booking_id, p.due_at, p.useless_at,
        jsonb_build_object('branch', o.name) AS facts
    FROM (SELECT organisation_id, ends_at AS due_at, ends_at + interval '7 days' AS useless_at
        FROM suspension WHERE lifted_at IS NULL AND ends_at > :now - interval '9 days') p
    JOIN organisation o ON o.id = p.organisation_id
    JOIN role_grant g ON g.organisation_id = o.id AND g.role = 'organiser'
        AND {_IN_FORCE.format("p")}
    WHERE {_FALLS_DUE}""",
    ),
    Rule(
        "holidays-missing",
        f"""
    SELECT DISTINCT g.account_id, NULL::uuid AS booking_id, w.due_at, w.useless_at,
        jsonb_build_object('year', w.year::text) AS facts
    FROM unnest(CAST(:unlisted AS int[]), CAST(:unlisted_weeks AS timestamptz[]),
        CAST(:unlisted_next_weeks AS timestamptz[])) AS w (year, due_at, useless_at)
    JOIN organisation o ON o.kind = 'district'
    JOIN role_grant g ON g.organisation_id = o.id AND g.role = 'district_staff'
        AND {_IN_FORCE.format("w")}
    WHERE {_FALLS_DUE}""",
    ),
)
"""All of them; `due_at` and the reader make a row unique, so no rule owes a thing twice."""

_OWE = """
    INSERT INTO notification (id, account_id, kind, booking_id, facts, due_at, useless_at)
    SELECT uuid7(), account_id, :kind, booking_id, facts, due_at, useless_at FROM ({}) owed
    ON CONFLICT ON CONSTRAINT notification_once DO NOTHING"""
_STATEMENTS = {
    rule.kind: (statement, tuple(statement.compile().params))
    for rule in RULES
    for statement in [text(_OWE.format(rule.owed))]
}
_WITHDRAW = text(f"""
    DELETE FROM notification n USING booking b
    WHERE n.booking_id = b.id AND n.delivered_at IS NULL AND n.due_at > :now
    AND (n.kind IN ('visit-in-days', 'visit-tomorrow', 'visit-soon')
        AND (b.status <> 'approved' OR n.facts->>'starts_at' <> {_ISO.format("b.starts_at")})
        OR n.kind = 'answer-due' AND b.status <> 'pending')""")


def remind(session: Session, now: datetime) -> int:
    """Write the reminders that fall due about `now`, take back the idle; a job.

    Returns:
        How many rows were written or taken back.
    """
    facts = _facts(calendar.load(session), now)
    connection = session.connection()
    touched = connection.execute(_WITHDRAW, {"now": now}).rowcount
    for kind, (wanted, names) in _STATEMENTS.items():
        given = {name: facts[name] for name in names if name != "kind"}
        touched += connection.execute(wanted, {**given, "kind": kind}).rowcount
    return int(touched)


def _facts(days: Calendar, now: datetime) -> Mapping[str, Any]:
    """Return the parameters of the rules: the window, and the days and weeks about it."""
    today = local_date(now)
    near = [today + DAY * n for n in range(-MISSED_FOR.days - 1, FAR_DAYS + 1)]
    monday = today - DAY * today.weekday()
    weeks = [first for n in (-1, 0) if (first := _first_working_day(days, monday + DAY * 7 * n))]
    unlisted = [
        day
        for day in weeks
        if (day.month, day.day) >= HOLIDAYS_FROM and days.provisional(date(day.year + 1, 1, 1))
    ]
    return {
        "now": now,
        "soon": now + AHEAD,
        "missed_since": now - MISSED_FOR,
        "begins": _each(near, midnight),
        "ends": _each(near, lambda day: midnight(day + DAY)),
        "days_before": _each(near, lambda day: _at(days.add(day, -3), OFFICES_OPEN)),
        "evening_before": _each(near, lambda day: _at(day - DAY, EVENING)),
        "mornings": _each(near, lambda day: _at(day, MORNING)),
        "list_is_old": _each(near, lambda day: _at(day, EVENING)),
        "weeks": _each(weeks, lambda day: _at(day, OFFICES_OPEN)),
        "next_weeks": _each(weeks, _next_week),
        "unlisted": [day.year + 1 for day in unlisted],
        "unlisted_weeks": _each(unlisted, lambda day: _at(day, OFFICES_OPEN)),
        "unlisted_next_weeks": _each(unlisted, _next_week),
    }


def _each(days: list[date], when: Callable[[date], datetime]) -> list[datetime]:
    return [when(day) for day in days]


def _at(day: date, wall: time) -> datetime:
    return datetime.combine(day, wall, ZONE)


def _next_week(day: date) -> datetime:
    return midnight(day + DAY * (7 - day.weekday()))


def _first_working_day(days: Calendar, monday: date) -> date | None:
    """Return the first working day of a week; None where all of it is a holiday."""
    week = (monday + DAY * n for n in range(7))
    return next((day for day in week if days.is_working(day)), None)
