"""tariff"""

import sqlalchemy as sa
from alembic import op

revision = "f2a6c9d4e1b8"
down_revision = "f3a7c9d2b5e8"

RULE_CHECKS = {
    "subsidy_rule_dates_in_order_check": "valid_from <= valid_to",
    "subsidy_rule_not_negative_check": "least(base_fen, per_head_fen, head_cap, visit_cap_fen,"
    " site_month_cap_fen, branch_year_cap_fen) >= 0",
    "subsidy_rule_version_counts_check": "version >= 1",
    "subsidy_rule_category_known_check": "category IN ('rural', 'urban', 'two_new', 'general')",
    "subsidy_rule_programme_kind_known_check": "programme_kind IN ('visit', 'guided_tour', 'oath',"
    " 'lecture', 'training_case', 'meeting', 'volunteering')",
    "subsidy_rule_sector_known_check": "sector IN ('rural', 'urban', 'two_new', 'government',"
    " 'education', 'health', 'state_owned')",
}
OLD_CHECKS = {
    "subsidy_rule_dates_in_order_check": "valid_from < valid_to",
    "subsidy_rule_not_negative_check": "least(base_fen, per_head_fen, head_cap, visit_cap_fen) >= 0",
}


def _replace(old: dict[str, str], new: dict[str, str]) -> None:
    for name in old:
        op.execute(f"ALTER TABLE subsidy_rule DROP CONSTRAINT {name}")
    for name, condition in new.items():
        op.execute(f"ALTER TABLE subsidy_rule ADD CONSTRAINT {name} CHECK ({condition})")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("subsidy_rule", sa.Column("site_month_cap_fen", sa.BigInteger(), nullable=True))
    op.add_column("subsidy_rule", sa.Column("branch_year_cap_fen", sa.BigInteger(), nullable=True))
    op.add_column("subsidy_rule", sa.Column("made_by", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("subsidy_rule_made_by_fkey"), "subsidy_rule", "account", ["made_by"], ["id"]
    )
    _replace(OLD_CHECKS, RULE_CHECKS)
    op.execute(
        "CREATE TRIGGER subsidy_rule_append_only BEFORE UPDATE OR DELETE OR TRUNCATE"
        " ON subsidy_rule FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
    )
    op.execute("REVOKE UPDATE, DELETE ON subsidy_rule FROM party_map_service")
    for table in ("subsidy", "site"):
        column = sa.Column("ticketed", sa.Boolean(), nullable=False, server_default=sa.false())
        op.add_column(table, column)
        op.alter_column(table, "ticketed", server_default=None)


def downgrade() -> None:
    for table in ("site", "subsidy"):
        op.drop_column(table, "ticketed")
    op.execute("GRANT UPDATE, DELETE ON subsidy_rule TO party_map_service")
    op.execute("DROP TRIGGER subsidy_rule_append_only ON subsidy_rule")
    _replace(RULE_CHECKS, OLD_CHECKS)
    for column in ("made_by", "branch_year_cap_fen", "site_month_cap_fen"):
        op.drop_column("subsidy_rule", column)
