"""Sessions, made ahead from the weekly rules and kept as rules, halls and closures say."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from app.errors import NotFound
from app.services import policies
from app.services.calendar import DAY, ZONE, local_date

AT_ONCE = 200
"""Sites made ahead in one transaction."""
VENUE_SHUT = "场地已停用"
"""Why what was booked in a hall takes no more bookings once the hall is not active."""

# On a public holiday a rule that stands aside `as_sunday` calls in its venue's Sunday rules.
_PLAN = """
    SELECT v.site_id, v.id AS venue_id, r.id AS rule_id, p.starts_at, p.ends_at,
        v.people_limit, v.groups_limit
    FROM (
        SELECT g::date AS day, extract(isodow FROM g) AS weekday, coalesce(h.is_off, FALSE) AS off
        FROM generate_series(CAST(:since AS timestamp), CAST(:until AS timestamp), '1 day') g
        LEFT JOIN holiday h ON h.day = g::date
    ) d
    JOIN opening_rule r ON d.day >= r.valid_from AND (r.valid_to IS NULL OR d.day < r.valid_to)
    JOIN venue v ON v.id = r.venue_id AND v.active
    JOIN site s ON s.id = v.site_id AND s.status = 'published' AND s.id = ANY(:sites)
    CROSS JOIN LATERAL (
        SELECT (d.day + r.starts) AT TIME ZONE :zone AS starts_at,
            (d.day + r.ends) AT TIME ZONE :zone AS ends_at
    ) p
    WHERE CASE
            WHEN NOT d.off THEN r.weekday = d.weekday
            WHEN r.weekday = d.weekday AND r.on_holiday = 'open' THEN TRUE
            WHEN r.weekday = 7 THEN EXISTS (
                SELECT FROM opening_rule w
                WHERE w.venue_id = r.venue_id AND w.weekday = d.weekday
                    AND w.on_holiday = 'as_sunday' AND (d.weekday < 7 OR w.id = r.id)
                    AND d.day >= w.valid_from AND (w.valid_to IS NULL OR d.day < w.valid_to)
            )
            ELSE FALSE
        END
        AND NOT EXISTS (
            SELECT FROM closure c
            WHERE c.site_id = v.site_id AND (c.venue_id IS NULL OR c.venue_id = v.id)
                AND c.starts_at < p.ends_at AND c.ends_at > p.starts_at
        )"""
_EVERYWHERE = _PLAN.replace(" AND s.id = ANY(:sites)", "")


def _make(plan: str) -> str:
    # Everybody inserts in the same order, so that two makers wait for one another, never in a ring.
    # What is there already is not tried, for that would wait for whoever is booking it.
    return f"""
        INSERT INTO venue_session
            (id, site_id, venue_id, rule_id, starts_at, ends_at, people_limit, groups_limit)
        SELECT uuid7(), p.* FROM ({plan}) p
        WHERE NOT EXISTS (
            SELECT FROM venue_session x
            WHERE (x.site_id, x.venue_id, x.starts_at, x.ends_at)
                = (p.site_id, p.venue_id, p.starts_at, p.ends_at)
        )
        ORDER BY p.venue_id, p.starts_at
        ON CONFLICT DO NOTHING
    """  # noqa: S608  # `plan` is one of the two constants above


def _reach(where: str) -> str:
    return f"""
        INSERT INTO made_ahead AS m (site_id, until)
        SELECT s.id, CASE WHEN CAST(:since AS date) <= :today THEN CAST(:until AS date)
            ELSE CAST(:today AS date) - 1 END
        FROM site s WHERE s.status = 'published' AND {where}
        ORDER BY s.id
        ON CONFLICT (site_id) DO UPDATE SET until = CASE
            WHEN CAST(:since AS date) <= :today OR m.until >= CAST(:since AS date) - 1
            THEN greatest(m.until, CAST(:until AS date)) ELSE m.until END
    """  # noqa: S608  # `where` is a constant of this module


_SURPLUS = text(f"""
    WITH plan AS MATERIALIZED ({_PLAN})
    SELECT v.id FROM venue_session v
    WHERE v.site_id = ANY(:sites) AND v.rule_id IS NOT NULL AND v.starts_at > :now
        AND NOT EXISTS (SELECT FROM booking_session b WHERE b.session_id = v.id)
        AND NOT EXISTS (SELECT FROM waitlist_entry w WHERE w.session_id = v.id)
        AND NOT EXISTS (
            SELECT FROM plan p
            WHERE (p.venue_id, p.rule_id, p.starts_at, p.ends_at)
                = (v.venue_id, v.rule_id, v.starts_at, v.ends_at)
        )
    ORDER BY v.id FOR UPDATE OF v
""")  # noqa: S608  # made of constants
_DROP = text("""
    DELETE FROM venue_session v
    WHERE v.id = ANY(:ids)
        AND NOT EXISTS (SELECT FROM booking_session b WHERE b.session_id = v.id)
        AND NOT EXISTS (SELECT FROM waitlist_entry w WHERE w.session_id = v.id)
