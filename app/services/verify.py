"""The invariants, asked of a live database: each query finds the rows that break one."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlmodel import Session

from app.models import HOLDING
from app.services import facts, reconciliation, site_cards, site_words

PATIENCE = timedelta(minutes=15)
"""How long a message that is due may wait before it counts as lost."""
CLAIMED_WITHIN = timedelta(days=65)
"""When a visit is in a claim for sure, or again in one that it was taken out of: drafts are made in
the month after, or the next."""

CHECKS: dict[str, str] = {
    "two sessions of a venue overlap": """
        SELECT a.id || ' and ' || b.id FROM venue_session a JOIN venue_session b
        ON a.venue_id = b.venue_id AND a.id < b.id
        AND tstzrange(a.starts_at, a.ends_at) && tstzrange(b.starts_at, b.ends_at)""",
    "a session holds more than it has": """
        SELECT id FROM venue_session
        WHERE people_held NOT BETWEEN 0 AND people_limit
        OR groups_held NOT BETWEEN 0 AND groups_limit""",
    "a session does not hold what its bookings and offers say": """
        SELECT s.id FROM venue_session s LEFT JOIN (
            SELECT session_id, sum(people_expected) AS people, count(*) AS groups FROM (
                SELECT session_id, people_expected
                FROM booking_session JOIN booking ON booking.id = booking_id
                WHERE status = ANY(:holding)
                UNION ALL
                SELECT session_id, people_expected FROM waitlist_entry WHERE status = 'offered'
            ) holders GROUP BY session_id) h ON h.session_id = s.id
        WHERE (s.people_held, s.groups_held) <> (coalesce(h.people, 0), coalesce(h.groups, 0))""",
    "a booking's sessions are not its time": """
        SELECT b.id FROM booking b LEFT JOIN (
            SELECT booking_id, min(s.starts_at) AS starts_at, max(s.ends_at) AS ends_at,
                   sum(s.ends_at - s.starts_at) AS lasting, count(DISTINCT s.venue_id) AS venues
            FROM booking_session JOIN venue_session s ON s.id = session_id
            GROUP BY booking_id) t ON t.booking_id = b.id
        WHERE (t.starts_at, t.ends_at, t.lasting, t.venues)
            IS DISTINCT FROM (b.starts_at, b.ends_at, b.ends_at - b.starts_at, 1)""",
    "a guided booking has no guide for its time, or another has one": """
        SELECT b.id FROM booking b LEFT JOIN guide_duty d ON d.booking_id = b.id
        LEFT JOIN guide g ON g.id = d.guide_id
        WHERE (d.booking_id IS NOT NULL) <> (b.status = ANY(:holding) AND EXISTS (
            SELECT FROM booking_programme o JOIN programme p ON p.id = o.programme_id
            WHERE o.booking_id = b.id AND p.needs_guide))
        OR (d.starts_at, d.ends_at, g.site_id) <> (b.starts_at, b.ends_at, b.site_id)""",
    "a booking's events are not a path to its status": """
        SELECT b.id FROM booking b LEFT JOIN (
            SELECT booking_id, count(*) AS steps, max(version) AS last,
                   bool_and(from_status IS NOT DISTINCT FROM before) AS joined,
                   (array_agg(to_status ORDER BY version DESC))[1] AS status
            FROM (SELECT *, lag(to_status) OVER (PARTITION BY booking_id ORDER BY version) AS before
                  FROM booking_event) e GROUP BY booking_id) p ON p.booking_id = b.id
        WHERE (p.steps, p.last, p.joined, p.status)
            IS DISTINCT FROM (b.version, b.version, true, b.status)""",
    "an arrived or completed booking has no visit, or another has one": """
        SELECT b.id FROM booking b LEFT JOIN visit v ON v.booking_id = b.id
        WHERE (b.status IN ('arrived', 'completed')) <> (v.booking_id IS NOT NULL)
        OR (b.status = 'completed') <> (v.completed_at IS NOT NULL)""",
    "a subsidy does not fit its booking's status": """
        SELECT b.id FROM booking b JOIN subsidy s ON s.booking_id = b.id
        WHERE s.status <> 'unfunded' AND s.status <> CASE
            WHEN b.status IN ('approved', 'arrived') THEN 'reserved'
            WHEN b.status = 'completed' THEN 'committed' ELSE 'released' END""",
    "an answered booking has no subsidy row": """
        SELECT b.id FROM booking b LEFT JOIN subsidy s ON s.booking_id = b.id
        WHERE b.status IN ('approved', 'arrived', 'completed') AND s.booking_id IS NULL""",
    **reconciliation.CHECKS,
    "a site had more of a month than any rule of its visits gives": """
        SELECT b.site_id || ' ' || date_trunc('month', b.starts_at AT TIME ZONE 'Asia/Shanghai')
        FROM subsidy s JOIN booking b ON b.id = s.booking_id JOIN subsidy_rule r ON r.id = s.rule_id
        WHERE s.status <> 'released' AND coalesce(s.committed_fen, s.reserved_fen) > 0
        GROUP BY s.fund_id, b.site_id, date_trunc('month', b.starts_at AT TIME ZONE 'Asia/Shanghai')
        HAVING count(*) = count(r.site_month_cap_fen)
        AND sum(coalesce(s.committed_fen, s.reserved_fen)) > max(r.site_month_cap_fen)""",
    "a branch had more of a year than any rule of its visits gives": """
        SELECT b.organisation_id
        FROM subsidy s JOIN booking b ON b.id = s.booking_id JOIN subsidy_rule r ON r.id = s.rule_id
        WHERE s.status <> 'released' AND coalesce(s.committed_fen, s.reserved_fen) > 0
        GROUP BY s.fund_id, b.organisation_id
        HAVING count(*) = count(r.branch_year_cap_fen)
        AND sum(coalesce(s.committed_fen, s.reserved_fen)) > max(r.branch_year_cap_fen)""",
    "a visit of long ago is in no claim": """
        SELECT b.id FROM booking b JOIN subsidy s ON s.booking_id = b.id
        LEFT JOIN claim_line l ON l.booking_id = b.id
        WHERE s.committed_fen > 0 AND b.starts_at < :unclaimed AND l.booking_id IS NULL
        AND NOT EXISTS (SELECT FROM returned_line r
            WHERE r.booking_id = b.id AND r.returned_at >= :unclaimed)""",
    "a visit is in a claim that it was taken out of": """
        SELECT l.booking_id FROM claim_line l JOIN returned_line r USING (claim_id, booking_id)""",
    "an offer outlasted its time, or lasts into its session": """
        SELECT e.id FROM waitlist_entry e JOIN venue_session s ON s.id = e.session_id
        WHERE e.status = 'offered' AND (e.confirm_by < :late OR e.confirm_by > s.starts_at)""",
    "somebody waits for a session that began long ago": """
        SELECT e.id FROM waitlist_entry e JOIN venue_session s ON s.id = e.session_id
        WHERE e.status = 'waiting' AND s.starts_at < :late""",
    "somebody waits though there is room": """
        SELECT e.id FROM waitlist_entry e JOIN venue_session s ON s.id = e.session_id
        JOIN site p ON p.id = e.site_id JOIN organisation o ON o.id = e.organisation_id
        WHERE e.status = 'waiting' AND s.starts_at > :now AND s.closed_reason IS NULL
        AND s.people_held + e.people_expected <= s.people_limit AND s.groups_held < s.groups_limit
        AND p.status = 'published' AND o.active AND NOT EXISTS (
            SELECT FROM suspension x WHERE x.organisation_id = e.organisation_id
            AND coalesce(x.lifted_at, x.ends_at) > :late)
        AND NOT EXISTS (
            SELECT FROM waitlist_programme w JOIN programme i ON i.id = w.programme_id
            WHERE w.entry_id = e.id AND i.needs_guide)""",
    "a confirmed offer is not the booking it became": """
        SELECT e.id FROM waitlist_entry e JOIN booking b ON b.id = e.booking_id
        WHERE (b.organisation_id, b.site_id, b.created_at >= e.created_at)
            IS DISTINCT FROM (e.organisation_id, e.site_id, TRUE)""",
    "a route or series has no booking, or one of another branch": """
        SELECT g.id FROM booking_group g LEFT JOIN booking b ON b.group_id = g.id
        WHERE b.organisation_id IS DISTINCT FROM g.organisation_id""",
    "a site is found by words that are not its own": site_words.OUTDATED,
    "an organisation does not hang where its parent is": """
        SELECT o.id FROM organisation o LEFT JOIN organisation p ON p.id = o.parent_id
        WHERE o.path IS DISTINCT FROM
            (coalesce(p.path::text || '.', '') || replace(o.id::text, '-', ''))::ltree
        OR (p.id IS NOT NULL AND o.district_id <> p.district_id)""",
    "the audit log was changed": """
        SELECT e.district_id || ' ' || e.number FROM (
            SELECT *, lag(hash) OVER (PARTITION BY district_id ORDER BY number) AS previous
            FROM audit_event) e
        LEFT JOIN audit_chain c USING (district_id)
        WHERE e.hash IS DISTINCT FROM audit_digest(
            coalesce(e.previous, c.forgotten_hash),
            audit_facts(e.district_id, e.number, e.at, e.actor_id, e.actor_role, e.request_id,
                e.address, e.login, e.action, e.noun, e.row_id, e.before, e.after))""",
    "the audit log has a gap": """
        SELECT c.district_id || ' ' || c.last_number FROM audit_chain c LEFT JOIN (
            SELECT district_id, count(*) AS events, min(number) AS first, max(number) AS last,
                   (array_agg(hash ORDER BY number DESC))[1] AS head
            FROM audit_event GROUP BY district_id) e USING (district_id)
        WHERE (coalesce(e.first, c.forgotten + 1), coalesce(e.last, c.forgotten),
               coalesce(e.events, 0), coalesce(e.head, c.forgotten_hash))
            IS DISTINCT FROM
            (c.forgotten + 1, c.last_number, c.last_number - c.forgotten, c.last_hash)""",
    "a site's card is believed and wrong": site_cards.WRONG,
    **facts.CHECKS,
    "a message that is due was neither delivered nor missed": """
        SELECT id FROM notification
        WHERE delivered_at IS NULL AND missed_at IS NULL AND due_at < :late""",
    "a missed message does not say why": """
        SELECT id FROM notification n WHERE missed_at IS NOT NULL AND NOT EXISTS (
            SELECT FROM delivery d WHERE d.notification_id = n.id
            AND d.channel = 'inbox' AND d.status = 'missed')""",
    "a letter is owed and nobody sends it": """
        SELECT d.id FROM delivery d JOIN delivery l ON l.id = d.letter_id
        WHERE d.status IN ('waiting', 'leased') AND (
            d.next_attempt_at < :late OR l.status NOT IN ('waiting', 'leased'))""",
    "a message was written twice for one way": """
        SELECT notification_id || ' ' || channel FROM delivery
        GROUP BY notification_id, channel HAVING count(*) > 1""",
    "a letter was passed on to no other way": """
        SELECT d.id FROM delivery d WHERE d.status = 'passed_on' AND NOT EXISTS (
            SELECT FROM delivery o WHERE o.notification_id = d.notification_id
            AND o.id <> d.id AND o.created_at >= d.created_at)""",
}


def violations(session: Session, *, now: datetime) -> Iterator[str]:
    """Yield a line for each row that breaks an invariant; nothing when all is well.

    Args:
        session: open transaction; nothing is changed.
        now: the present instant, aware; what has been due for `PATIENCE` counts as late.
    """
    known = {
        "late": now - PATIENCE,
        "unclaimed": now - CLAIMED_WITHIN,
        "holding": list(HOLDING),
        "now": now,
        "fund_id": None,  # of all funds
    }
    for name, sql in CHECKS.items():
        wanted = text(sql)
        given = {key: known[key] for key in wanted.compile().params}
        for (row,) in session.connection().execute(wanted, given):
            yield f"{name}: {row}"
