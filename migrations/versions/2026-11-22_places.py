"""places"""

import sqlalchemy as sa
import sqlmodel
from alembic import op
from geoalchemy2 import Geometry
from sqlalchemy.dialects import postgresql

revision = "6576b8dffb1d"
down_revision = "08d804a4d35b"

AUDITED = {"guide": "name", "location_report": "note", "site_photo": ""}
CHECKS = {
    "programme": {
        "programme_case_lists_check": "jsonb_typeof(roles) = 'array' AND jsonb_typeof(steps) = 'array'",
        "programme_case_is_training_check": "kind = 'training_case' OR (roles = '[]' AND steps = '[]')",
    },
    "site": {
        "site_location_verified_by_somebody_check": (
            "(location_verified_at IS NULL) = (location_verified_by IS NULL)"
        ),
        "site_phone_confirmed_by_somebody_check": "(phone_confirmed_at IS NULL) = (phone_confirmed_by IS NULL)",
    },
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "unmet_search",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("asked_on", sa.Date(), nullable=False),
        sa.Column("longitude", sa.Float(), nullable=False),
        sa.Column("latitude", sa.Float(), nullable=False),
        sa.Column("radius_m", sa.Integer(), nullable=False),
        sa.Column("wanted_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("wanted_to", sa.DateTime(timezone=True), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("category", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("programme_kind", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "latitude BETWEEN -90 AND 90", name=op.f("unmet_search_latitude_on_earth_check")
        ),
        sa.CheckConstraint(
            "longitude BETWEEN -180 AND 180", name=op.f("unmet_search_longitude_on_earth_check")
        ),
        sa.CheckConstraint("people BETWEEN 1 AND 10000", name=op.f("unmet_search_people_check")),
        sa.CheckConstraint("times > 0", name=op.f("unmet_search_times_positive_check")),
        sa.CheckConstraint(
            "wanted_from < wanted_to", name=op.f("unmet_search_times_in_order_check")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("unmet_search_pkey")),
    )
    op.create_index(
        "unmet_search_same_key",
        "unmet_search",
        [
            "asked_on",
            "longitude",
            "latitude",
            "radius_m",
            "wanted_from",
            "wanted_to",
            "people",
            "minutes",
            "category",
            "programme_kind",
        ],
        unique=True,
    )
    op.create_table(
        "guide",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("name", sqlmodel.sql.sqltypes.AutoString(length=40), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("guide_site_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("guide_pkey")),
    )
    op.create_index(op.f("guide_site_id_idx"), "guide", ["site_id"], unique=False)
    op.create_table(
        "made_ahead",
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("until", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("made_ahead_site_id_fkey")),
        sa.PrimaryKeyConstraint("site_id", name=op.f("made_ahead_pkey")),
    )
    op.create_geospatial_table(
        "location_report",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column(
            "suggested",
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
        sa.Column("note", sqlmodel.sql.sqltypes.AutoString(length=500), nullable=False),
        sa.Column("request_key", sa.Uuid(), nullable=True),
        sa.Column("status", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "(status = 'open') = (answered_at IS NULL)",
            name=op.f("location_report_answered_at_check"),
        ),
        sa.CheckConstraint(
            "status IN ('open', 'accepted', 'dismissed')",
            name=op.f("location_report_status_known_check"),
        ),
        sa.CheckConstraint(
            "(answered_at IS NULL) = (answered_by IS NULL)",
            name=op.f("location_report_answered_by_somebody_check"),
        ),
        sa.CheckConstraint(
            "ST_X(suggested) BETWEEN -180 AND 180 AND ST_Y(suggested) BETWEEN -90 AND 90",
            name=op.f("location_report_suggested_on_earth_check"),
        ),
        sa.ForeignKeyConstraint(
            ["answered_by"], ["account.id"], name=op.f("location_report_answered_by_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["site_id"], ["site.id"], name=op.f("location_report_site_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("location_report_pkey")),
        sa.UniqueConstraint("site_id", "request_key", name="location_report_once"),
    )
    op.create_index(
        "location_report_open_idx",
        "location_report",
        ["site_id"],
        unique=False,
        postgresql_where=sa.text("status = 'open'"),
    )
    op.create_table(
        "site_photo",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("digest", sqlmodel.sql.sqltypes.AutoString(length=64), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("caption", sqlmodel.sql.sqltypes.AutoString(length=120), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "digest ~ '^[0-9a-f]{64}$'", name=op.f("site_photo_digest_hexadecimal_check")
        ),
        sa.CheckConstraint("position >= 0", name=op.f("site_photo_position_not_negative_check")),
        sa.CheckConstraint("width > 0 AND height > 0", name=op.f("site_photo_size_positive_check")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("site_photo_site_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("site_photo_pkey")),
    )
    op.create_index(
        "site_photo_site_id_digest_key", "site_photo", ["site_id", "digest"], unique=True
    )
    op.create_index(
        "site_photo_site_id_position_idx", "site_photo", ["site_id", "position"], unique=False
    )
    op.create_table(
        "dropped_photo",
        sa.Column("digest", sqlmodel.sql.sqltypes.AutoString(length=64), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("dropped_photo_pkey")),
    )
    op.create_table(
        "guide_duty",
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("guide_id", sa.Uuid(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        postgresql.ExcludeConstraint(
            (sa.literal_column("guide_id"), "="),
            (sa.text("tstzrange(starts_at, ends_at)"), "&&"),
            using="gist",
            name="guide_duty_no_overlap",
        ),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("guide_duty_times_in_order_check")),
        sa.ForeignKeyConstraint(
            ["booking_id"], ["booking.id"], name=op.f("guide_duty_booking_id_fkey")
        ),
        sa.ForeignKeyConstraint(["guide_id"], ["guide.id"], name=op.f("guide_duty_guide_id_fkey")),
        sa.PrimaryKeyConstraint("booking_id", name=op.f("guide_duty_pkey")),
    )
    op.add_column(
        "programme",
        sa.Column(
            "roles",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'"),
            nullable=False,
        ),
    )
    op.add_column(
        "programme",
        sa.Column(
            "steps",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'"),
            nullable=False,
        ),
    )
    op.add_column(
        "programme",
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
    )
    op.add_column(
        "programme", sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False)
    )
    op.add_column(
        "site",
        sa.Column("status_reason", sqlmodel.sql.sqltypes.AutoString(length=200), nullable=True),
    )
    op.add_column(
        "site", sa.Column("source_note", sqlmodel.sql.sqltypes.AutoString(length=80), nullable=True)
    )
    op.add_column("site", sa.Column("gate_longitude", sa.Float(), nullable=True))
    op.add_column("site", sa.Column("gate_latitude", sa.Float(), nullable=True))
    op.add_column("site", sa.Column("outside_confirmed_by", sa.Uuid(), nullable=True))
    op.add_column(
        "site", sa.Column("phone_confirmed_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column("site", sa.Column("phone_confirmed_by", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("site_phone_confirmed_by_fkey"), "site", "account", ["phone_confirmed_by"], ["id"]
    )
    op.create_foreign_key(
        op.f("site_outside_confirmed_by_fkey"), "site", "account", ["outside_confirmed_by"], ["id"]
    )
    op.add_column(
        "venue", sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False)
    )
    op.add_column(
        "opening_rule",
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
    )
    op.add_column(
        "venue", sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False)
    )
    for table, rules in CHECKS.items():
        for name, rule in rules.items():
            op.create_check_constraint(op.f(name), table, rule)
    for table, hidden in AUDITED.items():
        op.execute(
            f"CREATE CONSTRAINT TRIGGER {table}_audit AFTER INSERT OR UPDATE OR DELETE ON {table}"
            " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
            f" EXECUTE FUNCTION audit_change('{hidden}', '')"
        )


def downgrade() -> None:
    for table, rules in CHECKS.items():
        for name in rules:
            op.drop_constraint(op.f(name), table, type_="check")
    op.drop_column("opening_rule", "version")
    op.drop_column("venue", "version")
    op.drop_column("venue", "active")
    op.drop_constraint(op.f("site_outside_confirmed_by_fkey"), "site", type_="foreignkey")
    op.drop_constraint(op.f("site_phone_confirmed_by_fkey"), "site", type_="foreignkey")
    op.drop_column("site", "phone_confirmed_by")
    op.drop_column("site", "phone_confirmed_at")
    op.drop_column("site", "outside_confirmed_by")
    op.drop_column("site", "gate_latitude")
    op.drop_column("site", "gate_longitude")
    op.drop_column("site", "source_note")
    op.drop_column("site", "status_reason")
    op.drop_column("programme", "version")
    op.drop_column("programme", "active")
    op.drop_column("programme", "steps")
    op.drop_column("programme", "roles")
    op.drop_table("guide_duty")
    op.drop_table("made_ahead")
    op.drop_table("dropped_photo")
    op.drop_index("site_photo_site_id_position_idx", table_name="site_photo")
    op.drop_index("site_photo_site_id_digest_key", table_name="site_photo")
    op.drop_table("site_photo")
    op.drop_index(
        "location_report_open_idx",
        table_name="location_report",
        postgresql_where=sa.text("status = 'open'"),
    )
    op.drop_geospatial_table("location_report")
    op.drop_index(op.f("guide_site_id_idx"), table_name="guide")
    op.drop_table("guide")
    op.drop_index("unmet_search_same_key", table_name="unmet_search")
    op.drop_table("unmet_search")
