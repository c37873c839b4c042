"""statistics of grams"""

from alembic import op

revision = "f1d7a3c9b5e4"
down_revision = "f2a6c9d4e1b8"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    # Of a site's two hundred grams the commonest thousand of all are mostly syllables; what one of
    # a hundred sites has in its name should be known too.
    op.execute("ALTER TABLE site_words ALTER COLUMN grams SET STATISTICS 300")
    op.execute("ANALYZE site_words")


def downgrade() -> None:
    op.execute("ALTER TABLE site_words ALTER COLUMN grams SET STATISTICS -1")
