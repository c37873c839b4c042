"""booking rules"""

import sqlalchemy as sa
import sqlmodel
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "d4f8a1c6e3b7"
down_revision = "c7e2f5a8b4d1"

NUMBERED = """
    UPDATE booking b SET open_number = n.number FROM (
        SELECT id, row_number() OVER (
            PARTITION BY organisation_id, site_id, status IN ('pending', 'approved') ORDER BY id
        ) AS number
        FROM booking
    ) n WHERE n.id = b.id"""
DISTRICT = """\
CREATE OR REPLACE FUNCTION audit_district(item jsonb) RETURNS uuid LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce(
        (item->>'district_id')::uuid,
        (SELECT district_id FROM booking WHERE id = (item->>'booking_id')::uuid),
        (SELECT district_id FROM site WHERE id = (item->>'site_id')::uuid),
        (SELECT district_id FROM organisation WHERE id = (item->>'organisation_id')::uuid),
        (SELECT s.district_id FROM venue v JOIN site s ON s.id = v.site_id
            WHERE v.id = (item->>'venue_id')::uuid),
        (SELECT o.district_id FROM fund f JOIN organisation o ON o.id = f.organisation_id
            WHERE f.id = (item->>'fund_id')::uuid),
        '00000000-0000-0000-0000-000000000000'::uuid);
END
$$"""
POLICY = {
    "open_bookings_limit": 2,
    "late_cancel_strikes": 1,
    "no_show_strikes": 2,
    "strikes_limit": 3,
    "strike_months": 12,
    "suspension_days": 90,
    "offer_hours": 24,
    "travel_km_per_hour": 30,
}
POLICY_CHECKS = {
    "policy_open_bookings_bounded_check": "open_bookings_limit BETWEEN 1 AND 100",
    "policy_days_bounded_check": "greatest(horizon_days, answer_working_days, free_cancel_working_days) <= 366",
    "policy_large_party_bounded_check": "large_party_people BETWEEN 1 AND 10000",
    "policy_strikes_counted_check": "least(late_cancel_strikes, no_show_strikes) >= 0 AND strikes_limit >= 1"
    " AND greatest(late_cancel_strikes, no_show_strikes, strikes_limit) <= 100"
    " AND strike_months BETWEEN 1 AND 60 AND suspension_days BETWEEN 1 AND 730",
    "policy_offer_bounded_check": "offer_hours BETWEEN 1 AND 168",
    "policy_travel_bounded_check": "travel_km_per_hour BETWEEN 1 AND 300",
    "policy_district_has_rules_check": "site_id IS NOT NULL OR ends_at IS NULL",
}

STEPS = (
    ("pending", "pending"),
    ("pending", "approved"),
    ("pending", "rejected"),
    ("pending", "expired"),
    ("pending", "cancelled"),
    ("approved", "pending"),
    ("approved", "approved"),
    ("approved", "cancelled"),
    ("approved", "arrived"),
    ("approved", "no_show"),
    ("arrived", "completed"),
)


def _audit(table: str, hidden: str) -> None:
    op.execute(
        f"CREATE CONSTRAINT TRIGGER {table}_audit AFTER INSERT OR UPDATE OR DELETE ON {table}"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
        f" EXECUTE FUNCTION audit_change('{hidden}', '')"
    )


