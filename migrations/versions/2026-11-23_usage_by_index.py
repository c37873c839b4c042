"""statistics: what came, and from where, is read in an index alone"""

import sqlalchemy as sa
from alembic import op

revision = "e7a1c4d9b2f6"
down_revision = "d9a3c6f2b8e5"

HOME = ("usage_cell_home_id_grain_day_idx", "usage_cell", ["home_id", "grain", "day"])


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


def downgrade() -> None:
    op.drop_index(HOME[0], HOME[1])
    op.create_index(*HOME)
    op.drop_index("usage_fact_came_idx", "usage_fact")
