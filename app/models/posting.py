"""What writes the ledger: one function of the database, the owner's; everybody else reads.

The role the service works in may call it and no more, so no fault of the service can number,
chain or balance an entry wrongly, or change one.
"""

# ruff: noqa: S608 - names and ids of our own, nothing anybody sent

from sqlalchemy import event
from sqlmodel import SQLModel

from app.db import SERVICE
from app.models.base import ddl
from app.models.fund import ACCOUNTS, FundAccount

STEP_ONCE = "ledger_entry_step_once"

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
"""One link of a fund's chain; the first has nothing (no bytes) before it."""

_PAIRS = ", ".join(f"('{kind}', '{giver}', '{taker}')" for kind, (giver, taker) in ACCOUNTS.items())

POST = f"""\
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
    FROM (VALUES {_PAIRS}) k (kind, giver, taker) WHERE k.kind = wanted_kind;
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
"""Write one entry, or give the one that the step already has; or say why not, and change nothing.

The fund's row is locked first, so whoever waited for it sees in the next statement what the other
one posted. `held_fen` is what the account it takes from held before.
"""

OPENED = f"""\
CREATE FUNCTION ledger_open() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO fund_balance (fund_id, account, balance_fen)
    SELECT NEW.id, account, 0 FROM unnest('{{{",".join(FundAccount)}}}'::text[]) AS account;
    RETURN NULL;
END
$$"""
"""Give a new fund its accounts, all empty."""

_SIGNATURE = "ledger_post(uuid, text, bigint, text, uuid, uuid, text, uuid, timestamptz)"
_WRITABLE = "name, when_exhausted, closed_through"

GUARDED = (
    "CREATE TRIGGER fund_accounts AFTER INSERT ON fund FOR EACH ROW EXECUTE FUNCTION ledger_open()",
    "CREATE TRIGGER fund_stays_closed BEFORE UPDATE OF closed_through ON fund FOR EACH ROW"
    " WHEN (OLD.closed_through > coalesce(NEW.closed_through, '-infinity'))"
    " EXECUTE FUNCTION append_only()",
    "CREATE TRIGGER fund_kept BEFORE DELETE OR TRUNCATE ON fund"
    " FOR EACH STATEMENT EXECUTE FUNCTION append_only()",
    "CREATE TRIGGER fund_balance_kept BEFORE DELETE OR TRUNCATE ON fund_balance"
    " FOR EACH STATEMENT EXECUTE FUNCTION append_only()",
    f"REVOKE INSERT, UPDATE, DELETE ON ledger_entry, fund_balance, fund FROM {SERVICE}",
    f"GRANT INSERT (id, created_at, organisation_id, fiscal_year, {_WRITABLE}),"
    f" UPDATE ({_WRITABLE}) ON fund TO {SERVICE}",
    f"REVOKE EXECUTE ON FUNCTION {_SIGNATURE} FROM PUBLIC",
    f"GRANT EXECUTE ON FUNCTION {_SIGNATURE} TO {SERVICE}",
)

for _statement in (DIGEST, POST, OPENED, *GUARDED):
    event.listen(SQLModel.metadata, "after_create", ddl(_statement))
