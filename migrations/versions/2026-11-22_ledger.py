"""ledger: one function posts, chained by hash; reversals and closed months"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "f2a6c9d4b7e1"
down_revision = "e8b3d6f1a9c2"

PAIRS = "(kind, from_account, to_account) IN (('appropriate', 'source', 'available'), ('reserve', 'available', 'reserved'), ('release', 'reserved', 'available'), ('top_up', 'available', 'payable'), ('commit', 'reserved', 'payable'), ('pay', 'payable', 'paid'), ('lapse', 'available', 'source'), ('reverse_appropriate', 'available', 'source'), ('reverse_commit', 'payable', 'reserved'), ('reverse_top_up', 'payable', 'available'), ('reverse_pay', 'paid', 'payable'))"
OLD_PAIRS = "(kind, from_account, to_account) IN (('appropriate', 'source', 'available'), ('reserve', 'available', 'reserved'), ('release', 'reserved', 'available'), ('top_up', 'available', 'payable'), ('commit', 'reserved', 'payable'), ('pay', 'payable', 'paid'))"

DIGEST = """\
CREATE FUNCTION ledger_digest(previous bytea, entry ledger_entry) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN sha256(previous || convert_to(jsonb_build_array(
        entry.id, entry.fund_id, entry.number, entry.kind, entry.from_account, entry.to_account,
        entry.amount_fen, entry.step, entry.booking_id, entry.claim_id, entry.document,
        entry.reverses_id, entry.booked_on, extract(epoch FROM entry.created_at))::text, 'UTF8'));
