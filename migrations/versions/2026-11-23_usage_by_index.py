"""statistics: sums of a site over all homes; what came, and from where, is read in indexes alone"""

import sqlalchemy as sa
from alembic import op

revision = "e7a1c4d9b2f6"
down_revision = "d9a3c6f2b8e5"

HOME = ("usage_cell_home_id_grain_day_idx", "usage_cell", ["home_id", "grain", "day"])
EVERY_HOME = "'00000000-0000-0000-0000-000000000000'"
OF_ONE = ("f.day::timestamp)::date, f.home_id", "('month')) g (grain)")
OF_ALL = (
    "f.day::timestamp)::date, h.home_id",
    f"('month')) g (grain) CROSS JOIN LATERAL (VALUES (f.home_id), ({EVERY_HOME})) h (home_id)",
)
OF = """\
CREATE FUNCTION usage_of(ids uuid[]) RETURNS SETOF usage_fact LANGUAGE plpgsql STABLE ROWS 100 AS $$
BEGIN
    IF cardinality(ids) > 0 THEN
        RETURN QUERY SELECT * FROM usage_live() u WHERE u.booking_id = ANY(ids);
    END IF;
END
$$"""


def rewrite(were: tuple[str, ...], become: tuple[str, ...]) -> None:
    bind = op.get_bind()
    for name in ("usage_fold", "usage_rebuild"):
        found = sa.text("SELECT pg_get_functiondef(CAST(:name AS regproc))")
        source = bind.execute(found, {"name": name}).scalar_one()
        for old, new in zip(were, become, strict=True):
            source = source.replace(old, new)
        bind.exec_driver_sql(source)
    op.execute("SELECT usage_rebuild()")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index(
        "usage_fact_came_idx",
        "usage_fact",
        ["organisation_id", "day"],
        postgresql_include=["booking_id", "site_id"],
        postgresql_where=sa.text("visits > 0"),
    )
    op.drop_index(HOME[0], HOME[1])
    op.create_index(*HOME, postgresql_include=["site_id"])
    op.create_index(
        "usage_cell_site_id_grain_day_idx",
        "usage_cell",
        ["site_id", "grain", "day"],
        postgresql_where=sa.text(f"home_id = {EVERY_HOME}"),
    )
    op.execute(sa.text(OF.replace(":", "\\:")))
    rewrite(OF_ONE, OF_ALL)


def downgrade() -> None:
    rewrite(OF_ALL, OF_ONE)
    op.execute("DROP FUNCTION usage_of(uuid[])")
    op.drop_index("usage_cell_site_id_grain_day_idx", "usage_cell")
    op.drop_index(HOME[0], HOME[1])
    op.create_index(*HOME)
    op.drop_index("usage_fact_came_idx", "usage_fact")
