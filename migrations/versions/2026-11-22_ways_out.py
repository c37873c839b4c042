"""tokens that providers lend us, and consents to messages in WeChat"""

import sqlalchemy as sa
from alembic import op

revision = "b5d2e8c4a6f1"
down_revision = "a7c1e5f9b3d2"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "provider_token",
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("token_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(token_sealed IS NULL) = (expires_at IS NULL)",
            name=op.f("provider_token_whole_check"),
        ),
        sa.PrimaryKeyConstraint("provider", name=op.f("provider_token_pkey")),
    )
    op.create_table(
        "wechat_grant",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("template_id", sa.String(), nullable=False),
        sa.Column("remaining", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "remaining BETWEEN 0 AND 1000", name=op.f("wechat_grant_remaining_check")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("wechat_grant_account_id_fkey")
        ),
        sa.PrimaryKeyConstraint("account_id", "template_id", name=op.f("wechat_grant_pkey")),
    )


def downgrade() -> None:
    op.drop_table("wechat_grant")
    op.drop_table("provider_token")
