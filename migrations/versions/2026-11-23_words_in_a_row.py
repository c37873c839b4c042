"""search: names are passed by within an index, and grams lie beside them"""

from alembic import op

revision = "d3b8e5f1a9c4"
down_revision = "c7f2a9e4b6d1"

LOT = ("site_words_lot_site_id_idx", "site_words", ["lot", "site_id"])


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index(LOT[0], LOT[1])
    op.create_index(*LOT, postgresql_include=["name", "short_name"])
    op.execute("ALTER TABLE site_words SET (toast_tuple_target = 4080)")


def downgrade() -> None:
    op.execute("ALTER TABLE site_words RESET (toast_tuple_target)")
    op.drop_index(LOT[0], LOT[1])
    op.create_index(*LOT)
