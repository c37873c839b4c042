"""claim review"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "f3a7c9d2b5e8"
down_revision = "f2a6c9d4b7e1"

APPEND_ONLY = ("exception_look", "returned_line")
CHECKS = {
    "claim_submitter_is_not_reviewer_check": "submitted_by <> reviewed_by",
    "claim_submitter_is_not_approver_check": "submitted_by <> approved_by",
    "claim_submitter_is_not_payer_check": "submitted_by <> paid_by",
    "claim_reviewed_by_somebody_check": "(status IN ('reviewed', 'approved', 'paid')) = (reviewed_by IS NOT NULL)",
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "exception_look",
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("note", sqlmodel.sql.sqltypes.AutoString(length=500), nullable=False),
        sa.Column("looked_by", sa.Uuid(), nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('attended_above_expected', 'unconfirmed_by_branch', 'at_two_sites', 'just_under_threshold', 'reserved_too_long', 'ticketed_site')",
            name=op.f("exception_look_kind_known_check"),
        ),
        sa.ForeignKeyConstraint(
            ["booking_id"], ["booking.id"], name=op.f("exception_look_booking_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["looked_by"], ["account.id"], name=op.f("exception_look_looked_by_fkey")
        ),
        sa.PrimaryKeyConstraint("booking_id", "kind", name=op.f("exception_look_pkey")),
    )
    op.create_table(
        "returned_line",
        sa.Column("claim_id", sa.Uuid(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("people_attended", sa.Integer(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("reason", sqlmodel.sql.sqltypes.AutoString(length=500), nullable=False),
        sa.Column("returned_by", sa.Uuid(), nullable=False),
        sa.Column("returned_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["booking_id"], ["booking.id"], name=op.f("returned_line_booking_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["claim_id"], ["claim.id"], name=op.f("returned_line_claim_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["returned_by"], ["account.id"], name=op.f("returned_line_returned_by_fkey")
        ),
        sa.PrimaryKeyConstraint("claim_id", "booking_id", name=op.f("returned_line_pkey")),
    )
    op.create_index("returned_line_booking_id_idx", "returned_line", ["booking_id"], unique=False)
    op.create_unique_constraint("claim_voucher_once", "claim", ["fund_id", "voucher_number"])
    for name, holds in CHECKS.items():
        op.create_check_constraint(op.f(name), "claim", holds)
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE CONSTRAINT TRIGGER {table}_audit AFTER INSERT OR UPDATE OR DELETE ON {table}"
            " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_change('', '')"
        )
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
        )
        op.execute(f"REVOKE UPDATE, DELETE ON {table} FROM party_map_service")


def downgrade() -> None:
    for name in CHECKS:
        op.drop_constraint(op.f(name), "claim")
    op.drop_constraint("claim_voucher_once", "claim", type_="unique")
    op.drop_index("returned_line_booking_id_idx", table_name="returned_line")
    op.drop_table("returned_line")
    op.drop_table("exception_look")
