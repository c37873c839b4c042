"""site words"""

from alembic import op

revision = "c7e2f5a8b4d1"
down_revision = "b1c4d2e7a9f3"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
