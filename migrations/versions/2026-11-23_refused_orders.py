"""orders refused for want of room"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "a6d1f9c4e2b7"
down_revision = "e7a1c4d9b2f6"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "refused_order",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("refused_on", sa.Date(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("wanted_on", sa.Date(), nullable=False),
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("rule", sqlmodel.AutoString(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.CheckConstraint("hour BETWEEN 0 AND 23", name=op.f("refused_order_hour_of_day_check")),
        sa.CheckConstraint("people BETWEEN 1 AND 10000", name=op.f("refused_order_people_check")),
        sa.CheckConstraint("times > 0", name=op.f("refused_order_times_positive_check")),
        sa.CheckConstraint(
            "rule IN ('session-full', 'guide-not-free')",
            name=op.f("refused_order_rule_known_check"),
        ),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("refused_order_site_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("refused_order_pkey")),
    )
    op.create_index(
        "refused_order_same_idx",
        "refused_order",
        ["refused_on", "site_id", "wanted_on", "hour", "people", "rule"],
    )


def downgrade() -> None:
    op.drop_table("refused_order")
