"""what went wrong with an export"""

import sqlalchemy as sa
from alembic import op

revision = "e7b1d4f8a2c6"
down_revision = "c3e8b1d7f5a4"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("export", sa.Column("problem", sa.String(length=60), nullable=True))
    # Those that failed before either lost their role or were left; it was not told apart.
    op.execute("UPDATE export SET problem = 'export-left' WHERE state = 'failed'")
    op.create_check_constraint(
        op.f("export_failed_has_problem_check"),
        "export",
        "state <> 'failed' OR problem IS NOT NULL",
    )


def downgrade() -> None:
    op.drop_column("export", "problem")
