"""statistics: what each booking counts for, sums of it, and marks of what changed"""

import sqlalchemy as sa
from alembic import op

revision = "c3e8b1d7f5a4"
down_revision = "b8d2f6a0c4e7"

LIVE = """\
CREATE FUNCTION usage_live() RETURNS SETOF usage_fact LANGUAGE sql STABLE AS $$
SELECT 1::bigint, (b.status = 'pending')::integer::bigint,
    (b.status = 'approved')::integer::bigint, (b.status = 'rejected')::integer::bigint,
    (b.status = 'expired')::integer::bigint, (b.status = 'cancelled')::integer::bigint,
    (b.status = 'no_show')::integer::bigint, (b.status = 'arrived')::integer::bigint,
    (b.status = 'completed')::integer::bigint, b.late_cancelled::integer::bigint,
    (v.booking_id IS NOT NULL)::integer::bigint, coalesce(v.people_attended, 0)::bigint,
    coalesce((SELECT max(s.people_limit) FROM booking_session i
        JOIN venue_session s ON s.id = i.session_id WHERE i.booking_id = v.booking_id), 0)::bigint,
    (r.id IS NOT NULL)::integer::bigint,
    coalesce(r.content + r.reception + r.facilities, 0)::bigint,
    a.answers, a.answer_us, coalesce(c.committed_fen, 0),
    b.id, b.site_id, b.organisation_id,
    CASE WHEN o.kind = 'branch' THEN o.parent_id ELSE o.id END,
    (b.starts_at AT TIME ZONE 'Asia/Shanghai')::date
FROM booking b
JOIN organisation o ON o.id = b.organisation_id
LEFT JOIN visit v ON v.booking_id = b.id
LEFT JOIN review r ON r.booking_id = b.id
LEFT JOIN subsidy c ON c.booking_id = b.id
CROSS JOIN LATERAL (
    SELECT count(*) AS answers,
        coalesce(sum((extract(epoch FROM e.at - b.created_at) * 1000000)::bigint), 0)::bigint
            AS answer_us
    FROM booking_event e WHERE e.booking_id = b.id
    AND e.to_status IN ('approved', 'rejected') AND e.actor_id IS NOT NULL) a
$$"""

FOLD = """\
CREATE FUNCTION usage_fold(most integer) RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    folded bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('usage', 0));
    WITH taken AS (
        DELETE FROM usage_mark WHERE booking_id IN (
            SELECT m.booking_id FROM usage_mark m
            GROUP BY m.booking_id ORDER BY min(m.id) LIMIT most)
        RETURNING booking_id
    ), touched AS (
        SELECT DISTINCT booking_id FROM taken
    ), before AS (
        SELECT f.* FROM usage_fact f JOIN touched t ON t.booking_id = f.booking_id
    ), fresh AS (
        SELECT l.* FROM touched t
        CROSS JOIN LATERAL (SELECT * FROM usage_live() u WHERE u.booking_id = t.booking_id) l
    ), gone AS (
        DELETE FROM usage_fact f USING touched t WHERE f.booking_id = t.booking_id
        AND NOT EXISTS (SELECT FROM fresh n WHERE n.booking_id = t.booking_id)
    ), kept AS (
        INSERT INTO usage_fact (bookings, pending, approved, rejected, expired, cancelled, no_shows, arrived, completed, late_cancels, visits, people, places, reviews, stars, answers, answer_us, subsidy_fen, booking_id, site_id, organisation_id, home_id, day) SELECT bookings, pending, approved, rejected, expired, cancelled, no_shows, arrived, completed, late_cancels, visits, people, places, reviews, stars, answers, answer_us, subsidy_fen, booking_id, site_id, organisation_id, home_id, day FROM fresh
        ON CONFLICT (booking_id) DO UPDATE SET bookings = excluded.bookings, pending = excluded.pending, approved = excluded.approved, rejected = excluded.rejected, expired = excluded.expired, cancelled = excluded.cancelled, no_shows = excluded.no_shows, arrived = excluded.arrived, completed = excluded.completed, late_cancels = excluded.late_cancels, visits = excluded.visits, people = excluded.people, places = excluded.places, reviews = excluded.reviews, stars = excluded.stars, answers = excluded.answers, answer_us = excluded.answer_us, subsidy_fen = excluded.subsidy_fen, site_id = excluded.site_id, organisation_id = excluded.organisation_id, home_id = excluded.home_id, day = excluded.day
    ), moved AS (
        INSERT INTO usage_cell (site_id, grain, day, home_id, bookings, pending, approved, rejected, expired, cancelled, no_shows, arrived, completed, late_cancels, visits, people, places, reviews, stars, answers, answer_us, subsidy_fen)
        SELECT f.site_id, g.grain, date_trunc(g.grain, f.day::timestamp)::date, f.home_id, sum(f.sign * f.bookings)::bigint, sum(f.sign * f.pending)::bigint, sum(f.sign * f.approved)::bigint, sum(f.sign * f.rejected)::bigint, sum(f.sign * f.expired)::bigint, sum(f.sign * f.cancelled)::bigint, sum(f.sign * f.no_shows)::bigint, sum(f.sign * f.arrived)::bigint, sum(f.sign * f.completed)::bigint, sum(f.sign * f.late_cancels)::bigint, sum(f.sign * f.visits)::bigint, sum(f.sign * f.people)::bigint, sum(f.sign * f.places)::bigint, sum(f.sign * f.reviews)::bigint, sum(f.sign * f.stars)::bigint, sum(f.sign * f.answers)::bigint, sum(f.sign * f.answer_us)::bigint, sum(f.sign * f.subsidy_fen)::bigint
        FROM (SELECT 1 AS sign, n.* FROM fresh n UNION ALL SELECT -1, o.* FROM before o) f
        CROSS JOIN (VALUES ('day'), ('month')) g (grain)
        GROUP BY 1, 2, 3, 4
        ON CONFLICT (site_id, grain, day, home_id) DO UPDATE SET bookings = usage_cell.bookings + excluded.bookings, pending = usage_cell.pending + excluded.pending, approved = usage_cell.approved + excluded.approved, rejected = usage_cell.rejected + excluded.rejected, expired = usage_cell.expired + excluded.expired, cancelled = usage_cell.cancelled + excluded.cancelled, no_shows = usage_cell.no_shows + excluded.no_shows, arrived = usage_cell.arrived + excluded.arrived, completed = usage_cell.completed + excluded.completed, late_cancels = usage_cell.late_cancels + excluded.late_cancels, visits = usage_cell.visits + excluded.visits, people = usage_cell.people + excluded.people, places = usage_cell.places + excluded.places, reviews = usage_cell.reviews + excluded.reviews, stars = usage_cell.stars + excluded.stars, answers = usage_cell.answers + excluded.answers, answer_us = usage_cell.answer_us + excluded.answer_us, subsidy_fen = usage_cell.subsidy_fen + excluded.subsidy_fen
    )
    SELECT count(*) INTO folded FROM touched;
    RETURN folded;
END
$$"""

