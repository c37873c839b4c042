"""statistics: which branches came, by one look each"""

import sqlalchemy as sa
from alembic import op

revision = "e7a1c4d9b2f6"
down_revision = "d9a3c6f2b8e5"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index(
        "usage_fact_came_idx",
        "usage_fact",
        ["organisation_id", "day"],
        postgresql_include=["booking_id", "site_id"],
        postgresql_where=sa.text("visits > 0"),
    )


def downgrade() -> None:
    op.drop_index("usage_fact_came_idx", "usage_fact")
