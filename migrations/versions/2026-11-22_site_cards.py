"""site cards"""

import sqlalchemy as sa
import sqlmodel
from alembic import op
from geoalchemy2 import Geometry

revision = "b1c4d2e7a9f3"
down_revision = "6576b8dffb1d"

FUNCTIONS = {
    "site_card_note_site": """
BEGIN
    INSERT INTO site_card_stale (site_id, location) VALUES (coalesce(NEW.id, OLD.id), NEW.location);
    RETURN NULL;
END
""",
    "site_card_note_part": """
BEGIN
    INSERT INTO site_card_stale (site_id)
    SELECT DISTINCT id FROM (VALUES (OLD.site_id), (NEW.site_id)) AS touched (id)
    WHERE id IS NOT NULL;
    RETURN NULL;
END
""",
    "site_card_note_parts": """
BEGIN
    INSERT INTO site_card_stale (site_id) SELECT DISTINCT site_id FROM touched;
    RETURN NULL;
END
""",
    "site_card_note_town": """
BEGIN
    INSERT INTO site_card_stale (site_id) SELECT id FROM site WHERE town_id = NEW.id;
    RETURN NULL;
END
""",
    "site_card_note_policy": """
BEGIN
    INSERT INTO site_card_stale (site_id)
    SELECT s.id FROM site s
    WHERE (s.district_id = NEW.district_id AND s.id = coalesce(NEW.site_id, s.id))
        OR (s.district_id = OLD.district_id AND s.id = coalesce(OLD.site_id, s.id));
    RETURN NULL;
END
""",
    "site_card_note_all": """
BEGIN
    INSERT INTO site_card_stale (site_id) SELECT id FROM site WHERE status = 'published';
    RETURN NULL;
END
""",
}
FREE = (
    "({0}.groups_held < {0}.groups_limit AND {0}.people_held < {0}.people_limit"
    " AND {0}.closed_reason IS NULL)"
)
TRIGGERS = {
    "site": {
        "site_card_note": "AFTER INSERT OR UPDATE OR DELETE ON site"
        " FOR EACH ROW EXECUTE FUNCTION site_card_note_site()"
    },
    "organisation": {
        "site_card_note": "AFTER UPDATE ON organisation FOR EACH ROW"
        " WHEN (OLD.place IS DISTINCT FROM NEW.place) EXECUTE FUNCTION site_card_note_town()"
    },
    "review": {
        "site_card_note": "AFTER INSERT OR UPDATE OR DELETE ON review"
        " FOR EACH ROW EXECUTE FUNCTION site_card_note_part()"
    },
    "site_photo": {
        "site_card_note": "AFTER INSERT OR UPDATE OR DELETE ON site_photo"
        " FOR EACH ROW EXECUTE FUNCTION site_card_note_part()"
    },
    "policy": {
        "site_card_note": "AFTER INSERT OR UPDATE OR DELETE ON policy"
        " FOR EACH ROW EXECUTE FUNCTION site_card_note_policy()"
    },
    "holiday": {
        "site_card_note": "AFTER INSERT OR UPDATE OR DELETE ON holiday"
        " FOR EACH STATEMENT EXECUTE FUNCTION site_card_note_all()"
    },
    "venue_session": {
        "site_card_note_made": "AFTER INSERT ON venue_session REFERENCING NEW TABLE AS touched"
        " FOR EACH STATEMENT EXECUTE FUNCTION site_card_note_parts()",
        "site_card_note_removed": "AFTER DELETE ON venue_session REFERENCING OLD TABLE AS touched"
        " FOR EACH STATEMENT EXECUTE FUNCTION site_card_note_parts()",
        "site_card_note_changed": "AFTER UPDATE ON venue_session FOR EACH ROW"
        f" WHEN ({FREE.format('OLD')} <> {FREE.format('NEW')}"
        " OR OLD.starts_at <> NEW.starts_at OR OLD.site_id <> NEW.site_id)"
        " EXECUTE FUNCTION site_card_note_part()",
    },
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_geospatial_table(
        "site_card",
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.Column("category", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("name", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("short_name", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
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
        sa.Column("next_free_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("feature", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("digest", sa.BigInteger(), nullable=False),
        sa.Column("good_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("good_until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id"], ["site.id"], name=op.f("site_card_site_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("site_id", name=op.f("site_card_pkey")),
    )
    op.create_index(
        "site_card_location_idx", "site_card", ["location"], unique=False, postgresql_using="gist"
    )
    op.create_index("site_card_good_until_idx", "site_card", ["good_until"], unique=False)
    op.create_geospatial_table(
        "site_card_stale",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
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
        sa.PrimaryKeyConstraint("id", name=op.f("site_card_stale_pkey")),
    )
    op.create_index("site_card_stale_site_id_idx", "site_card_stale", ["site_id"], unique=False)
    op.create_index(
        "site_card_stale_location_idx",
        "site_card_stale",
        ["location"],
        unique=False,
        postgresql_using="gist",
    )
    for name, body in FUNCTIONS.items():
        op.execute(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $${body}$$")
    for triggers in TRIGGERS.values():
        for name, what in triggers.items():
            op.execute(f"CREATE TRIGGER {name} {what}")
    # Sites that were there before have no card yet.
    op.execute("INSERT INTO site_card_stale (site_id, location) SELECT id, location FROM site")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table, triggers in TRIGGERS.items():
        for name in triggers:
            op.execute(f"DROP TRIGGER {name} ON {table}")
    for name in FUNCTIONS:
        op.execute(f"DROP FUNCTION {name}()")
    op.drop_index(
        "site_card_stale_location_idx", table_name="site_card_stale", postgresql_using="gist"
    )
    op.drop_index("site_card_stale_site_id_idx", table_name="site_card_stale")
    op.drop_geospatial_table("site_card_stale")
    op.drop_index("site_card_good_until_idx", table_name="site_card")
    op.drop_index("site_card_location_idx", table_name="site_card", postgresql_using="gist")
    op.drop_geospatial_table("site_card")
