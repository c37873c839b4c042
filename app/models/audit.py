"""The audit log (审计日志): written by the database itself, one event for each changed row.

A trigger on every audited table fires when the transaction commits. It is the owner's, and the
role the service works in may only read what it writes, so neither a forgotten call nor a broken
service can leave an event out or change one.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, event, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from app.db import SERVICE
from app.models.base import Instant, ddl

DEPLOYMENT = UUID(int=0)
"""Stands in `district_id` for what belongs to no district, such as a system administrator."""


class AuditChain(SQLModel, table=True):
    """Both ends of a district's log: the last event, and the last one that retention took away."""

    __tablename__ = "audit_chain"
    __table_args__: Any = (CheckConstraint("forgotten <= last_number", name="ends_in_order"),)

    district_id: UUID = Field(primary_key=True)
    last_number: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))
    last_hash: bytes = Field(
        sa_column_kwargs={"server_default": text("'\\x'::bytea")}, nullable=False
    )
    forgotten: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))
    forgotten_hash: bytes = Field(
        sa_column_kwargs={"server_default": text("'\\x'::bytea")}, nullable=False
    )


class AuditEvent(SQLModel, table=True):
    """Who did what to which row, when, from where; personal data masked. Never changed.

    `number` counts without a gap in each district, and `hash` covers the event and the hash before
    it. `actor_id` is empty for the clock and for who works in the database itself; `login` is the
    database account. `before` and `after` hold the columns that differ.
    """

    __tablename__ = "audit_event"
    __table_args__: Any = (
        Index("audit_event_at_idx", "at", postgresql_using="brin"),
        Index("audit_event_noun_row_id_idx", "noun", "row_id"),
        Index("audit_event_actor_id_idx", "actor_id"),
    )

    district_id: UUID = Field(primary_key=True)
    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    at: datetime = Field(sa_type=Instant)
    actor_id: UUID | None = None
    actor_role: str | None = None
    request_id: str | None = None
    address: str | None = None
    login: str
    action: str
    noun: str
    row_id: str | None = None
    before: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    after: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    hash: bytes


DIGEST = """\
CREATE FUNCTION audit_digest(previous bytea, facts jsonb) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
SELECT sha256(previous || convert_to(facts::text, 'UTF8'))
$$"""
"""One link of a chain; `facts` are all columns of the event but its hash, times as epochs."""

FACTS = """\
CREATE FUNCTION audit_facts(
    district_id uuid, number bigint, at timestamptz, actor_id uuid, actor_role text,
    request_id text, address text, login text, action text, noun text, row_id text,
    before jsonb, after jsonb
) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT jsonb_build_array(
    district_id, number, extract(epoch FROM at), actor_id, actor_role,
    request_id, address, login, action, noun, row_id, before, after)
$$"""

DISTRICT = """\
CREATE FUNCTION audit_district(item jsonb) RETURNS uuid LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce(
        (item->>'district_id')::uuid,
        (SELECT district_id FROM booking WHERE id = (item->>'booking_id')::uuid),
        (SELECT district_id FROM site WHERE id = (item->>'site_id')::uuid),
        (SELECT district_id FROM organisation WHERE id = (item->>'organisation_id')::uuid),
        (SELECT s.district_id FROM venue v JOIN site s ON s.id = v.site_id
            WHERE v.id = (item->>'venue_id')::uuid),
        (SELECT o.district_id FROM fund f JOIN organisation o ON o.id = f.organisation_id
            WHERE f.id = (item->>'fund_id')::uuid),
        '00000000-0000-0000-0000-000000000000'::uuid);
END
$$"""
"""The district of a row, by the first of its columns that leads to one.

All that a booking brings about is told in one district, the site's: whoever wrote into two, and met
somebody who did so the other way round, would wait for ever.

Not in plain SQL, for that would be planned anew for every row.
"""

