"""calendar feeds"""

import sqlalchemy as sa
from alembic import op

revision = "e8b3d6f1a9c2"
down_revision = "d4f8a1c6e3b7"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "calendar_feed",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("token_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("calendar_feed_account_id_fkey")
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("calendar_feed_pkey")),
        sa.UniqueConstraint("token_hash", name=op.f("calendar_feed_token_hash_key")),
    )
    op.execute(
        "CREATE CONSTRAINT TRIGGER calendar_feed_audit AFTER INSERT OR UPDATE OR DELETE"
        " ON calendar_feed DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
        " EXECUTE FUNCTION audit_change('token_hash,token_sealed', '')"
    )


def downgrade() -> None:
    op.drop_table("calendar_feed")