def _notified_once(*columns: str) -> None:
    op.drop_constraint("notification_once", "notification")
    op.create_unique_constraint(
        "notification_once", "notification", columns, postgresql_nulls_not_distinct=True
    )


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "booking_group",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("kind", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("district_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("made_by", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('route', 'series')", name=op.f("booking_group_kind_known_check")
        ),
        sa.ForeignKeyConstraint(
            ["district_id"], ["organisation.id"], name=op.f("booking_group_district_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["made_by"], ["account.id"], name=op.f("booking_group_made_by_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name=op.f("booking_group_organisation_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("booking_group_pkey")),
    )
    op.create_index(
        op.f("booking_group_organisation_id_idx"),
        "booking_group",
        ["organisation_id"],
        unique=False,
    )
    op.create_table(
        "suspension",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("district_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted_by", sa.Uuid(), nullable=True),
        sa.Column("lift_reason", sqlmodel.sql.sqltypes.AutoString(length=500), nullable=True),
        postgresql.ExcludeConstraint(
            (sa.literal_column("organisation_id"), "="),
            (sa.text("tstzrange(starts_at, coalesce(lifted_at, ends_at))"), "&&"),
            using="gist",
            name="suspension_one_at_a_time",
        ),
        sa.CheckConstraint(
            "lifted_at >= starts_at", name=op.f("suspension_lifted_afterwards_check")
        ),
        sa.CheckConstraint(
            "num_nulls(lifted_at, lifted_by, lift_reason) IN (0, 3)",
            name=op.f("suspension_lifted_by_somebody_check"),
        ),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("suspension_times_in_order_check")),
        sa.ForeignKeyConstraint(
            ["district_id"], ["organisation.id"], name=op.f("suspension_district_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["lifted_by"], ["account.id"], name=op.f("suspension_lifted_by_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("suspension_organisation_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("suspension_pkey")),
    )
    op.create_table(
        "strike",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("suspension_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('late_cancel', 'no_show')", name=op.f("strike_kind_known_check")
        ),
        sa.CheckConstraint("points >= 1", name=op.f("strike_points_counted_check")),
        sa.ForeignKeyConstraint(
            ["booking_id"], ["booking.id"], name=op.f("strike_booking_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("strike_organisation_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["suspension_id"], ["suspension.id"], name=op.f("strike_suspension_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("strike_pkey")),
        sa.UniqueConstraint("booking_id", name=op.f("strike_booking_id_key")),
    )
    op.create_index(
        "strike_organisation_id_at_idx", "strike", ["organisation_id", "at"], unique=False
    )
    op.create_table(
        "waitlist_entry",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("made_by", sa.Uuid(), nullable=False),
        sa.Column("status", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("people_expected", sa.Integer(), nullable=False),
        sa.Column("purpose", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("contact_name", sqlmodel.sql.sqltypes.AutoString(length=40), nullable=False),
        sa.Column("contact_phone_hash", sa.LargeBinary(), nullable=True),
        sa.Column("contact_phone_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("note", sqlmodel.sql.sqltypes.AutoString(length=500), nullable=True),
        sa.Column("confirm_by", sa.DateTime(timezone=True), nullable=True),
        sa.Column("booking_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "(status = 'confirmed') = (booking_id IS NOT NULL)",
            name=op.f("waitlist_entry_confirmed_is_booked_check"),
        ),
        sa.CheckConstraint(
            "(status = 'offered') = (confirm_by IS NOT NULL)",
            name=op.f("waitlist_entry_offered_has_date_check"),
        ),
        sa.CheckConstraint(
            "purpose IN ('theme_party_day', 'party_lecture', 'members_meeting', 'committee_meeting', 'group_meeting', 'organisation_life_meeting', 'democratic_appraisal', 'volunteering', 'training', 'visit')",
            name=op.f("waitlist_entry_purpose_known_check"),
        ),
        sa.CheckConstraint(
            "status IN ('waiting', 'offered', 'confirmed', 'expired', 'withdrawn', 'lapsed')",
            name=op.f("waitlist_entry_status_known_check"),
        ),
        sa.CheckConstraint(
            "people_expected BETWEEN 1 AND 10000", name=op.f("waitlist_entry_people_expected_check")
        ),
        sa.ForeignKeyConstraint(
            ["booking_id"], ["booking.id"], name=op.f("waitlist_entry_booking_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["made_by"], ["account.id"], name=op.f("waitlist_entry_made_by_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name=op.f("waitlist_entry_organisation_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["session_id"], ["venue_session.id"], name=op.f("waitlist_entry_session_id_fkey")
        ),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("waitlist_entry_site_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("waitlist_entry_pkey")),
        sa.UniqueConstraint("booking_id", name=op.f("waitlist_entry_booking_id_key")),
        sa.UniqueConstraint("number", name=op.f("waitlist_entry_number_key")),
    )
    op.create_index(
        op.f("waitlist_entry_contact_phone_hash_idx"),
        "waitlist_entry",
        ["contact_phone_hash"],
        unique=False,
    )
    op.create_index(
        "waitlist_entry_line_idx",
        "waitlist_entry",
        ["session_id", "number"],
        unique=False,
        postgresql_where=sa.text("status = 'waiting'"),
    )
    op.create_index(
        "waitlist_entry_organisation_id_created_at_idx",
        "waitlist_entry",
        ["organisation_id", "created_at"],
        unique=False,
    )
    op.create_index(
        "waitlist_entry_site_id_created_at_idx",
        "waitlist_entry",
        ["site_id", "created_at"],
        unique=False,
    )
    op.create_index(
        "waitlist_entry_unconfirmed_idx",
        "waitlist_entry",
        ["confirm_by"],
        unique=False,
        postgresql_where=sa.text("status = 'offered'"),
    )
    op.create_index(
        "waitlist_entry_waits_once",
        "waitlist_entry",
        ["session_id", "organisation_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('waiting', 'offered')"),
    )
    op.create_table(
        "waitlist_programme",
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("programme_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["waitlist_entry.id"], name=op.f("waitlist_programme_entry_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["programme_id"], ["programme.id"], name=op.f("waitlist_programme_programme_id_fkey")
        ),
        sa.PrimaryKeyConstraint("entry_id", "programme_id", name=op.f("waitlist_programme_pkey")),
    )
    op.add_column("notification", sa.Column("waitlist_entry_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("notification_waitlist_entry_id_fkey"),
        "notification",
        "waitlist_entry",
        ["waitlist_entry_id"],
        ["id"],
    )
    _notified_once("account_id", "kind", "booking_id", "waitlist_entry_id", "due_at")
    op.execute(DISTRICT)
    for table in ("booking_group", "strike", "suspension"):
        _audit(table, "")
    _audit("waitlist_entry", "contact_name,contact_phone_hash,contact_phone_sealed,note")
    op.add_column("booking", sa.Column("group_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("booking_group_id_fkey"), "booking", "booking_group", ["group_id"], ["id"]
    )
    op.create_index(
        "booking_group_id_idx",
        "booking",
        ["group_id"],
        postgresql_where=sa.text("group_id IS NOT NULL"),
    )
    op.add_column("booking", sa.Column("open_number", sa.Integer(), nullable=True))
    op.execute("ALTER TABLE booking DISABLE TRIGGER booking_audit")  # nobody did anything
    op.execute(NUMBERED)
    op.execute("ALTER TABLE booking ENABLE TRIGGER booking_audit")
    op.alter_column("booking", "open_number", nullable=False)
    op.create_check_constraint(
        op.f("booking_open_number_counts_check"), "booking", "open_number >= 1"
    )
    op.create_index(
        "booking_open_number_key",
        "booking",
        ["organisation_id", "site_id", "open_number"],
        unique=True,
        postgresql_where=sa.text("status IN ('pending', 'approved')"),
    )
    op.drop_constraint("booking_event_path_known_check", "booking_event")
    pairs = ", ".join(f"('{source}', '{target}')" for source, target in STEPS)
    op.create_check_constraint(
        op.f("booking_event_path_known_check"),
        "booking_event",
        "CASE WHEN from_status IS NULL THEN to_status = 'pending' AND version = 1"
        f" ELSE (from_status, to_status) IN ({pairs}) END",
    )
    for name, value in POLICY.items():
        column = sa.Column(name, sa.Integer(), nullable=False, server_default=sa.text(str(value)))
        op.add_column("policy", column)
        op.alter_column("policy", name, server_default=None)
    op.add_column("policy", sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("policy", sa.Column("made_by", sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f("policy_made_by_fkey"), "policy", "account", ["made_by"], ["id"])
    for name, holds in POLICY_CHECKS.items():
        op.create_check_constraint(op.f(name), "policy", holds)


def downgrade() -> None:
    for name in POLICY_CHECKS:
        op.drop_constraint(op.f(name), "policy")
    for name in ("ends_at", "made_by", *POLICY):
        op.drop_column("policy", name)
    for name in ("open_number", "group_id"):
        op.drop_column("booking", name)
    _notified_once("account_id", "kind", "booking_id", "due_at")
    op.drop_column("notification", "waitlist_entry_id")
    for name in ("waitlist_programme", "waitlist_entry", "strike", "suspension", "booking_group"):
        op.drop_table(name)
