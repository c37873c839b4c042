"""first slice"""

import sqlalchemy as sa
import sqlmodel
from alembic import op
from geoalchemy2 import Geometry
from sqlalchemy.dialects import postgresql

from app.models.base import Ltree

revision = "d7457237f5a2"
down_revision = None

EXTENSIONS = ("postgis", "btree_gist", "pg_trgm", "ltree")
WRITTEN_ONCE = ("booking_event", "ledger_entry")
UUID7 = """\
CREATE FUNCTION uuid7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
SELECT (lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0')
        || '7' || substr(gen_random_uuid()::text, 16))::uuid
$$"""

APPEND_ONLY = """\
CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for extension in EXTENSIONS:
        op.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")
    op.execute(UUID7)
    op.execute(APPEND_ONLY)
    op.create_table(
        "account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("name", sqlmodel.sql.sqltypes.AutoString(length=40), nullable=False),
        sa.Column("phone_hash", sa.LargeBinary(), nullable=False),
        sa.Column("phone_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("password_hash", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("account_pkey")),
        sa.UniqueConstraint("phone_hash", name=op.f("account_phone_hash_key")),
    )
    op.create_table(
        "holiday",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("name", sqlmodel.sql.sqltypes.AutoString(length=40), nullable=False),
        sa.Column("is_off", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("holiday_pkey")),
    )
    op.create_table(
        "job_run",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("job", sqlmodel.sql.sqltypes.AutoString(length=40), nullable=False),
        sa.Column("period", sa.Date(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("touched", sa.Integer(), nullable=False),
        sa.Column("failed", sqlmodel.sql.sqltypes.AutoString(length=500), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("job_run_pkey")),
        sa.UniqueConstraint("job", "period", name="job_run_once_a_period"),
    )
    op.create_index("job_run_started_at_idx", "job_run", ["started_at"], unique=False)
    op.create_geospatial_table(
        "organisation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("district_id", sa.Uuid(), nullable=False),
        sa.Column("path", Ltree(), nullable=False),
        sa.Column("code", sqlmodel.sql.sqltypes.AutoString(length=32), nullable=False),
        sa.Column("name", sqlmodel.sql.sqltypes.AutoString(length=120), nullable=False),
        sa.Column("place", sqlmodel.sql.sqltypes.AutoString(length=40), nullable=True),
        sa.Column("kind", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("sector", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("member_count", sa.Integer(), nullable=False),
        sa.Column("outside", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column(
            "location",
            Geometry(
                geometry_type="POINT",
                srid=4326,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
            ),
            nullable=True,
        ),
        sa.CheckConstraint(
            "(kind = 'district') = (district_id = id)",
            name=op.f("organisation_district_is_root_check"),
        ),
        sa.CheckConstraint(
            "(kind = 'district') = (parent_id IS NULL)",
            name=op.f("organisation_root_is_district_check"),
        ),
        sa.CheckConstraint(
            "kind <> 'town' OR place IS NOT NULL", name=op.f("organisation_town_has_place_check")
        ),
        sa.CheckConstraint(
            "kind IN ('district', 'town', 'department', 'general_branch', 'branch')",
            name=op.f("organisation_kind_known_check"),
        ),
        sa.CheckConstraint(
            "sector IN ('rural', 'urban', 'two_new', 'government', 'education', 'health', 'state_owned')",
            name=op.f("organisation_sector_known_check"),
        ),
        sa.CheckConstraint(
            "ST_X(location) BETWEEN -180 AND 180 AND ST_Y(location) BETWEEN -90 AND 90",
            name=op.f("organisation_location_on_earth_check"),
        ),
        sa.CheckConstraint(
            "member_count >= 0", name=op.f("organisation_member_count_not_negative_check")
        ),
        sa.ForeignKeyConstraint(
            ["district_id"], ["organisation.id"], name=op.f("organisation_district_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["organisation.id"], name=op.f("organisation_parent_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("organisation_pkey")),
        sa.UniqueConstraint("code", name=op.f("organisation_code_key")),
        sa.UniqueConstraint("path", name=op.f("organisation_path_key")),
    )
    op.create_index(
        "organisation_district_id_kind_idx", "organisation", ["district_id", "kind"], unique=False
    )
    op.create_index("organisation_parent_id_idx", "organisation", ["parent_id"], unique=False)
    op.create_index(
        "organisation_path_idx", "organisation", ["path"], unique=False, postgresql_using="gist"
    )
    op.create_geospatial_table(
        "boundary",
        sa.Column("district_id", sa.Uuid(), nullable=False),
        sa.Column(
            "outline",
            Geometry(
                geometry_type="MULTIPOLYGON",
                srid=4326,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
                nullable=False,
            ),
            nullable=False,
        ),
        sa.Column("source", sqlmodel.sql.sqltypes.AutoString(length=200), nullable=False),
        sa.Column("region", sqlmodel.sql.sqltypes.AutoString(length=40), nullable=True),
        sa.ForeignKeyConstraint(
            ["district_id"], ["organisation.id"], name=op.f("boundary_district_id_fkey")
        ),
        sa.PrimaryKeyConstraint("district_id", name=op.f("boundary_pkey")),
    )
    op.create_table(
        "fund",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("fiscal_year", sa.Integer(), nullable=False),
        sa.Column("name", sqlmodel.sql.sqltypes.AutoString(length=80), nullable=False),
        sa.Column("when_exhausted", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "when_exhausted IN ('refuse', 'unfunded')", name=op.f("fund_when_exhausted_known_check")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fund_organisation_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("fund_pkey")),
        sa.UniqueConstraint("organisation_id", "fiscal_year", name="fund_year_once"),
    )
    op.create_table(
        "idempotency_key",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Uuid(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("idempotency_key_account_id_fkey")
        ),
        sa.PrimaryKeyConstraint("account_id", "key", name=op.f("idempotency_key_pkey")),
    )
    op.create_index("idempotency_key_made_at_idx", "idempotency_key", ["made_at"], unique=False)
    op.create_table(
        "refresh_token",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("refresh_token_account_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("refresh_token_pkey")),
        sa.UniqueConstraint("token_hash", name=op.f("refresh_token_token_hash_key")),
    )
    op.create_index("refresh_token_expires_at_idx", "refresh_token", ["expires_at"], unique=False)
    op.create_index("refresh_token_family_id_idx", "refresh_token", ["family_id"], unique=False)
    op.create_geospatial_table(
        "site",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("district_id", sa.Uuid(), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.Column("code", sqlmodel.sql.sqltypes.AutoString(length=32), nullable=False),
        sa.Column("name", sqlmodel.sql.sqltypes.AutoString(length=120), nullable=False),
        sa.Column("short_name", sqlmodel.sql.sqltypes.AutoString(length=20), nullable=False),
        sa.Column("category", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column(
            "kinds", postgresql.ARRAY(sa.TEXT()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("status", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("address", sqlmodel.sql.sqltypes.AutoString(length=200), nullable=False),
        sa.Column("summary", sqlmodel.sql.sqltypes.AutoString(length=200), nullable=False),
        sa.Column("introduction", sqlmodel.sql.sqltypes.AutoString(length=5000), nullable=False),
        sa.Column(
            "location",
            Geometry(
                geometry_type="POINT",
                srid=4326,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
                nullable=False,
            ),
            nullable=False,
        ),
        sa.Column(
            "navigation_point",
            Geometry(
                geometry_type="POINT",
                srid=4326,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
                nullable=False,
            ),
            nullable=False,
        ),
        sa.Column("source_crs", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("source_longitude", sa.Float(), nullable=False),
        sa.Column("source_latitude", sa.Float(), nullable=False),
        sa.Column("location_verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("location_verified_by", sa.Uuid(), nullable=True),
        sa.Column("parking_cars", sa.Integer(), nullable=False),
        sa.Column("parking_coaches", sa.Integer(), nullable=False),
        sa.Column("step_free", sa.Boolean(), nullable=False),
        sa.Column(
            "lend", postgresql.ARRAY(sa.TEXT()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column(
            "honours", postgresql.ARRAY(sa.TEXT()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("contact_name", sqlmodel.sql.sqltypes.AutoString(length=40), nullable=False),
        sa.Column("contact_phone", sqlmodel.sql.sqltypes.AutoString(length=20), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "category IN ('rural', 'urban', 'two_new', 'general')",
            name=op.f("site_category_known_check"),
        ),
        sa.CheckConstraint(
            "kinds <@ ARRAY['education_base', 'demonstration_site', 'party_school_point', 'service_centre', 'checkup_centre', 'training_base']",
            name=op.f("site_kinds_known_check"),
        ),
        sa.CheckConstraint(
            "source_crs IN ('wgs84', 'gcj02', 'bd09')", name=op.f("site_source_crs_known_check")
        ),
        sa.CheckConstraint(
            "status IN ('draft', 'published', 'suspended', 'closed')",
            name=op.f("site_status_known_check"),
        ),
        sa.CheckConstraint(
            "ST_X(location) BETWEEN -180 AND 180 AND ST_Y(location) BETWEEN -90 AND 90",
            name=op.f("site_location_on_earth_check"),
        ),
        sa.CheckConstraint(
            "ST_X(navigation_point) BETWEEN -180 AND 180 AND ST_Y(navigation_point) BETWEEN -90 AND 90",
            name=op.f("site_navigation_point_on_earth_check"),
        ),
        sa.CheckConstraint(
            "parking_cars >= 0 AND parking_coaches >= 0",
            name=op.f("site_parking_not_negative_check"),
        ),
        sa.ForeignKeyConstraint(
            ["district_id"], ["organisation.id"], name=op.f("site_district_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["location_verified_by"], ["account.id"], name=op.f("site_location_verified_by_fkey")
        ),
        sa.ForeignKeyConstraint(["town_id"], ["organisation.id"], name=op.f("site_town_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("site_pkey")),
        sa.UniqueConstraint("code", name=op.f("site_code_key")),
    )
    op.create_geospatial_index(
        "site_bbox_idx",
        "site",
        ["location"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_index("site_district_id_status_idx", "site", ["district_id", "status"], unique=False)
    op.create_index(
        "site_location_idx",
        "site",
        [sa.literal_column("(location::geography)")],
        unique=False,
        postgresql_using="gist",
    )
    op.create_index("site_town_id_idx", "site", ["town_id"], unique=False)
    op.create_table(
        "subsidy_rule",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("code", sqlmodel.sql.sqltypes.AutoString(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("category", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("programme_kind", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("sector", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("base_fen", sa.Integer(), nullable=False),
        sa.Column("per_head_fen", sa.Integer(), nullable=False),
        sa.Column("head_cap", sa.Integer(), nullable=False),
        sa.Column("visit_cap_fen", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "least(base_fen, per_head_fen, head_cap, visit_cap_fen) >= 0",
            name=op.f("subsidy_rule_not_negative_check"),
        ),
        sa.CheckConstraint("valid_from < valid_to", name=op.f("subsidy_rule_dates_in_order_check")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("subsidy_rule_organisation_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("subsidy_rule_pkey")),
        sa.UniqueConstraint("organisation_id", "code", "version", name="subsidy_rule_version_once"),
    )
    op.create_table(
        "claim",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("fund_id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("status", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("submitted_by", sa.Uuid(), nullable=True),
        sa.Column("reviewed_by", sa.Uuid(), nullable=True),
        sa.Column("approved_by", sa.Uuid(), nullable=True),
        sa.Column("paid_by", sa.Uuid(), nullable=True),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("voucher_number", sqlmodel.sql.sqltypes.AutoString(length=40), nullable=True),
        sa.Column("returned_reason", sqlmodel.sql.sqltypes.AutoString(length=500), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(status = 'paid') = (voucher_number IS NOT NULL)",
            name=op.f("claim_paid_by_voucher_check"),
        ),
        sa.CheckConstraint(
            "status IN ('draft', 'submitted', 'reviewed', 'approved', 'paid', 'returned')",
            name=op.f("claim_status_known_check"),
        ),
        sa.CheckConstraint(
            "status NOT IN ('approved', 'paid') OR num_nulls(reviewed_by, approved_by) = 0",
            name=op.f("claim_approved_after_review_check"),
        ),
        sa.CheckConstraint(
            "EXTRACT(day FROM month) = 1", name=op.f("claim_month_is_first_day_check")
        ),
        sa.CheckConstraint(
            "reviewed_by <> approved_by", name=op.f("claim_reviewer_is_not_approver_check")
        ),
        sa.CheckConstraint(
            "reviewed_by <> paid_by", name=op.f("claim_reviewer_is_not_payer_check")
        ),
        sa.ForeignKeyConstraint(
            ["approved_by"], ["account.id"], name=op.f("claim_approved_by_fkey")
        ),
        sa.ForeignKeyConstraint(["fund_id"], ["fund.id"], name=op.f("claim_fund_id_fkey")),
        sa.ForeignKeyConstraint(["paid_by"], ["account.id"], name=op.f("claim_paid_by_fkey")),
        sa.ForeignKeyConstraint(
            ["reviewed_by"], ["account.id"], name=op.f("claim_reviewed_by_fkey")
        ),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("claim_site_id_fkey")),
        sa.ForeignKeyConstraint(
            ["submitted_by"], ["account.id"], name=op.f("claim_submitted_by_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("claim_pkey")),
        sa.UniqueConstraint("fund_id", "site_id", "month", name="claim_month_once"),
    )
    op.create_index("claim_site_id_idx", "claim", ["site_id"], unique=False)
    op.create_table(
        "fund_balance",
        sa.Column("fund_id", sa.Uuid(), nullable=False),
        sa.Column("account", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("balance_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "account = 'source' OR balance_fen >= 0", name=op.f("fund_balance_not_overdrawn_check")
        ),
        sa.CheckConstraint(
            "account IN ('source', 'available', 'reserved', 'payable', 'paid')",
            name=op.f("fund_balance_account_known_check"),
        ),
        sa.ForeignKeyConstraint(["fund_id"], ["fund.id"], name=op.f("fund_balance_fund_id_fkey")),
        sa.PrimaryKeyConstraint("fund_id", "account", name=op.f("fund_balance_pkey")),
    )
    op.create_table(
        "policy",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("district_id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lead_working_days", sa.Integer(), nullable=False),
        sa.Column("lead_working_days_large", sa.Integer(), nullable=False),
        sa.Column("large_party_people", sa.Integer(), nullable=False),
        sa.Column("horizon_days", sa.Integer(), nullable=False),
        sa.Column("answer_working_days", sa.Integer(), nullable=False),
        sa.Column("free_cancel_working_days", sa.Integer(), nullable=False),
        sa.Column("approval_mode", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.CheckConstraint(
            "approval_mode IN ('manual', 'auto')", name=op.f("policy_approval_mode_known_check")
        ),
        sa.CheckConstraint(
            "answer_working_days >= 1", name=op.f("policy_answer_takes_a_day_check")
        ),
        sa.CheckConstraint(
            "greatest(lead_working_days, lead_working_days_large) <= 60",
            name=op.f("policy_lead_bounded_check"),
        ),
        sa.CheckConstraint(
            "least(lead_working_days, lead_working_days_large, horizon_days, answer_working_days, free_cancel_working_days) >= 0",
            name=op.f("policy_days_not_negative_check"),
        ),
        sa.ForeignKeyConstraint(
            ["district_id"], ["organisation.id"], name=op.f("policy_district_id_fkey")
        ),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("policy_site_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("policy_pkey")),
        sa.UniqueConstraint(
            "district_id",
            "site_id",
            "version",
            name="policy_version_once",
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_table(
        "programme",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("name", sqlmodel.sql.sqltypes.AutoString(length=80), nullable=False),
        sa.Column("description", sqlmodel.sql.sqltypes.AutoString(length=500), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("people_limit", sa.Integer(), nullable=False),
        sa.Column("needs_guide", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('visit', 'guided_tour', 'oath', 'lecture', 'training_case', 'meeting', 'volunteering')",
            name=op.f("programme_kind_known_check"),
        ),
        sa.CheckConstraint(
            "minutes BETWEEN 5 AND 480", name=op.f("programme_minutes_in_a_day_check")
        ),
        sa.CheckConstraint("people_limit > 0", name=op.f("programme_people_limit_positive_check")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("programme_site_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("programme_pkey")),
    )
    op.create_index("programme_site_id_idx", "programme", ["site_id"], unique=False)
    op.create_table(
        "role_grant",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("role", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=True),
        sa.Column("site_id", sa.Uuid(), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "CASE role WHEN 'system_admin' THEN num_nonnulls(organisation_id, site_id) = 0 WHEN 'site_manager' THEN organisation_id IS NULL AND site_id IS NOT NULL ELSE organisation_id IS NOT NULL AND site_id IS NULL END",
            name=op.f("role_grant_scope_fits_role_check"),
        ),
        sa.CheckConstraint(
            "role IN ('member', 'organiser', 'site_manager', 'town_staff', 'district_staff', 'fund_officer', 'fund_approver', 'auditor', 'system_admin')",
            name=op.f("role_grant_role_known_check"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("role_grant_account_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("role_grant_organisation_id_fkey")
        ),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("role_grant_site_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("role_grant_pkey")),
        sa.UniqueConstraint(
            "account_id",
            "role",
            "organisation_id",
            "site_id",
            name="role_grant_once",
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index(
        "role_grant_organisation_id_role_idx",
        "role_grant",
        ["organisation_id", "role"],
        unique=False,
    )
    op.create_index("role_grant_site_id_role_idx", "role_grant", ["site_id", "role"], unique=False)
    op.create_table(
        "venue",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("name", sqlmodel.sql.sqltypes.AutoString(length=80), nullable=False),
        sa.Column("people_limit", sa.Integer(), nullable=False),
        sa.Column("groups_limit", sa.Integer(), nullable=False),
        sa.CheckConstraint("groups_limit > 0", name=op.f("venue_groups_limit_positive_check")),
        sa.CheckConstraint("people_limit > 0", name=op.f("venue_people_limit_positive_check")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("venue_site_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("venue_pkey")),
    )
    op.create_index("venue_site_id_idx", "venue", ["site_id"], unique=False)
    op.create_table(
        "booking",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("district_id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("venue_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("policy_id", sa.Uuid(), nullable=False),
        sa.Column("made_by", sa.Uuid(), nullable=False),
        sa.Column("status", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("people_expected", sa.Integer(), nullable=False),
        sa.Column("purpose", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("contact_name", sqlmodel.sql.sqltypes.AutoString(length=40), nullable=False),
        sa.Column("contact_phone_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("note", sqlmodel.sql.sqltypes.AutoString(length=500), nullable=True),
        sa.Column("respond_by", sa.DateTime(timezone=True), nullable=True),
        sa.Column("escalated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("free_cancel_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("late_cancelled", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(status = 'pending') = (respond_by IS NOT NULL)",
            name=op.f("booking_pending_has_date_check"),
        ),
        sa.CheckConstraint(
            "purpose IN ('theme_party_day', 'party_lecture', 'members_meeting', 'committee_meeting', 'group_meeting', 'organisation_life_meeting', 'democratic_appraisal', 'volunteering', 'training', 'visit')",
            name=op.f("booking_purpose_known_check"),
        ),
        sa.CheckConstraint(
            "status = 'cancelled' OR NOT late_cancelled",
            name=op.f("booking_late_is_cancelled_check"),
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'approved', 'rejected', 'expired', 'cancelled', 'no_show', 'arrived', 'completed')",
            name=op.f("booking_status_known_check"),
        ),
        sa.CheckConstraint(
            "people_expected BETWEEN 1 AND 10000", name=op.f("booking_people_expected_check")
        ),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("booking_times_in_order_check")),
        sa.ForeignKeyConstraint(
            ["district_id"], ["organisation.id"], name=op.f("booking_district_id_fkey")
        ),
        sa.ForeignKeyConstraint(["made_by"], ["account.id"], name=op.f("booking_made_by_fkey")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("booking_organisation_id_fkey")
        ),
        sa.ForeignKeyConstraint(["policy_id"], ["policy.id"], name=op.f("booking_policy_id_fkey")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("booking_site_id_fkey")),
        sa.ForeignKeyConstraint(["venue_id"], ["venue.id"], name=op.f("booking_venue_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("booking_pkey")),
        sa.UniqueConstraint("number", name=op.f("booking_number_key")),
    )
    op.create_index(
        "booking_district_id_starts_at_idx", "booking", ["district_id", "starts_at"], unique=False
    )
    op.create_index(
        "booking_organisation_id_starts_at_idx",
        "booking",
        ["organisation_id", "starts_at"],
        unique=False,
    )
    op.create_index(
        "booking_site_id_status_starts_at_idx",
        "booking",
        ["site_id", "status", "starts_at"],
        unique=False,
    )
    op.create_index(
        "booking_unanswered_idx",
        "booking",
        ["respond_by"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index(
        "booking_under_way_idx",
        "booking",
        ["status", "ends_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('approved', 'arrived')"),
    )
    op.create_table(
        "closure",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("venue_id", sa.Uuid(), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sqlmodel.sql.sqltypes.AutoString(length=200), nullable=False),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("closure_times_in_order_check")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("closure_site_id_fkey")),
        sa.ForeignKeyConstraint(["venue_id"], ["venue.id"], name=op.f("closure_venue_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("closure_pkey")),
    )
    op.create_index("closure_site_id_ends_at_idx", "closure", ["site_id", "ends_at"], unique=False)
    op.create_table(
        "opening_rule",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("venue_id", sa.Uuid(), nullable=False),
        sa.Column("weekday", sa.Integer(), nullable=False),
        sa.Column("starts", sa.Time(), nullable=False),
        sa.Column("ends", sa.Time(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("on_holiday", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        postgresql.ExcludeConstraint(
            (sa.literal_column("venue_id"), "="),
            (sa.literal_column("weekday"), "="),
            (sa.text("daterange(valid_from, valid_to)"), "&&"),
            (sa.text("numrange(EXTRACT(epoch FROM starts), EXTRACT(epoch FROM ends))"), "&&"),
            using="gist",
            name="opening_rule_no_overlap",
        ),
        sa.CheckConstraint(
            "on_holiday IN ('closed', 'open', 'as_sunday')",
            name=op.f("opening_rule_on_holiday_known_check"),
        ),
        sa.CheckConstraint("starts < ends", name=op.f("opening_rule_times_in_order_check")),
        sa.CheckConstraint("valid_from < valid_to", name=op.f("opening_rule_dates_in_order_check")),
        sa.CheckConstraint(
            "weekday BETWEEN 1 AND 7", name=op.f("opening_rule_weekday_known_check")
        ),
        sa.ForeignKeyConstraint(
            ["venue_id"], ["venue.id"], name=op.f("opening_rule_venue_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("opening_rule_pkey")),
    )
    op.create_table(
        "booking_event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("from_status", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("to_status", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sqlmodel.sql.sqltypes.AutoString(length=500), nullable=True),
        sa.CheckConstraint(
            "CASE WHEN from_status IS NULL THEN to_status = 'pending' AND version = 1 ELSE (from_status, to_status) IN (('pending', 'pending'), ('pending', 'approved'), ('pending', 'rejected'), ('pending', 'expired'), ('pending', 'cancelled'), ('approved', 'pending'), ('approved', 'cancelled'), ('approved', 'arrived'), ('approved', 'no_show'), ('arrived', 'completed')) END",
            name=op.f("booking_event_path_known_check"),
        ),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["account.id"], name=op.f("booking_event_actor_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["booking_id"], ["booking.id"], name=op.f("booking_event_booking_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("booking_event_pkey")),
    )
    op.create_index(
        "booking_event_booking_id_version_key",
        "booking_event",
        ["booking_id", "version"],
        unique=True,
    )
    op.create_table(
        "booking_programme",
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("programme_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["booking_id"], ["booking.id"], name=op.f("booking_programme_booking_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["programme_id"], ["programme.id"], name=op.f("booking_programme_programme_id_fkey")
        ),
        sa.PrimaryKeyConstraint("booking_id", "programme_id", name=op.f("booking_programme_pkey")),
    )
    op.create_table(
        "claim_line",
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("claim_id", sa.Uuid(), nullable=False),
        sa.Column("people_attended", sa.Integer(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_fen > 0", name=op.f("claim_line_amount_positive_check")),
        sa.ForeignKeyConstraint(
            ["booking_id"], ["booking.id"], name=op.f("claim_line_booking_id_fkey")
        ),
        sa.ForeignKeyConstraint(["claim_id"], ["claim.id"], name=op.f("claim_line_claim_id_fkey")),
        sa.PrimaryKeyConstraint("booking_id", name=op.f("claim_line_pkey")),
    )
    op.create_index("claim_line_claim_id_idx", "claim_line", ["claim_id"], unique=False)
    op.create_table(
        "ledger_entry",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("fund_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("kind", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("from_account", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("to_account", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("step", sqlmodel.sql.sqltypes.AutoString(length=120), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=True),
        sa.Column("claim_id", sa.Uuid(), nullable=True),
        sa.Column("document", sqlmodel.sql.sqltypes.AutoString(length=80), nullable=True),
        sa.CheckConstraint(
            "(kind, from_account, to_account) IN (('appropriate', 'source', 'available'), ('reserve', 'available', 'reserved'), ('release', 'reserved', 'available'), ('top_up', 'available', 'payable'), ('commit', 'reserved', 'payable'), ('pay', 'payable', 'paid'))",
            name=op.f("ledger_entry_kind_fixes_accounts_check"),
        ),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ledger_entry_amount_positive_check")),
        sa.ForeignKeyConstraint(
            ["booking_id"], ["booking.id"], name=op.f("ledger_entry_booking_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["claim_id"], ["claim.id"], name=op.f("ledger_entry_claim_id_fkey")
        ),
        sa.ForeignKeyConstraint(["fund_id"], ["fund.id"], name=op.f("ledger_entry_fund_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("ledger_entry_pkey")),
        sa.UniqueConstraint("fund_id", "number", name="ledger_entry_number_once"),
        sa.UniqueConstraint("step", name="ledger_entry_step_once"),
    )
    op.create_index("ledger_entry_booking_id_idx", "ledger_entry", ["booking_id"], unique=False)
    op.create_table(
        "notification",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=True),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("notification_account_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["booking_id"], ["booking.id"], name=op.f("notification_booking_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("notification_pkey")),
        sa.UniqueConstraint(
            "account_id",
            "kind",
            "booking_id",
            "due_at",
            name="notification_once",
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index(
        "notification_account_id_delivered_at_idx",
        "notification",
        ["account_id", "delivered_at"],
        unique=False,
    )
    op.create_index(
        "notification_undelivered_idx",
        "notification",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("delivered_at IS NULL"),
    )
    op.create_table(
        "review",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("written_by", sa.Uuid(), nullable=False),
        sa.Column("content", sa.Integer(), nullable=False),
        sa.Column("reception", sa.Integer(), nullable=False),
        sa.Column("facilities", sa.Integer(), nullable=False),
        sa.Column("text", sqlmodel.sql.sqltypes.AutoString(length=1000), nullable=False),
        sa.CheckConstraint("content BETWEEN 1 AND 5", name=op.f("review_content_in_range_check")),
        sa.CheckConstraint(
            "facilities BETWEEN 1 AND 5", name=op.f("review_facilities_in_range_check")
        ),
        sa.CheckConstraint(
            "reception BETWEEN 1 AND 5", name=op.f("review_reception_in_range_check")
        ),
        sa.ForeignKeyConstraint(
            ["booking_id"], ["booking.id"], name=op.f("review_booking_id_fkey")
        ),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("review_site_id_fkey")),
        sa.ForeignKeyConstraint(
            ["written_by"], ["account.id"], name=op.f("review_written_by_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("review_pkey")),
        sa.UniqueConstraint("booking_id", name=op.f("review_booking_id_key")),
    )
    op.create_index(op.f("review_site_id_idx"), "review", ["site_id"], unique=False)
    op.create_table(
        "subsidy",
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("status", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("fund_id", sa.Uuid(), nullable=True),
        sa.Column("rule_id", sa.Uuid(), nullable=True),
        sa.Column("reserved_fen", sa.BigInteger(), nullable=True),
        sa.Column("committed_fen", sa.BigInteger(), nullable=True),
        sa.Column("arithmetic", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint(
            "(status = 'committed') = (committed_fen IS NOT NULL)",
            name=op.f("subsidy_committed_has_amount_check"),
        ),
        sa.CheckConstraint(
            "status = 'unfunded' OR num_nulls(fund_id, rule_id, reserved_fen) = 0",
            name=op.f("subsidy_funded_has_fund_check"),
        ),
        sa.CheckConstraint(
            "status IN ('unfunded', 'reserved', 'committed', 'released')",
            name=op.f("subsidy_status_known_check"),
        ),
        sa.CheckConstraint(
            "reserved_fen >= 0 AND committed_fen >= 0", name=op.f("subsidy_not_negative_check")
        ),
        sa.ForeignKeyConstraint(
            ["booking_id"], ["booking.id"], name=op.f("subsidy_booking_id_fkey")
        ),
        sa.ForeignKeyConstraint(["fund_id"], ["fund.id"], name=op.f("subsidy_fund_id_fkey")),
        sa.ForeignKeyConstraint(
            ["rule_id"], ["subsidy_rule.id"], name=op.f("subsidy_rule_id_fkey")
        ),
        sa.PrimaryKeyConstraint("booking_id", name=op.f("subsidy_pkey")),
    )
    op.create_table(
        "venue_session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("venue_id", sa.Uuid(), nullable=False),
        sa.Column("rule_id", sa.Uuid(), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("people_limit", sa.Integer(), nullable=False),
        sa.Column("groups_limit", sa.Integer(), nullable=False),
        sa.Column("people_held", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("groups_held", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("closed_reason", sqlmodel.sql.sqltypes.AutoString(length=200), nullable=True),
        postgresql.ExcludeConstraint(
            (sa.literal_column("venue_id"), "="),
            (sa.text("tstzrange(starts_at, ends_at)"), "&&"),
            using="gist",
            name="venue_session_no_overlap",
        ),
        sa.CheckConstraint(
            "groups_held BETWEEN 0 AND groups_limit", name=op.f("venue_session_groups_fit_check")
        ),
        sa.CheckConstraint(
            "people_held BETWEEN 0 AND people_limit", name=op.f("venue_session_people_fit_check")
        ),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("venue_session_times_in_order_check")),
        sa.ForeignKeyConstraint(
            ["rule_id"], ["opening_rule.id"], name=op.f("venue_session_rule_id_fkey")
        ),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("venue_session_site_id_fkey")),
        sa.ForeignKeyConstraint(
            ["venue_id"], ["venue.id"], name=op.f("venue_session_venue_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("venue_session_pkey")),
    )
    op.create_index(
        "venue_session_free_idx",
        "venue_session",
        ["site_id", "starts_at"],
        unique=False,
        postgresql_where=sa.text(
            "groups_held < groups_limit AND people_held < people_limit AND closed_reason IS NULL"
        ),
    )
    op.create_index(
        "venue_session_site_id_starts_at_idx",
        "venue_session",
        ["site_id", "starts_at"],
        unique=False,
    )
    op.create_table(
        "visit",
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("arrived_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("people_attended", sa.Integer(), nullable=False),
        sa.Column("means", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("confirmed_by", sa.Uuid(), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint("means IN ('manager')", name=op.f("visit_means_known_check")),
        sa.CheckConstraint("arrived_at <= completed_at", name=op.f("visit_times_in_order_check")),
        sa.CheckConstraint(
            "people_attended BETWEEN 0 AND 10000", name=op.f("visit_people_attended_check")
        ),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.id"], name=op.f("visit_booking_id_fkey")),
        sa.ForeignKeyConstraint(
            ["completed_by"], ["account.id"], name=op.f("visit_completed_by_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["confirmed_by"], ["account.id"], name=op.f("visit_confirmed_by_fkey")
        ),
        sa.PrimaryKeyConstraint("booking_id", name=op.f("visit_pkey")),
    )
    op.create_table(
        "booking_session",
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["booking_id"], ["booking.id"], name=op.f("booking_session_booking_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["session_id"], ["venue_session.id"], name=op.f("booking_session_session_id_fkey")
        ),
        sa.PrimaryKeyConstraint("booking_id", "session_id", name=op.f("booking_session_pkey")),
    )
    op.create_index(
        "booking_session_session_id_idx", "booking_session", ["session_id"], unique=False
    )
    for table in WRITTEN_ONCE:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
        )


def downgrade() -> None:
    op.drop_index("booking_session_session_id_idx", table_name="booking_session")
    op.drop_table("booking_session")
    op.drop_table("visit")
    op.drop_index("venue_session_site_id_starts_at_idx", table_name="venue_session")
    op.drop_index(
        "venue_session_free_idx",
        table_name="venue_session",
        postgresql_where=sa.text(
            "groups_held < groups_limit AND people_held < people_limit AND closed_reason IS NULL"
        ),
    )
    op.drop_table("venue_session")
    op.drop_table("subsidy")
    op.drop_index(op.f("review_site_id_idx"), table_name="review")
    op.drop_table("review")
    op.drop_index(
        "notification_undelivered_idx",
        table_name="notification",
        postgresql_where=sa.text("delivered_at IS NULL"),
    )
    op.drop_index("notification_account_id_delivered_at_idx", table_name="notification")
    op.drop_table("notification")
    op.drop_index("ledger_entry_booking_id_idx", table_name="ledger_entry")
    op.drop_table("ledger_entry")
    op.drop_index("claim_line_claim_id_idx", table_name="claim_line")
    op.drop_table("claim_line")
    op.drop_table("booking_programme")
    op.drop_index("booking_event_booking_id_version_key", table_name="booking_event")
    op.drop_table("booking_event")
    op.drop_table("opening_rule")
    op.drop_index("closure_site_id_ends_at_idx", table_name="closure")
    op.drop_table("closure")
    op.drop_index(
        "booking_under_way_idx",
        table_name="booking",
        postgresql_where=sa.text("status IN ('approved', 'arrived')"),
    )
    op.drop_index(
        "booking_unanswered_idx",
        table_name="booking",
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.drop_index("booking_site_id_status_starts_at_idx", table_name="booking")
    op.drop_index("booking_organisation_id_starts_at_idx", table_name="booking")
    op.drop_index("booking_district_id_starts_at_idx", table_name="booking")
    op.drop_table("booking")
    op.drop_index("venue_site_id_idx", table_name="venue")
    op.drop_table("venue")
    op.drop_index("role_grant_site_id_role_idx", table_name="role_grant")
    op.drop_index("role_grant_organisation_id_role_idx", table_name="role_grant")
    op.drop_table("role_grant")
    op.drop_index("programme_site_id_idx", table_name="programme")
    op.drop_table("programme")
    op.drop_table("policy")
    op.drop_table("fund_balance")
    op.drop_index("claim_site_id_idx", table_name="claim")
    op.drop_table("claim")
    op.drop_table("subsidy_rule")
    op.drop_index("site_town_id_idx", table_name="site")
    op.drop_index("site_location_idx", table_name="site", postgresql_using="gist")
    op.drop_index("site_district_id_status_idx", table_name="site")
    op.drop_geospatial_index(
        "site_bbox_idx", table_name="site", postgresql_using="gist", column_name="location"
    )
    op.drop_geospatial_table("site")
    op.drop_index("refresh_token_family_id_idx", table_name="refresh_token")
    op.drop_index("refresh_token_expires_at_idx", table_name="refresh_token")
    op.drop_table("refresh_token")
    op.drop_index("idempotency_key_made_at_idx", table_name="idempotency_key")
    op.drop_table("idempotency_key")
    op.drop_table("fund")
    op.drop_geospatial_table("boundary")
    op.drop_index("organisation_path_idx", table_name="organisation", postgresql_using="gist")
    op.drop_index("organisation_parent_id_idx", table_name="organisation")
    op.drop_index("organisation_district_id_kind_idx", table_name="organisation")
    op.drop_geospatial_table("organisation")
    op.drop_index("job_run_started_at_idx", table_name="job_run")
    op.drop_table("job_run")
    op.drop_table("holiday")
    op.drop_table("account")
    op.execute("DROP FUNCTION append_only()")
    op.execute("DROP FUNCTION uuid7()")