REBUILD = """\
CREATE FUNCTION usage_rebuild() RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    counted bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('usage', 0));
    DELETE FROM usage_cell;
    DELETE FROM usage_fact;
    WITH taken AS (
        DELETE FROM usage_mark
    )
    INSERT INTO usage_fact (bookings, pending, approved, rejected, expired, cancelled, no_shows, arrived, completed, late_cancels, visits, people, places, reviews, stars, answers, answer_us, subsidy_fen, booking_id, site_id, organisation_id, home_id, day) SELECT bookings, pending, approved, rejected, expired, cancelled, no_shows, arrived, completed, late_cancels, visits, people, places, reviews, stars, answers, answer_us, subsidy_fen, booking_id, site_id, organisation_id, home_id, day FROM usage_live();
    GET DIAGNOSTICS counted = ROW_COUNT;
    INSERT INTO usage_cell (site_id, grain, day, home_id, bookings, pending, approved, rejected, expired, cancelled, no_shows, arrived, completed, late_cancels, visits, people, places, reviews, stars, answers, answer_us, subsidy_fen)
    SELECT f.site_id, g.grain, date_trunc(g.grain, f.day::timestamp)::date, f.home_id, sum(f.bookings)::bigint, sum(f.pending)::bigint, sum(f.approved)::bigint, sum(f.rejected)::bigint, sum(f.expired)::bigint, sum(f.cancelled)::bigint, sum(f.no_shows)::bigint, sum(f.arrived)::bigint, sum(f.completed)::bigint, sum(f.late_cancels)::bigint, sum(f.visits)::bigint, sum(f.people)::bigint, sum(f.places)::bigint, sum(f.reviews)::bigint, sum(f.stars)::bigint, sum(f.answers)::bigint, sum(f.answer_us)::bigint, sum(f.subsidy_fen)::bigint
    FROM usage_fact f CROSS JOIN (VALUES ('day'), ('month')) g (grain)
    GROUP BY 1, 2, 3, 4;
    RETURN counted;
END
$$"""

MARK = """\
CREATE FUNCTION usage_mark() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    CASE TG_TABLE_NAME
    WHEN 'booking' THEN
        INSERT INTO usage_mark (booking_id) VALUES (coalesce(NEW.id, OLD.id));
    WHEN 'organisation' THEN
        INSERT INTO usage_mark (booking_id)
        SELECT b.id FROM booking b WHERE b.organisation_id = NEW.id;
    WHEN 'venue_session' THEN
        INSERT INTO usage_mark (booking_id)
        SELECT i.booking_id FROM booking_session i WHERE i.session_id = NEW.id;
    ELSE
        INSERT INTO usage_mark (booking_id) VALUES (coalesce(NEW.booking_id, OLD.booking_id));
    END CASE;
    RETURN NULL;
END
$$"""

