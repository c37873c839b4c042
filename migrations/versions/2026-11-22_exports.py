"""exports that are made while nobody waits"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "b4e7d2a9c6f1"
down_revision = "c4e8a2f6d1b7"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "export",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("media", sa.String(length=8), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("until", sa.Date(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rows_total", sa.Integer(), nullable=True),
        sa.Column("rows_done", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("scope", postgresql.ARRAY(sa.Uuid()), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('waiting', 'running', 'done', 'failed')",
            name=op.f("export_state_known_check"),
        ),
        sa.CheckConstraint("since < until", name=op.f("export_dates_in_order_check")),
        sa.CheckConstraint("rows_done >= 0 AND attempt >= 0", name=op.f("export_counts_check")),
        sa.CheckConstraint(
            "(state = 'running') = (lease_until IS NOT NULL)",
            name=op.f("export_running_has_lease_check"),
        ),
        sa.CheckConstraint(
            "state <> 'done' OR num_nulls(size_bytes, sha256, scope, finished_at) = 0",
            name=op.f("export_done_has_file_check"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("export_account_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("export_pkey")),
    )
    op.create_index(
        "export_due_idx",
        "export",
        ["id"],
        postgresql_where=sa.text("state IN ('waiting', 'running')"),
    )
    op.create_index("export_account_id_idx", "export", ["account_id", "id"])
    op.create_index("export_expires_at_idx", "export", ["expires_at"])


def downgrade() -> None:
    op.drop_table("export")
