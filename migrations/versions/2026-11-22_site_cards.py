"""site cards"""

from alembic import op

revision = "b1c4d2e7a9f3"
down_revision = "6576b8dffb1d"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
