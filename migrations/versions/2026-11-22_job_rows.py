"""rows that jobs fail on, the beat of each job"""

import sqlalchemy as sa
from alembic import op

revision = "c3e9a5d1f7b4"
down_revision = "b4e7d2a9c6f1"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "job_row",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("job", sa.String(length=40), nullable=False),
        sa.Column("row_id", sa.Uuid(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_at", INSTANT, nullable=False),
        sa.Column("last_error", sa.String(length=500), nullable=False),
        sa.Column("parked_at", INSTANT, nullable=True),
        sa.CheckConstraint("attempts >= 1", name=op.f("job_row_attempts_counted_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("job_row_pkey")),
        sa.UniqueConstraint("job", "row_id", name="job_row_once"),
    )
    # What tells that a database is behind; made before tables were granted by themselves.
    op.execute("GRANT SELECT ON alembic_version TO party_map_service")
    op.create_table(
        "job_beat",
        sa.Column("job", sa.String(length=40), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("known_since", INSTANT, nullable=False),
        sa.Column("last_started_at", INSTANT, nullable=True),
        sa.Column("last_finished_at", INSTANT, nullable=True),
        sa.Column("last_ok_at", INSTANT, nullable=True),
        sa.Column("last_error", sa.String(length=500), nullable=True),
        sa.Column("touched", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("failed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("job", name=op.f("job_beat_pkey")),
    )


def downgrade() -> None:
    op.execute("REVOKE SELECT ON alembic_version FROM party_map_service")
    op.drop_table("job_beat")
    op.drop_table("job_row")
