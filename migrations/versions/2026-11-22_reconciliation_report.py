"""reports of the nightly reconciliation"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "d8b2f6c4a1e9"
down_revision = "c3e9a5d1f7b4"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "reconciliation_report",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.Column("findings", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint("found >= 0", name=op.f("reconciliation_report_found_counted_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("reconciliation_report_pkey")),
        sa.UniqueConstraint("day", name="reconciliation_report_once_a_day"),
    )


def downgrade() -> None:
    op.drop_table("reconciliation_report")