""")
_MARK = text("""
    WITH shut AS (
        SELECT v.id, CASE WHEN n.active THEN (
            SELECT c.reason FROM closure c
            WHERE c.site_id = v.site_id AND (c.venue_id IS NULL OR c.venue_id = v.venue_id)
                AND c.starts_at < v.ends_at AND c.ends_at > v.starts_at
            ORDER BY c.starts_at, c.id LIMIT 1
        ) ELSE :shut END AS reason
        FROM venue_session v JOIN venue n ON n.id = v.venue_id
        WHERE v.site_id = :site AND v.starts_at > :now
    ), marked AS (
        SELECT v.id, shut.reason FROM venue_session v JOIN shut ON shut.id = v.id
        WHERE v.closed_reason IS DISTINCT FROM shut.reason
        ORDER BY v.id FOR NO KEY UPDATE OF v
    )
    UPDATE venue_session v SET closed_reason = m.reason FROM marked m WHERE m.id = v.id
""")
_HOLD = text("""
    INSERT INTO made_ahead AS m (site_id, until) VALUES (:site, CAST(:today AS date) - 1)
    ON CONFLICT (site_id) DO UPDATE SET until = CASE
        WHEN EXISTS (SELECT FROM site s WHERE s.id = m.site_id AND s.status = 'published')
        THEN m.until ELSE excluded.until END
    RETURNING until
""")
_UNTIL = text("SELECT until FROM made_ahead WHERE site_id = :site")
_BEHIND = text("""
    SELECT s.id, m.until FROM site s LEFT JOIN made_ahead m ON m.site_id = s.id
    WHERE s.status = 'published' AND (m.until IS NULL OR m.until < :until)
    ORDER BY s.id LIMIT :most
""")


class SessionNotFound(NotFound):
    """There is no such session."""

    zh = "未找到该场次"


def make_ahead(
    session: Session, *, now: datetime, days: int = 60, since: date | None = None
) -> int:
    """Make the sessions that the weekly rules of published sites promise, and return how many.

    What exists already stays as it is, so this may run twice, and in several processes at once.
    Make-up workdays follow the rules of their weekday.

    Args:
        session: open transaction.
        now: the present instant, aware.
        days: how far ahead of today, the last day included.
        since: first date, today if absent.
    """
    today = local_date(now)
    period = {"since": since or today, "until": today + days * DAY}
    run = session.connection().execute
    run(text(_reach("TRUE")), period | {"today": today})
    made: int = run(text(_make(_EVERYWHERE)), period | {"zone": ZONE.key}).rowcount
    return made


def keep_ahead(session: Session, *, site_id: UUID, until: date, now: datetime) -> None:
    """See to it that a published site has its sessions up to `until`; mostly it does.

    Whoever asks first makes them, so that nothing depends on the scheduler.

    Args:
        session: open transaction.
        site_id: the site.
        until: last date that is asked for.
        now: the present instant, aware.
    """
    made: date | None = session.connection().execute(_UNTIL, {"site": site_id}).scalar()
    if made is None or made < until:
        _extend(session, [site_id], made, until, now)


def catch_up(session: Session, *, now: datetime) -> int:
    """Make the sessions of some sites that lack them, and return how many sites.

    There should be sessions as far ahead as anybody anywhere may order.

    Args:
        session: open transaction.
        now: the present instant, aware.
    """
    until = local_date(now) + policies.longest_horizon(session, now=now) * DAY
    behind = session.connection().execute(_BEHIND, {"until": until, "most": AT_ONCE}).all()
    if behind:
        made = [row.until for row in behind]
        first = None if None in made else min(made)
        _extend(session, [row.id for row in behind], first, until, now)
    return len(behind)


def _extend(
    session: Session, site_ids: list[UUID], made: date | None, until: date, now: datetime
) -> None:
    today = local_date(now)
    since = today if made is None else max(today, made + DAY)
    period = {"since": since, "until": until, "sites": site_ids}
    run = session.connection().execute
    run(text(_reach("s.id = ANY(:sites)")), period | {"today": today})
    run(text(_make(_PLAN)), period | {"zone": ZONE.key})


def remake(session: Session, *, site_id: UUID, now: datetime) -> None:
    """Let the sessions to come be what rules, halls and closures of a site now say.

    Those that somebody ever booked or waited for stay as they are, and so do those made one by one;
    what shuts them is written on them. Others go if no rule gives them, and missing ones are made.
    """
    until, today = hold(session, site_id=site_id, now=now), local_date(now)
    period = {"since": today, "until": until, "zone": ZONE.key, "sites": [site_id]}
    run = session.connection().execute
    # Whoever is booking one of them now is waited for, and then seen.
    surplus = run(_SURPLUS, period | {"now": now}).scalars().all()
    drop_unbooked(session, surplus)
    run(_MARK, {"site": site_id, "now": now, "shut": VENUE_SHUT})
    run(text(_make(_PLAN)), period)
    session.expire_all()


def drop_unbooked(session: Session, ids: Sequence[UUID]) -> int:
    """Take away those of some locked sessions that nobody booked or waits for; return how many."""
    dropped: int = session.connection().execute(_DROP, {"ids": list(ids)}).rowcount
    return dropped


def hold(session: Session, *, site_id: UUID, now: datetime) -> date:
    """Keep all others from making sessions of a site until the transaction ends.

    Return the last date they are made for; one that has passed where the site is not published.
    """
    asked = {"site": site_id, "today": local_date(now)}
    until: date = session.connection().execute(_HOLD, asked).scalar_one()
    return until
