"""Many bookings that took place."""

from datetime import datetime, timedelta
from uuid import UUID

import psycopg

_APART = timedelta(seconds=30)
_MADE = """
    CREATE TEMP TABLE made ON COMMIT DROP AS
    WITH hall AS (
        SELECT row_number() OVER (ORDER BY v.id) - 1 AS k, v.id AS venue_id, s.id AS site_id,
            s.district_id, (SELECT min(id::text)::uuid FROM programme WHERE site_id = s.id) AS item
        FROM venue v JOIN site s ON s.id = v.site_id WHERE s.district_id = %(district_id)s
    ), branch AS (
        SELECT row_number() OVER (ORDER BY id) - 1 AS k, id AS organisation_id FROM organisation
        WHERE district_id = %(district_id)s AND kind = 'branch'
    )
    SELECT uuid7() AS id, n, h.*, b.organisation_id, a.id AS account_id, p.id AS policy_id,
        %(since)s + n * %(apart)s AS starts_at
    FROM generate_series(0, %(rows)s - 1) n
    JOIN hall h ON h.k = n %% (SELECT count(*) FROM hall)
    JOIN branch b ON b.k = n %% (SELECT count(*) FROM branch)
    CROSS JOIN (SELECT id FROM account ORDER BY id LIMIT 1) a
    CROSS JOIN (SELECT id FROM policy WHERE district_id = %(district_id)s LIMIT 1) p
"""
_ROWS = (
    """
    INSERT INTO booking (id, created_at, district_id, site_id, venue_id, organisation_id,
        policy_id, open_number, made_by, status, starts_at, ends_at, people_expected, purpose,
        contact_name, free_cancel_until, late_cancelled, version)
    SELECT id, starts_at - interval '9 days', district_id, site_id, venue_id, organisation_id,
        policy_id, 1, account_id, 'completed', starts_at, starts_at + interval '90 minutes',
        10 + n %% 50, 'visit', '王组织', starts_at - interval '2 days', false, 4
    FROM made ORDER BY n""",
    "INSERT INTO booking_programme (booking_id, programme_id) SELECT id, item FROM made",
    """
    INSERT INTO booking_event (id, booking_id, version, at, from_status, to_status, actor_id)
    SELECT uuid7(), id, 2, starts_at - interval '8 days', 'pending', 'approved', account_id
    FROM made""",
    """
    INSERT INTO visit (booking_id, arrived_at, people_attended, means, confirmed_by)
    SELECT id, starts_at, 10 + n %% 50, 'manager', account_id FROM made""",
)


def fill(
    url: str, *, district_id: UUID, rows: int, since: datetime, apart: timedelta = _APART
) -> None:
    """Write completed bookings into a district, one after another from `since` on.

    Triggers and foreign keys rest meanwhile; checks do not. It has halls with a menu, branches and
    a policy already.

    Args:
        url: the database's, as libpq reads it; by who owns it.
        district_id: which.
        rows: bookings.
        since: when the first one starts, aware.
        apart: from the start of one to that of the next.
    """
    facts = {"district_id": district_id, "rows": rows, "since": since, "apart": apart}
    with psycopg.connect(url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(_MADE, facts)
        for statement in _ROWS:
            connection.execute(statement, {})
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE booking, booking_programme, booking_event, visit")
