"""site words"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "c7e2f5a8b4d1"
down_revision = "b1c4d2e7a9f3"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "site_words",
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(collation="C"), nullable=False),
        sa.Column("short_name", sa.String(collation="C"), nullable=False),
        sa.Column("sound", sa.String(collation="C"), nullable=False),
        sa.Column("others", sa.String(), nullable=False),
        sa.Column("lot", sa.Integer(), nullable=False),
        sa.Column("grams", postgresql.TSVECTOR(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id"], ["site.id"], name=op.f("site_words_site_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("site_id", name=op.f("site_words_pkey")),
    )
    op.create_index("site_words_name_idx", "site_words", ["name"])
    op.create_index("site_words_short_name_idx", "site_words", ["short_name"])
    op.create_index("site_words_sound_site_id_idx", "site_words", ["sound", "site_id"])
    op.create_index("site_words_lot_site_id_idx", "site_words", ["lot", "site_id"])
    op.create_index("site_words_grams_idx", "site_words", ["grams"], postgresql_using="gin")
    op.create_index(
        "site_words_sound_idx",
        "site_words",
        ["sound"],
        postgresql_using="gin",
        postgresql_ops={"sound": "gin_trgm_ops"},
    )


def downgrade() -> None:
    op.drop_table("site_words")
