"""what everybody may know of the use of sites"""

import sqlalchemy as sa
from alembic import op

revision = "b9e4c7d1a5f2"
down_revision = "a6d1f9c4e2b7"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "public_figure",
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("visits", sa.Integer(), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "extract(day FROM month) = 1", name=op.f("public_figure_month_begins_check")
        ),
        sa.CheckConstraint("visits > 0 AND people >= 0", name=op.f("public_figure_counts_check")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("public_figure_site_id_fkey")),
        sa.PrimaryKeyConstraint("site_id", "month", name=op.f("public_figure_pkey")),
    )


def downgrade() -> None:
    op.drop_table("public_figure")