WRITE = """\
CREATE FUNCTION audit_write(
    district uuid, action text, noun text, row_id text, before jsonb, after jsonb
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    chain audit_chain;
    last record;
    made audit_event;
BEGIN
    INSERT INTO audit_chain (district_id) VALUES (district) ON CONFLICT DO NOTHING;
    SELECT * INTO chain FROM audit_chain c WHERE c.district_id = district FOR UPDATE;
    SELECT e.number, e.hash INTO last FROM audit_event e
    WHERE e.district_id = district ORDER BY e.number DESC LIMIT 1;
    IF last.number > chain.last_number THEN -- of this transaction, which has not moved the end yet
        chain.last_number := last.number;
        chain.last_hash := last.hash;
    END IF;
    made := (
        district, chain.last_number + 1, clock_timestamp(),
        nullif(current_setting('audit.actor_id', true), '')::uuid,
        nullif(current_setting('audit.actor_role', true), ''),
        nullif(current_setting('audit.request_id', true), ''),
        nullif(current_setting('audit.address', true), ''),
        session_user, action, noun, row_id, before, after, ''::bytea);
    made.hash := audit_digest(chain.last_hash, audit_facts(
        made.district_id, made.number, made.at, made.actor_id, made.actor_role,
        made.request_id, made.address, made.login, made.action, made.noun, made.row_id,
        made.before, made.after));
    INSERT INTO audit_event VALUES (made.*);
END
$$"""

END = """\
CREATE FUNCTION audit_end() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE audit_chain c SET last_number = NEW.number, last_hash = NEW.hash
    WHERE c.district_id = NEW.district_id AND NOT EXISTS (
        SELECT FROM audit_event e
        WHERE e.district_id = NEW.district_id AND e.number = NEW.number + 1);
    RETURN NULL;
END
$$"""
"""Move the end of a district's log, once for all that a transaction wrote.

Moved by every event, the row would leave as many dead versions as there were events, and each next
event would pass them all.
"""

SHOWN = """\
CREATE FUNCTION audit_shown(key text, item jsonb, hidden text[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE WHEN key = ANY(hidden) THEN '"***"' ELSE item->key END
$$"""

CHANGE = """\
CREATE FUNCTION audit_change() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    hidden text[] := string_to_array(TG_ARGV[0], ',');
    ignored text[] := string_to_array(TG_ARGV[1], ',');
    was jsonb := coalesce(to_jsonb(OLD), '{}') - ignored;
    became jsonb := coalesce(to_jsonb(NEW), '{}') - ignored;
    item jsonb := CASE TG_OP WHEN 'DELETE' THEN was ELSE became END;
    before jsonb;
    after jsonb;
BEGIN
    IF was = became THEN
        RETURN NULL;
    END IF;
    SELECT coalesce(jsonb_object_agg(key, audit_shown(key, was, hidden))
               FILTER (WHERE was->key <> 'null'), '{}'),
           coalesce(jsonb_object_agg(key, audit_shown(key, became, hidden))
               FILTER (WHERE became->key <> 'null'), '{}')
    INTO before, after
    FROM jsonb_object_keys(was || became) AS key
    WHERE was->key IS DISTINCT FROM became->key;
    PERFORM audit_write(
        audit_district(item),
        CASE TG_OP WHEN 'INSERT' THEN 'create' WHEN 'UPDATE' THEN 'update' ELSE 'delete' END,
        TG_TABLE_NAME,
        coalesce(item->>'id', item->>'booking_id', item->>'account_id', item->>'district_id',
                 item->>'day'),
        before, after);
    RETURN NULL;
END
$$"""
"""Written at the end of the transaction, so that a district's log is locked for a moment only.

Its arguments are names of columns, joined by commas: those whose values are masked, and those that
follow from others.
"""

NOTE = """\
CREATE FUNCTION audit_note(district uuid, action text, noun text, row_id text, facts jsonb)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF action IN ('create', 'update', 'delete') THEN
        RAISE EXCEPTION 'a change is noted by its trigger' USING ERRCODE = 'restrict_violation';
    END IF;
    PERFORM audit_write(
        coalesce(district, '00000000-0000-0000-0000-000000000000'::uuid),
        action, noun, row_id, '{}', facts);
END
$$"""
"""What happened without a change of a row: a sign-in, a look at personal data, an export."""

