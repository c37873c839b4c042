"""letters by the ways people chose, and what became of each"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "b8d2f6a0c4e7"
down_revision = "d8b2f6c4a1e9"

UNDELIVERED = "notification_undelivered_idx"


def _watch_identities(hidden: str) -> None:
    op.execute("DROP TRIGGER identity_audit ON identity")
    op.execute(
        "CREATE CONSTRAINT TRIGGER identity_audit AFTER INSERT OR UPDATE OR DELETE ON identity"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
        f" EXECUTE FUNCTION audit_change('{hidden}', '')"
    )


def _instant(name: str, *, nullable: bool = True) -> sa.Column[sa.DateTime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _row() -> list[sa.Column]:
    born = sa.DateTime(timezone=True)
    return [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", born, server_default=sa.text("now()"), nullable=False),
    ]


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("identity", sa.Column("subject_sealed", sa.LargeBinary(), nullable=True))
    _watch_identities("subject_hash,subject_sealed")
    op.add_column("notification", _instant("missed_at"))
    op.create_check_constraint(
        op.f("notification_not_both_check"),
        "notification",
        "num_nulls(delivered_at, missed_at) > 0",
    )
    op.drop_index(UNDELIVERED, table_name="notification")
    op.create_index(
        UNDELIVERED,
        "notification",
        ["due_at"],
        postgresql_where=sa.text("delivered_at IS NULL AND missed_at IS NULL"),
    )
    _make_deliveries()
    _make_choices()


def _make_deliveries() -> None:
    string = sqlmodel.sql.sqltypes.AutoString()
    references = {
        "notification_id": "notification.id",
        "account_id": "account.id",
        "district_id": "organisation.id",
        "letter_id": "delivery.id",
    }
    gone = {"notification_id": "CASCADE", "letter_id": "CASCADE"}
    checks = {
        "channel_known": "channel IN ('inbox', 'wechat', 'sms', 'email', 'wecom')",
        "status_known": "status IN ('waiting', 'leased', 'delivered', 'passed_on', 'failed',"
        " 'missed')",
        "leased_has_end": "(status = 'leased') = (lease_until IS NOT NULL)",
        "settled_has_date": "(status IN ('waiting', 'leased')) = (settled_at IS NULL)",
        "unsent_has_reason": "CASE WHEN status IN ('passed_on', 'failed', 'missed')"
        " THEN reason IS NOT NULL WHEN status = 'delivered' THEN reason IS NULL ELSE TRUE END",
        "counts": "least(attempts, fence) >= 0",
    }
    op.create_table(
        "delivery",
        *_row(),
        *(sa.Column(name, sa.Uuid(), nullable=name == "district_id") for name in references),
        sa.Column("channel", string, nullable=False),
        sa.Column("gathered", sa.Boolean(), nullable=False),
        sa.Column("status", string, nullable=False),
        sa.Column("reason", string, nullable=True),
        _instant("due_at", nullable=False),
        _instant("next_attempt_at", nullable=False),
        _instant("lease_until"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("provider_id", string, nullable=True),
        sa.Column("last_error", string, nullable=True),
        _instant("settled_at"),
        *(
            sa.ForeignKeyConstraint(
                [name], [key], name=op.f(f"delivery_{name}_fkey"), ondelete=gone.get(name)
            )
            for name, key in references.items()
        ),
        *(
            sa.CheckConstraint(rule, name=op.f(f"delivery_{name}_check"))
            for name, rule in checks.items()
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("delivery_pkey")),
    )
    op.create_index("delivery_once", "delivery", ["notification_id", "channel"], unique=True)
    op.create_index("delivery_letter_id_idx", "delivery", ["letter_id"])
    partial = {
        "delivery_owed_idx": (
            ["channel", "due_at", "id"],
            "status IN ('waiting', 'leased') AND letter_id = id",
        ),
        "delivery_gathering_idx": (["account_id", "channel"], "status = 'waiting' AND gathered"),
        "delivery_outbox_idx": (["district_id", "id"], "status NOT IN ('delivered', 'passed_on')"),
    }
    for name, (columns, where) in partial.items():
        op.create_index(name, "delivery", columns, postgresql_where=sa.text(where))


def _make_choices() -> None:
    string = sqlmodel.sql.sqltypes.AutoString()
    checks = {
        "channel_known": "channel IN ('inbox', 'wechat', 'sms', 'email', 'wecom')",
        "inbox_is_no_choice": "channel <> 'inbox'",
        "address_where_needed": "(channel IN ('email', 'wecom')) = (address_sealed IS NOT NULL)",
        "place_counts": "place >= 0",
    }
    op.create_table(
        "channel_choice",
        *_row(),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("channel", string, nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("address_sealed", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("channel_choice_account_id_fkey")
        ),
        *(
            sa.CheckConstraint(rule, name=op.f(f"channel_choice_{name}_check"))
            for name, rule in checks.items()
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("channel_choice_pkey")),
    )
    op.create_index("channel_choice_once", "channel_choice", ["account_id", "channel"], unique=True)
    op.execute(
        "CREATE CONSTRAINT TRIGGER channel_choice_audit AFTER INSERT OR UPDATE OR DELETE"
        " ON channel_choice DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
        " EXECUTE FUNCTION audit_change('address_sealed', '')"
    )


def downgrade() -> None:
    op.drop_table("channel_choice")
    op.drop_table("delivery")
    op.drop_index(UNDELIVERED, table_name="notification")
    op.drop_constraint(op.f("notification_not_both_check"), "notification")
    op.drop_column("notification", "missed_at")
    op.create_index(
        UNDELIVERED,
        "notification",
        ["due_at"],
        postgresql_where=sa.text("delivered_at IS NULL"),
    )
    _watch_identities("subject_hash")
    op.drop_column("identity", "subject_sealed")
