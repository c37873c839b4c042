"""statistics: the days on which organisations came, and sums of years"""

# ruff: noqa: S608 - names of our own, nothing anybody sent

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import BIT

revision = "c7f2a9e4b6d1"
down_revision = "b9e4c7d1a5f2"

GRAIN = "grain IN ('day', 'month')", "grain IN ('day', 'month', 'year')"
OF_YEAR = "f.home_id, extract(year FROM f.day)::integer AS year, f.organisation_id"
OF_DAY = "set_bit(B'0'::bit(366), extract(doy FROM f.day)::integer - 1, 1)"
GRAINS = "('month')) g (grain)", "('month'), ('year')) g (grain)"
FOLD = (
    GRAINS,
    (
        "    ), gone AS (",
        """\
    ), changed AS (
        SELECT 1 AS sign, n.* FROM fresh n UNION ALL SELECT -1, o.* FROM before o
    ), gone AS (""",
    ),
    (
        """\
        FROM (SELECT 1 AS sign, n.* FROM fresh n UNION ALL SELECT -1, o.* FROM before o) f
        CROSS JOIN""",
        "        FROM changed f CROSS JOIN",
    ),
    (
        """
    )
    SELECT count(*) INTO folded""",
        f"""
    ), came AS (
        SELECT {OF_YEAR}, {OF_DAY} AS day,
            bool_or(f.sign = 1 AND f.visits > 0) OR EXISTS (
                SELECT FROM usage_fact k WHERE k.organisation_id = f.organisation_id
                AND k.day = f.day AND k.home_id = f.home_id AND k.visits > 0
                AND k.booking_id NOT IN (SELECT booking_id FROM touched)) AS still
        FROM changed f GROUP BY f.home_id, f.organisation_id, f.day
    ), told AS (
        INSERT INTO usage_days (home_id, year, organisation_id, days)
        SELECT home_id, year, organisation_id, (coalesce(d.days, B'0'::bit(366)) & ~bit_or(c.day))
            | coalesce(bit_or(c.day) FILTER (WHERE c.still), B'0'::bit(366))
        FROM came c LEFT JOIN usage_days d USING (home_id, year, organisation_id)
        GROUP BY home_id, year, organisation_id, d.days
        ON CONFLICT (home_id, year, organisation_id) DO UPDATE SET days = excluded.days
    )
    SELECT count(*) INTO folded""",
    ),
)
REBUILD = (
    GRAINS,
    ("    DELETE FROM usage_cell;", "    DELETE FROM usage_days;\n    DELETE FROM usage_cell;"),
    (
        "\n    RETURN counted;",
        f"""
    INSERT INTO usage_days (home_id, year, organisation_id, days)
    SELECT {OF_YEAR}, bit_or({OF_DAY}) AS days FROM usage_fact f WHERE f.visits > 0
    GROUP BY 1, 2, 3;
    RETURN counted;""",
    ),
)


def rewrite(*, back: bool) -> None:
    bind = op.get_bind()
    for name, changes in (("usage_fold", FOLD), ("usage_rebuild", REBUILD)):
        found = sa.text("SELECT pg_get_functiondef(CAST(:name AS regproc))")
        source = bind.execute(found, {"name": name}).scalar_one()
        for change in changes:
            source = source.replace(*(reversed(change) if back else change))
        bind.exec_driver_sql(source)
    grain = GRAIN[0] if back else GRAIN[1]
    op.drop_constraint(op.f("usage_cell_grain_known_check"), "usage_cell")
    if back:
        op.execute("DELETE FROM usage_cell WHERE grain = 'year'")
    op.create_check_constraint(op.f("usage_cell_grain_known_check"), "usage_cell", grain)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "usage_days",
        sa.Column("home_id", sa.Uuid(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("days", BIT(366), nullable=False),
        sa.PrimaryKeyConstraint("home_id", "year", "organisation_id", name=op.f("usage_days_pkey")),
    )
    op.execute("REVOKE INSERT, UPDATE, DELETE ON usage_days FROM party_map_service")
    rewrite(back=False)
    op.execute("SELECT usage_rebuild()")


def downgrade() -> None:
    rewrite(back=True)
    op.drop_table("usage_days")
