"""notifications say from when on they would tell nothing"""

import sqlalchemy as sa
from alembic import op

revision = "a7c1e5f9b3d2"
down_revision = "f1d7a3c9b5e4"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "notification", sa.Column("useless_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.create_check_constraint(
        op.f("notification_useless_later_check"), "notification", "useless_at > due_at"
    )


def downgrade() -> None:
    op.drop_column("notification", "useless_at")
