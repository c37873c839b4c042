"""What is written when a message falls due: a letter, or why there is none.

Letters wait for the end of the quiet hours, and those for who answers many orders for one another.
"""

# ruff: noqa: S608 - the rules of our own, nothing anybody sent

from collections.abc import Collection, Mapping
from datetime import datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlmodel import Session

from app.models import Way
from app.services.truths import ABOUT, Why

ZONE = ZoneInfo("Asia/Shanghai")
QUIET_FROM, QUIET_UNTIL = time(22), time(7)
"""On the district's clock; nobody is woken by anything but their own inbox."""
GATHERED_FOR = timedelta(minutes=15)
"""How long messages for who answers many orders wait for others to go out with."""
URGENT = (
    "booking-escalated",
    "booking-cancelled",
    "site-closed",
    "waitlist-offered",
    "answer-due",
    "visits-today",
)
"""Kinds that wait for no others."""


def awake(instant: datetime) -> datetime:
    """Return the first instant, from `instant` on, outside of the quiet hours."""
    local = instant.astimezone(ZONE)
    if QUIET_UNTIL <= local.time() < QUIET_FROM:
        return instant
    day = local.date() + timedelta(days=local.time() >= QUIET_FROM)
    return datetime.combine(day, QUIET_UNTIL, ZONE).astimezone(instant.tzinfo)


_NEXT_WAY = """
    SELECT channel FROM (
        SELECT c.channel, c.place FROM channel_choice c
        WHERE c.account_id = n.account_id AND c.enabled
        UNION ALL
        SELECT 'wechat', 0 FROM identity i
        WHERE i.account_id = n.account_id AND i.provider = 'wechat'
        AND i.subject_sealed IS NOT NULL
        AND NOT EXISTS (SELECT FROM channel_choice c WHERE c.account_id = n.account_id)
    ) chosen
    WHERE channel = ANY(CAST(:ways AS text[])) AND NOT EXISTS (
        SELECT FROM delivery d WHERE d.notification_id = n.id AND d.channel = chosen.channel)
    ORDER BY place LIMIT 1"""
"""The first way of a person that a message has not been sent by; who chose none has WeChat."""

_DISTRICT = """coalesce(b.district_id,
        (SELECT s.district_id FROM site s WHERE s.id = w.site_id),
        (SELECT o.district_id FROM account a JOIN organisation o ON o.id = a.organisation_id
            WHERE a.id = n.account_id))"""

_WRITE = text(f"""
    WITH fresh AS MATERIALIZED (
        SELECT uuid7() AS id, n.id AS notification_id, n.account_id, way.channel, n.due_at,
            n.useless_at, {_DISTRICT} AS district_id,
            n.kind <> ALL(CAST(:urgent AS text[])) AND EXISTS (
                SELECT FROM role_grant g WHERE g.account_id = n.account_id
                AND g.role IN ('site_manager', 'town_staff', 'district_staff')
                AND (g.ends_at IS NULL OR g.ends_at > :now)) AS gathered
        FROM notification n {ABOUT}
        CROSS JOIN LATERAL ({_NEXT_WAY}) way
        WHERE n.id = ANY(CAST(:ids AS uuid[]))
    ), waiting AS MATERIALIZED (
        SELECT d.id, d.account_id, d.channel, d.next_attempt_at FROM delivery d
        WHERE d.status = 'waiting' AND d.gathered AND d.letter_id = d.id AND d.fence = 0
        AND d.next_attempt_at > :now
        AND d.account_id = ANY(ARRAY(SELECT account_id FROM fresh WHERE gathered))
        FOR UPDATE SKIP LOCKED
    ), leads AS (
        SELECT DISTINCT ON (account_id, channel) * FROM waiting ORDER BY account_id, channel, id
    ), planned AS (
        SELECT f.*, CASE WHEN f.gathered THEN coalesce(l.id, first_value(f.id) OVER (
                PARTITION BY f.account_id, f.channel, f.gathered ORDER BY f.due_at, f.id))
            ELSE f.id END AS letter_id,
            CASE WHEN f.gathered THEN coalesce(l.next_attempt_at, CAST(:later AS timestamptz))
            ELSE CAST(:soon AS timestamptz) END AS at
        FROM fresh f LEFT JOIN leads l
        ON f.gathered AND (l.account_id, l.channel) = (f.account_id, f.channel)
    ), judged AS (
        SELECT *, useless_at <= at AS asleep FROM planned
    )
    INSERT INTO delivery (id, notification_id, account_id, district_id, channel, letter_id,
        gathered, status, reason, due_at, next_attempt_at, attempts, fence, settled_at)
    SELECT id, notification_id, account_id, district_id, channel,
        CASE WHEN asleep THEN id ELSE letter_id END, gathered,
        CASE WHEN asleep THEN 'missed' ELSE 'waiting' END,
        CASE WHEN asleep THEN '{Why.QUIET_HOURS}' END, due_at, at, 0, 0,
        CASE WHEN asleep THEN CAST(:now AS timestamptz) END
    FROM judged
    ON CONFLICT (notification_id, channel) DO NOTHING
    RETURNING notification_id""")


def write(
    session: Session, *, notification_ids: Collection[UUID], ways: Collection[str], now: datetime
) -> set[UUID]:
    """Write a letter for each message, by its reader's next way; return for which there is one.

    Args:
        session: open transaction.
        notification_ids: messages in the inbox.
        ways: that there is a channel for.
        now: the present instant, aware.
    """
    if not notification_ids or not ways:
        return set()
    given = {
        "ids": list(notification_ids),
        "ways": [str(way) for way in ways],
        "urgent": list(URGENT),
        "now": now,
        "soon": awake(now),
        "later": awake(now + GATHERED_FOR),
    }
    return set(session.connection().execute(_WRITE, given).scalars())


_MISS = text(f"""
    INSERT INTO delivery (id, notification_id, account_id, district_id, channel, letter_id,
        gathered, status, reason, due_at, next_attempt_at, attempts, fence, settled_at)
    SELECT own.id, n.id, n.account_id, {_DISTRICT}, '{Way.INBOX}', own.id, FALSE, 'missed',
        own.why, n.due_at, n.due_at, 0, 0, :now
    FROM (SELECT uuid7() AS id, said.id AS notification_id, said.why
        FROM unnest(CAST(:ids AS uuid[]), CAST(:whys AS text[])) AS said(id, why)) own
    JOIN notification n ON n.id = own.notification_id {ABOUT}
    ON CONFLICT (notification_id, channel) DO NOTHING""")


def miss(session: Session, *, whys: Mapping[UUID, str], now: datetime) -> None:
    """Write down why messages were not even put into the inbox."""
    if whys:
        given = {"ids": list(whys), "whys": list(whys.values()), "now": now}
        session.connection().execute(_MISS, given)