FORGET = """\
CREATE FUNCTION audit_forget(cutoff timestamptz) RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    taken bigint;
BEGIN
    WITH last AS (
        SELECT DISTINCT ON (e.district_id) e.district_id, e.number, e.hash
        FROM audit_event e WHERE e.at < least(cutoff, now() - interval '6 months')
        ORDER BY e.district_id, e.number DESC
    ), kept AS (
        UPDATE audit_chain c SET forgotten = last.number, forgotten_hash = last.hash
        FROM last WHERE c.district_id = last.district_id RETURNING c.district_id, c.forgotten
    )
    DELETE FROM audit_event e USING kept
    WHERE e.district_id = kept.district_id AND e.number <= kept.forgotten;
    GET DIAGNOSTICS taken = ROW_COUNT;
    RETURN taken;
END
$$"""
"""Take away the oldest events, never one younger than six months (网络安全法 21)."""

GUARD = """\
CREATE FUNCTION audit_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND OLD.at < now() - interval '6 months' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$"""

GUARDED = (
    "CREATE CONSTRAINT TRIGGER audit_event_end AFTER INSERT ON audit_event"
    " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_end()",
    "CREATE TRIGGER audit_event_guard BEFORE UPDATE OR DELETE ON audit_event"
    " FOR EACH ROW EXECUTE FUNCTION audit_guard()",
    "CREATE TRIGGER audit_event_kept BEFORE TRUNCATE ON audit_event"
    " FOR EACH STATEMENT EXECUTE FUNCTION append_only()",
    f"REVOKE INSERT, UPDATE, DELETE ON audit_event, audit_chain FROM {SERVICE}",
    "REVOKE EXECUTE ON FUNCTION audit_forget(timestamptz) FROM PUBLIC",
    f"GRANT EXECUTE ON FUNCTION audit_forget(timestamptz) TO {SERVICE}",
)

AUDITED: dict[str, tuple[str, str]] = {
    "account": ("name,phone_hash,phone_sealed,password_hash", "version"),
    "booking": ("contact_name,contact_phone_hash,contact_phone_sealed,note", ""),
    "booking_group": ("", ""),
    "boundary": ("", "outline"),
    "channel_choice": ("address_sealed", ""),
    "calendar_feed": ("token_hash,token_sealed", ""),
    "claim": ("", ""),
    "closure": ("", ""),
    "exception_look": ("", ""),
    "fund": ("head", "last_number,head"),
    "holiday": ("", ""),
    "guide": ("name", ""),
    "identity": ("subject_hash,subject_sealed", ""),
    "location_report": ("note", ""),
    "one_time_code": ("code_hash", ""),
    "opening_rule": ("", ""),
    "organisation": ("", "path,version"),
    "policy": ("", ""),
    "programme": ("", ""),
    "reversal": ("", ""),
    "registration": (
        "contact_name,contact_phone_hash,contact_phone_sealed,note",
        "",
    ),
    "returned_line": ("", ""),
    "review": ("text", ""),
    "role_grant": ("", ""),
    "site": ("contact_name,contact_phone", ""),
    "site_photo": ("", ""),
    "strike": ("", ""),
    "subsidy_rule": ("", ""),
    "suspension": ("", ""),
    "venue": ("", ""),
    "visit": ("", ""),
    "waitlist_entry": ("contact_name,contact_phone_hash,contact_phone_sealed,note", ""),
    "webhook": ("secret_sealed", ""),
}
"""The audited tables: columns whose values are masked, and columns that follow from others."""


def audit_trigger(table: str) -> str:
    """Return the DDL that has every change of a row of `table` written down."""
    hidden, ignored = AUDITED[table]
    return (
        f"CREATE CONSTRAINT TRIGGER {table}_audit AFTER INSERT OR UPDATE OR DELETE ON {table}"
        f" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
        f" EXECUTE FUNCTION audit_change('{hidden}', '{ignored}')"
    )


MANUAL = (
    "CREATE CONSTRAINT TRIGGER ledger_entry_audit AFTER INSERT ON ledger_entry"
    " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
    " WHEN (NEW.booking_id IS NULL AND NEW.claim_id IS NULL)"
    " EXECUTE FUNCTION audit_change('', '')"
)
"""Postings that follow from a booking or a claim are told by its own event."""

for _statement in (
    *(DIGEST, FACTS, DISTRICT, WRITE, END, SHOWN, CHANGE, NOTE, FORGET, GUARD),
    *(*GUARDED, *map(audit_trigger, AUDITED), MANUAL),
):
    event.listen(SQLModel.metadata, "after_create", ddl(_statement))
