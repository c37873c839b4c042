"""statistics: districts and towns by an index of their own, days of a year within theirs"""

import sqlalchemy as sa
from alembic import op

revision = "a6d4f8b2c7e3"
down_revision = "d3b8e5f1a9c4"

KEY = """
    ALTER TABLE usage_days DROP CONSTRAINT usage_days_pkey,
    ADD CONSTRAINT usage_days_pkey PRIMARY KEY (home_id, year, organisation_id)"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index(
        "organisation_unit_path_idx",
        "organisation",
        ["path"],
        postgresql_using="gist",
        postgresql_where=sa.text("kind <> 'branch'"),
    )
    op.execute(f"{KEY} INCLUDE (days)")


def downgrade() -> None:
    op.execute(KEY)
    op.drop_index("organisation_unit_path_idx")