MARKS = (
    "CREATE TRIGGER booking_usage_changed AFTER UPDATE ON booking FOR EACH ROW WHEN ((OLD.status, OLD.site_id, OLD.organisation_id, OLD.starts_at, OLD.late_cancelled, OLD.created_at) IS DISTINCT FROM (NEW.status, NEW.site_id, NEW.organisation_id, NEW.starts_at, NEW.late_cancelled, NEW.created_at)) EXECUTE FUNCTION usage_mark()",
    "CREATE TRIGGER visit_usage_changed AFTER UPDATE ON visit FOR EACH ROW WHEN ((OLD.people_attended) IS DISTINCT FROM (NEW.people_attended)) EXECUTE FUNCTION usage_mark()",
    "CREATE TRIGGER review_usage_changed AFTER UPDATE ON review FOR EACH ROW WHEN ((OLD.content, OLD.reception, OLD.facilities) IS DISTINCT FROM (NEW.content, NEW.reception, NEW.facilities)) EXECUTE FUNCTION usage_mark()",
    "CREATE TRIGGER subsidy_usage_changed AFTER UPDATE ON subsidy FOR EACH ROW WHEN ((OLD.committed_fen) IS DISTINCT FROM (NEW.committed_fen)) EXECUTE FUNCTION usage_mark()",
    "CREATE TRIGGER organisation_usage_changed AFTER UPDATE ON organisation FOR EACH ROW WHEN ((OLD.parent_id, OLD.kind) IS DISTINCT FROM (NEW.parent_id, NEW.kind)) EXECUTE FUNCTION usage_mark()",
    "CREATE TRIGGER venue_session_usage_changed AFTER UPDATE ON venue_session FOR EACH ROW WHEN ((OLD.people_limit) IS DISTINCT FROM (NEW.people_limit)) EXECUTE FUNCTION usage_mark()",
    "CREATE TRIGGER booking_usage_made AFTER INSERT OR DELETE ON booking FOR EACH ROW EXECUTE FUNCTION usage_mark()",
    "CREATE TRIGGER visit_usage_made AFTER INSERT OR DELETE ON visit FOR EACH ROW EXECUTE FUNCTION usage_mark()",
    "CREATE TRIGGER review_usage_made AFTER INSERT OR DELETE ON review FOR EACH ROW EXECUTE FUNCTION usage_mark()",
    "CREATE TRIGGER subsidy_usage_made AFTER INSERT ON subsidy FOR EACH ROW WHEN (NEW.committed_fen IS NOT NULL) EXECUTE FUNCTION usage_mark()",
)

GUARDED = (
    "REVOKE INSERT, UPDATE, DELETE ON usage_fact, usage_cell, usage_mark FROM party_map_service",
    "REVOKE EXECUTE ON FUNCTION usage_fold(integer), usage_rebuild() FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION usage_fold(integer), usage_rebuild() TO party_map_service",
)

COUNTED = (
    "bookings",
    "pending",
    "approved",
    "rejected",
    "expired",
    "cancelled",
    "no_shows",
    "arrived",
    "completed",
    "late_cancels",
    "visits",
    "people",
    "places",
    "reviews",
    "stars",
    "answers",
    "answer_us",
    "subsidy_fen",
)


def counted() -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in COUNTED]


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "usage_fact",
        *counted(),
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("home_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("booking_id", name=op.f("usage_fact_pkey")),
    )
    op.create_index("usage_fact_site_id_day_idx", "usage_fact", ["site_id", "day"])
    op.create_index("usage_fact_home_id_day_idx", "usage_fact", ["home_id", "day"])
    op.create_table(
        "usage_cell",
        *counted(),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("grain", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("home_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("grain IN ('day', 'month')", name=op.f("usage_cell_grain_known_check")),
        sa.PrimaryKeyConstraint("site_id", "grain", "day", "home_id", name=op.f("usage_cell_pkey")),
    )
    op.create_index("usage_cell_home_id_grain_day_idx", "usage_cell", ["home_id", "grain", "day"])
    op.create_table(
        "usage_mark",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("usage_mark_pkey")),
    )
    op.create_index("usage_mark_booking_id_idx", "usage_mark", ["booking_id"])
    for statement in (LIVE, FOLD, REBUILD, MARK, *MARKS, *GUARDED):
        op.execute(sa.text(statement.replace(":", "\\:")))
    op.execute("SELECT usage_rebuild()")


def downgrade() -> None:
    for statement in MARKS:
        words = statement.split()
        table = words[words.index("ON") + 1]
        op.execute(f"DROP TRIGGER {words[2]} ON {table}")
    op.execute("DROP FUNCTION usage_mark(), usage_rebuild(), usage_fold(integer), usage_live()")
    op.drop_table("usage_mark")
    op.drop_table("usage_cell")
    op.drop_table("usage_fact")