END
$$"""

POST = """\
CREATE FUNCTION ledger_post(
    wanted_fund uuid, wanted_kind text, wanted_fen bigint, wanted_step text,
    wanted_booking uuid, wanted_claim uuid, wanted_document text, wanted_reverses uuid,
    at timestamptz, OUT refusal text, OUT held_fen bigint, OUT entry ledger_entry
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    keeper fund;
    giver text;
    taker text;
BEGIN
    SELECT * INTO keeper FROM fund f WHERE f.id = wanted_fund FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        refusal := 'no fund';
        RETURN;
    END IF;
    SELECT * INTO entry FROM ledger_entry e WHERE e.step = wanted_step;
    IF FOUND THEN
        IF (entry.fund_id, entry.kind, entry.amount_fen, entry.booking_id, entry.claim_id,
            entry.document, entry.reverses_id) IS DISTINCT FROM
           (wanted_fund, wanted_kind, wanted_fen, wanted_booking, wanted_claim,
            wanted_document, wanted_reverses) THEN
            entry := NULL;
            refusal := 'differs';
        END IF;
        RETURN;
    END IF;
    entry.created_at := coalesce(at, now());
    entry.booked_on := (entry.created_at AT TIME ZONE 'Asia/Shanghai')::date;
    IF entry.booked_on <= keeper.closed_through THEN
        entry := NULL;
        refusal := 'closed';
        RETURN;
    END IF;
    SELECT k.giver, k.taker INTO giver, taker
    FROM (VALUES ('appropriate', 'source', 'available'), ('reserve', 'available', 'reserved'), ('release', 'reserved', 'available'), ('top_up', 'available', 'payable'), ('commit', 'reserved', 'payable'), ('pay', 'payable', 'paid'), ('lapse', 'available', 'source'), ('reverse_appropriate', 'available', 'source'), ('reverse_commit', 'payable', 'reserved'), ('reverse_top_up', 'payable', 'available'), ('reverse_pay', 'paid', 'payable')) k (kind, giver, taker) WHERE k.kind = wanted_kind;
    SELECT b.balance_fen INTO held_fen
    FROM fund_balance b WHERE b.fund_id = wanted_fund AND b.account = giver;
    IF giver <> 'source' AND held_fen < wanted_fen THEN
        entry := NULL;
        refusal := 'exhausted';
        RETURN;
    END IF;
    IF wanted_reverses IS NOT NULL AND NOT EXISTS (
        SELECT FROM ledger_entry e WHERE e.id = wanted_reverses
        AND (e.fund_id, 'reverse_' || e.kind, e.amount_fen, e.booking_id, e.claim_id)
            IS NOT DISTINCT FROM
            (wanted_fund, wanted_kind, wanted_fen, wanted_booking, wanted_claim)) THEN
        RAISE EXCEPTION 'this is no mirror image' USING ERRCODE = 'restrict_violation';
    END IF;
    entry.id := uuid7();
    entry.fund_id := wanted_fund;
    entry.number := keeper.last_number + 1;
    entry.kind := wanted_kind;
    entry.from_account := giver;
    entry.to_account := taker;
    entry.amount_fen := wanted_fen;
    entry.step := wanted_step;
    entry.booking_id := wanted_booking;
    entry.claim_id := wanted_claim;
    entry.document := wanted_document;
    entry.reverses_id := wanted_reverses;
    entry.booked_on := greatest(entry.booked_on, (
        SELECT e.booked_on FROM ledger_entry e
        WHERE e.fund_id = wanted_fund AND e.number = keeper.last_number));
    entry.hash := ledger_digest(keeper.head, entry);
    INSERT INTO ledger_entry VALUES (entry.*);
    UPDATE fund f SET last_number = entry.number, head = entry.hash WHERE f.id = wanted_fund;
    UPDATE fund_balance b
    SET balance_fen = b.balance_fen + CASE b.account WHEN taker THEN wanted_fen ELSE -wanted_fen END
    WHERE b.fund_id = wanted_fund AND b.account IN (giver, taker);
END
$$"""

OPENED = """\
CREATE FUNCTION ledger_open() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO fund_balance (fund_id, account, balance_fen)
    SELECT NEW.id, account, 0 FROM unnest('{source,available,reserved,payable,paid}'::text[]) AS account;
    RETURN NULL;
END
$$"""

GUARDED = (
    "CREATE TRIGGER fund_accounts AFTER INSERT ON fund FOR EACH ROW EXECUTE FUNCTION ledger_open()",
    "CREATE TRIGGER fund_stays_closed BEFORE UPDATE OF closed_through ON fund FOR EACH ROW WHEN (OLD.closed_through > coalesce(NEW.closed_through, '-infinity')) EXECUTE FUNCTION append_only()",
    "CREATE TRIGGER fund_kept BEFORE DELETE OR TRUNCATE ON fund FOR EACH STATEMENT EXECUTE FUNCTION append_only()",
    "CREATE TRIGGER fund_balance_kept BEFORE DELETE OR TRUNCATE ON fund_balance FOR EACH STATEMENT EXECUTE FUNCTION append_only()",
    "REVOKE INSERT, UPDATE, DELETE ON ledger_entry, fund_balance, fund FROM party_map_service",
    "GRANT INSERT (id, created_at, organisation_id, fiscal_year, name, when_exhausted, closed_through), UPDATE (name, when_exhausted, closed_through) ON fund TO party_map_service",
    "REVOKE EXECUTE ON FUNCTION ledger_post(uuid, text, bigint, text, uuid, uuid, text, uuid, timestamptz) FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION ledger_post(uuid, text, bigint, text, uuid, uuid, text, uuid, timestamptz) TO party_map_service",
)

CHAINED = """\
DO $$
DECLARE
    keeper fund;
    written ledger_entry;
BEGIN
    FOR keeper IN SELECT * FROM fund LOOP
        FOR written IN SELECT * FROM ledger_entry WHERE fund_id = keeper.id ORDER BY number LOOP
            written.booked_on := greatest(
                (written.created_at AT TIME ZONE 'Asia/Shanghai')::date,
                (SELECT max(booked_on) FROM ledger_entry
                 WHERE fund_id = keeper.id AND number < written.number));
            keeper.head := ledger_digest(keeper.head, written);
            UPDATE ledger_entry SET booked_on = written.booked_on, hash = keeper.head
            WHERE id = written.id;
        END LOOP;
        UPDATE fund SET head = keeper.head WHERE id = keeper.id;
    END LOOP;
END
$$"""
"""Chain what was written before there was a chain."""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "reversal",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("fund_id", sa.Uuid(), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sqlmodel.sql.sqltypes.AutoString(length=500), nullable=False),
        sa.Column("status", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("answered_by", sa.Uuid(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status = 'asked') = (num_nulls(answered_by, answered_at) = 2)"
            " AND num_nulls(answered_by, answered_at) <> 1",
            name=op.f("reversal_answered_by_somebody_check"),
        ),
        sa.CheckConstraint(
            "status IN ('asked', 'confirmed', 'refused')", name=op.f("reversal_status_known_check")
        ),
        sa.CheckConstraint(
            "asked_by <> answered_by", name=op.f("reversal_asker_does_not_answer_check")
        ),
        sa.ForeignKeyConstraint(
            ["answered_by"], ["account.id"], name=op.f("reversal_answered_by_fkey")
        ),
        sa.ForeignKeyConstraint(["asked_by"], ["account.id"], name=op.f("reversal_asked_by_fkey")),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["ledger_entry.id"], name=op.f("reversal_entry_id_fkey")
        ),
        sa.ForeignKeyConstraint(["fund_id"], ["fund.id"], name=op.f("reversal_fund_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("reversal_pkey")),
    )
    op.create_index(
        "reversal_entry_once",
        "reversal",
        ["entry_id"],
        unique=True,
        postgresql_where=sa.text("status <> 'refused'"),
    )
    op.create_index("reversal_fund_id_id_idx", "reversal", ["fund_id", "id"])
    op.add_column("fund", sa.Column("closed_through", sa.Date(), nullable=True))
    op.create_check_constraint(
        op.f("fund_closed_by_the_month_check"), "fund", "EXTRACT(day FROM closed_through + 1) = 1"
    )
    op.add_column(
        "fund",
        sa.Column("head", sa.LargeBinary(), server_default=sa.text("'\\x'::bytea"), nullable=False),
    )
    op.alter_column("fund", "last_number", server_default="0")
    op.add_column("ledger_entry", sa.Column("reverses_id", sa.Uuid(), nullable=True))
    op.add_column("ledger_entry", sa.Column("booked_on", sa.Date(), nullable=True))
    op.add_column("ledger_entry", sa.Column("hash", sa.LargeBinary(), nullable=True))
    op.execute(DIGEST)
    op.execute("ALTER TABLE ledger_entry DISABLE TRIGGER USER")
    op.execute("ALTER TABLE fund DISABLE TRIGGER USER")  # nobody did anything
    op.execute(CHAINED)
    op.execute("ALTER TABLE fund ENABLE TRIGGER USER")
    op.execute("ALTER TABLE ledger_entry ENABLE TRIGGER USER")
    op.alter_column("ledger_entry", "booked_on", nullable=False)
    op.alter_column("ledger_entry", "hash", nullable=False)
    kinds = op.f("ledger_entry_kind_fixes_accounts_check")
    op.drop_constraint(kinds, "ledger_entry")
    op.create_check_constraint(kinds, "ledger_entry", PAIRS)
    op.create_check_constraint(
        op.f("ledger_entry_reversal_has_entry_check"),
        "ledger_entry",
        "starts_with(kind, 'reverse_') = (reverses_id IS NOT NULL)",
    )
    op.create_index("ledger_entry_claim_id_idx", "ledger_entry", ["claim_id"])
    op.create_unique_constraint("ledger_entry_reversed_once", "ledger_entry", ["reverses_id"])
    op.create_foreign_key(
        op.f("ledger_entry_reverses_id_fkey"),
        "ledger_entry",
        "ledger_entry",
        ["reverses_id"],
        ["id"],
    )
    op.execute(POST)
    op.execute(OPENED)
    for statement in GUARDED:
        op.execute(statement)
    op.execute("DROP TRIGGER fund_audit ON fund")
    op.execute(
        "CREATE CONSTRAINT TRIGGER fund_audit AFTER INSERT OR UPDATE OR DELETE ON fund"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
        " EXECUTE FUNCTION audit_change('head', 'last_number,head')"
    )
    op.execute(
        "CREATE CONSTRAINT TRIGGER reversal_audit AFTER INSERT OR UPDATE OR DELETE ON reversal"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_change('', '')"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER fund_audit ON fund")
    op.execute(
        "CREATE CONSTRAINT TRIGGER fund_audit AFTER INSERT OR UPDATE OR DELETE ON fund"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
        " EXECUTE FUNCTION audit_change('', 'last_number')"
    )
    for name in ("fund_accounts", "fund_stays_closed", "fund_kept"):
        op.execute(f"DROP TRIGGER {name} ON fund")
    op.execute("DROP TRIGGER fund_balance_kept ON fund_balance")
    op.execute("DROP FUNCTION ledger_open")
    op.execute("DROP FUNCTION ledger_post")
    op.execute("DROP FUNCTION ledger_digest")
    op.execute("GRANT INSERT, UPDATE, DELETE ON fund, fund_balance TO party_map_service")
    op.execute("GRANT INSERT ON ledger_entry TO party_map_service")
    op.drop_table("reversal")
    op.drop_constraint("ledger_entry_reversal_has_entry_check", "ledger_entry")
    op.drop_constraint("ledger_entry_reversed_once", "ledger_entry")
    op.drop_index("ledger_entry_claim_id_idx", "ledger_entry")
    kinds = op.f("ledger_entry_kind_fixes_accounts_check")
    op.drop_constraint(kinds, "ledger_entry")
    op.create_check_constraint(kinds, "ledger_entry", OLD_PAIRS)
    for name in ("hash", "booked_on", "reverses_id"):
        op.drop_column("ledger_entry", name)
    op.alter_column("fund", "last_number", server_default=None)
    op.drop_column("fund", "head")
    op.drop_column("fund", "closed_through")
