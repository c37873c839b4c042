"""people and audit"""

import sqlalchemy as sa
import sqlmodel
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "08d804a4d35b"
down_revision = "d7457237f5a2"

SERVICE = "party_map_service"
WRITTEN_ONCE = ("booking_event", "ledger_entry")
SERVICE_ROLE = """\
DO $$ BEGIN
    CREATE ROLE party_map_service NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; -- another database has made it
END $$"""

SERVICE_MEMBER = """\
DO $$ BEGIN
    IF NOT pg_has_role(current_user, 'party_map_service', 'MEMBER') THEN
        EXECUTE 'GRANT party_map_service TO ' || quote_ident(current_user);
    END IF;
END $$"""

DIGEST = """\
CREATE FUNCTION audit_digest(previous bytea, facts jsonb) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
SELECT sha256(previous || convert_to(facts::text, 'UTF8'))
$$"""

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

GUARD = """\
CREATE FUNCTION audit_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND OLD.at < now() - interval '6 months' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$"""

DISTRICT = """\
CREATE FUNCTION audit_district(item jsonb) RETURNS uuid LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce(
        (item->>'district_id')::uuid,
        (SELECT district_id FROM organisation WHERE id = (item->>'organisation_id')::uuid),
        (SELECT district_id FROM site WHERE id = (item->>'site_id')::uuid),
        (SELECT district_id FROM booking WHERE id = (item->>'booking_id')::uuid),
        (SELECT s.district_id FROM venue v JOIN site s ON s.id = v.site_id
            WHERE v.id = (item->>'venue_id')::uuid),
        (SELECT o.district_id FROM fund f JOIN organisation o ON o.id = f.organisation_id
            WHERE f.id = (item->>'fund_id')::uuid),
        '00000000-0000-0000-0000-000000000000'::uuid);
END
$$"""

GUARDED = (
    "CREATE CONSTRAINT TRIGGER audit_event_end AFTER INSERT ON audit_event DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_end()",
    "CREATE TRIGGER audit_event_guard BEFORE UPDATE OR DELETE ON audit_event FOR EACH ROW EXECUTE FUNCTION audit_guard()",
    "CREATE TRIGGER audit_event_kept BEFORE TRUNCATE ON audit_event FOR EACH STATEMENT EXECUTE FUNCTION append_only()",
    "REVOKE INSERT, UPDATE, DELETE ON audit_event, audit_chain FROM party_map_service",
    "REVOKE EXECUTE ON FUNCTION audit_forget(timestamptz) FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION audit_forget(timestamptz) TO party_map_service",
)
AUDITED = {
    "account": ("name,phone_hash,phone_sealed,password_hash", "version"),
    "booking": ("contact_name,contact_phone_hash,contact_phone_sealed,note", ""),
    "boundary": ("", "outline"),
    "claim": ("", ""),
    "closure": ("", ""),
    "fund": ("", "last_number"),
    "holiday": ("", ""),
    "identity": ("subject_hash", ""),
    "one_time_code": ("code_hash", ""),
    "opening_rule": ("", ""),
    "organisation": ("", "path,version"),
    "policy": ("", ""),
    "programme": ("", ""),
    "registration": ("contact_name,contact_phone_hash,contact_phone_sealed,note", ""),
    "review": ("text", ""),
    "role_grant": ("", ""),
    "site": ("contact_name,contact_phone", ""),
    "subsidy_rule": ("", ""),
    "venue": ("", ""),
    "visit": ("", ""),
}
MANUAL = "CREATE CONSTRAINT TRIGGER ledger_entry_audit AFTER INSERT ON ledger_entry DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.booking_id IS NULL AND NEW.claim_id IS NULL) EXECUTE FUNCTION audit_change('', '')"
ROLES = "role IN ('member', 'organiser', 'site_manager', 'town_staff', 'district_staff', 'fund_officer', 'fund_approver', 'auditor', 'system_admin', 'security_admin')"
ROLES_BEFORE = "role IN ('member', 'organiser', 'site_manager', 'town_staff', 'district_staff', 'fund_officer', 'fund_approver', 'auditor', 'system_admin')"
SCOPES = (
    "CASE WHEN role IN ('system_admin', 'security_admin')"
    " THEN num_nonnulls(organisation_id, site_id) = 0"
    " WHEN role = 'site_manager' THEN organisation_id IS NULL AND site_id IS NOT NULL"
    " ELSE organisation_id IS NOT NULL AND site_id IS NULL END"
)
SCOPES_BEFORE = (
    "CASE role WHEN 'system_admin' THEN num_nonnulls(organisation_id, site_id) = 0"
    " WHEN 'site_manager' THEN organisation_id IS NULL AND site_id IS NOT NULL"
    " ELSE organisation_id IS NOT NULL AND site_id IS NULL END"
)
ERASED = (
    "CASE WHEN erased_at IS NULL THEN num_nulls(phone_hash, phone_sealed) = 0 ELSE NOT"
    " active AND num_nonnulls(phone_hash, phone_sealed, password_hash, organisation_id) = 0"
    " END"
)
APART = (
    "ALTER TABLE role_grant ADD CONSTRAINT role_grant_offices_apart EXCLUDE USING gist"
    " (account_id WITH =, role WITH <>, tstzrange(created_at, greatest(created_at,"
    " coalesce(ends_at, 'infinity'::timestamptz))) WITH &&)"
    " WHERE (role IN ('system_admin', 'security_admin', 'auditor'))"
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(SERVICE_ROLE)
    op.execute(SERVICE_MEMBER)
    op.execute(
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES"
        f" TO {SERVICE}"
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {SERVICE}")
    for table in WRITTEN_ONCE:
        op.execute(f"REVOKE UPDATE, DELETE ON {table} FROM {SERVICE}")
    op.create_table(
        "audit_chain",
        sa.Column("district_id", sa.Uuid(), nullable=False),
        sa.Column("last_number", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "last_hash", sa.LargeBinary(), server_default=sa.text("'\\x'::bytea"), nullable=False
        ),
        sa.Column("forgotten", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "forgotten_hash",
            sa.LargeBinary(),
            server_default=sa.text("'\\x'::bytea"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "forgotten <= last_number", name=op.f("audit_chain_ends_in_order_check")
        ),
        sa.PrimaryKeyConstraint("district_id", name=op.f("audit_chain_pkey")),
    )
    op.create_table(
        "audit_event",
        sa.Column("district_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_role", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("request_id", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("address", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("login", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("action", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("noun", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("row_id", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("district_id", "number", name=op.f("audit_event_pkey")),
    )
    op.create_index("audit_event_actor_id_idx", "audit_event", ["actor_id"], unique=False)
    op.create_index(
        "audit_event_at_idx", "audit_event", ["at"], unique=False, postgresql_using="brin"
    )
    op.create_index("audit_event_noun_row_id_idx", "audit_event", ["noun", "row_id"], unique=False)
    op.create_table(
        "login_throttle",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "failures >= 0", name=op.f("login_throttle_failures_not_negative_check")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("login_throttle_pkey")),
    )
    op.create_index("login_throttle_since_idx", "login_throttle", ["since"], unique=False)
    op.create_table(
        "oidc_login",
        sa.Column("state_hash", sa.LargeBinary(), nullable=False),
        sa.Column("nonce", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("code_verifier", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("oidc_login_pkey")),
    )
    op.create_index("oidc_login_expires_at_idx", "oidc_login", ["expires_at"], unique=False)
    op.create_table(
        "rate_counter",
        sa.Column("key", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("hits", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("rate_counter_pkey")),
        prefixes=["UNLOGGED"],
    )
    op.create_index("rate_counter_expires_at_idx", "rate_counter", ["expires_at"], unique=False)
    op.create_table(
        "identity",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("subject_hash", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "provider IN ('wechat', 'oidc')", name=op.f("identity_provider_known_check")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("identity_account_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("identity_pkey")),
    )
    op.create_index("identity_account_key", "identity", ["account_id", "provider"], unique=True)
    op.create_index("identity_subject_key", "identity", ["provider", "subject_hash"], unique=True)
    op.create_table(
        "one_time_code",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("guesses_left", sa.Integer(), nullable=False),
        sa.Column("issued_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint("guesses_left >= 0", name=op.f("one_time_code_guesses_bounded_check")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("one_time_code_account_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["issued_by"], ["account.id"], name=op.f("one_time_code_issued_by_fkey")
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("one_time_code_pkey")),
    )
    op.create_table(
        "registration",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("name", sqlmodel.sql.sqltypes.AutoString(length=120), nullable=False),
        sa.Column("home", sqlmodel.sql.sqltypes.AutoString(length=120), nullable=False),
        sa.Column("sector", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("member_count", sa.Integer(), nullable=False),
        sa.Column("contact_name", sqlmodel.sql.sqltypes.AutoString(length=40), nullable=False),
        sa.Column("contact_phone_hash", sa.LargeBinary(), nullable=True),
        sa.Column("contact_phone_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("note", sqlmodel.sql.sqltypes.AutoString(length=500), nullable=True),
        sa.Column("status", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sqlmodel.sql.sqltypes.AutoString(length=500), nullable=True),
        sa.Column("branch_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "(status = 'approved') = (branch_id IS NOT NULL)",
            name=op.f("registration_approved_has_branch_check"),
        ),
        sa.CheckConstraint(
            "(status = 'pending') = (decided_at IS NULL AND decided_by IS NULL)",
            name=op.f("registration_decided_by_somebody_check"),
        ),
        sa.CheckConstraint(
            "(status = 'rejected') = (reason IS NOT NULL)",
            name=op.f("registration_rejected_has_reason_check"),
        ),
        sa.CheckConstraint(
            "status <> 'pending' OR num_nulls(contact_phone_hash, contact_phone_sealed) = 0",
            name=op.f("registration_pending_can_be_called_check"),
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'approved', 'rejected')",
            name=op.f("registration_status_known_check"),
        ),
        sa.CheckConstraint(
            "member_count BETWEEN 1 AND 10000", name=op.f("registration_member_count_check")
        ),
        sa.ForeignKeyConstraint(
            ["branch_id"], ["organisation.id"], name=op.f("registration_branch_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["account.id"], name=op.f("registration_decided_by_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("registration_organisation_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("registration_pkey")),
    )
    op.create_index(
        "registration_organisation_id_status_idx",
        "registration",
        ["organisation_id", "status"],
        unique=False,
    )
    op.create_index(
        "registration_pending_once",
        "registration",
        ["organisation_id", "contact_phone_hash"],
        unique=True,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.add_column("account", sa.Column("organisation_id", sa.Uuid(), nullable=True))
    op.add_column(
        "account", sa.Column("password_set_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column("account", sa.Column("logins_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("account", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("account", sa.Column("version", sa.Integer(), server_default="1", nullable=False))
    op.alter_column("account", "version", server_default=None)
    op.alter_column("account", "phone_hash", existing_type=postgresql.BYTEA(), nullable=True)
    op.alter_column("account", "phone_sealed", existing_type=postgresql.BYTEA(), nullable=True)
    op.create_index("account_organisation_id_idx", "account", ["organisation_id"], unique=False)
    op.create_foreign_key(
        op.f("account_organisation_id_fkey"), "account", "organisation", ["organisation_id"], ["id"]
    )
    op.add_column("booking", sa.Column("contact_phone_hash", sa.LargeBinary(), nullable=True))
    op.alter_column(
        "booking", "contact_phone_sealed", existing_type=postgresql.BYTEA(), nullable=True
    )
    op.create_index(
        op.f("booking_contact_phone_hash_idx"), "booking", ["contact_phone_hash"], unique=False
    )
    op.add_column(
        "organisation", sa.Column("version", sa.Integer(), server_default="1", nullable=False)
    )
    op.alter_column("organisation", "version", server_default=None)
    op.create_index(
        "organisation_name_idx",
        "organisation",
        ["name"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"name": "gin_trgm_ops"},
    )
    op.add_column("role_grant", sa.Column("granted_by", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("role_grant_granted_by_fkey"), "role_grant", "account", ["granted_by"], ["id"]
    )

    op.create_check_constraint(op.f("account_erased_keeps_nothing_check"), "account", ERASED)
    _change_roles(ROLES, SCOPES)
    op.create_check_constraint(
        op.f("role_grant_not_to_oneself_check"), "role_grant", "granted_by <> account_id"
    )
    op.execute(APART)
    for statement in (
        DIGEST,
        FACTS,
        WRITE,
        END,
        SHOWN,
        CHANGE,
        NOTE,
        FORGET,
        GUARD,
        DISTRICT,
        *GUARDED,
        MANUAL,
    ):
        op.execute(statement)
    for table, (hidden, ignored) in AUDITED.items():
        op.execute(
            f"CREATE CONSTRAINT TRIGGER {table}_audit AFTER INSERT OR UPDATE OR DELETE ON {table}"
            f" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
            f" EXECUTE FUNCTION audit_change('{hidden}', '{ignored}')"
        )


def _change_roles(roles: str, scopes: str) -> None:
    for name, rule in (("role_known", roles), ("scope_fits_role", scopes)):
        op.drop_constraint(op.f(f"role_grant_{name}_check"), "role_grant")
        op.create_check_constraint(op.f(f"role_grant_{name}_check"), "role_grant", rule)


def downgrade() -> None:
    for table in (*AUDITED, "ledger_entry"):
        op.execute(f"DROP TRIGGER {table}_audit ON {table}")
    op.execute("DELETE FROM role_grant WHERE role = 'security_admin'")
    op.execute("ALTER TABLE role_grant DROP CONSTRAINT role_grant_offices_apart")
    op.drop_constraint(op.f("role_grant_not_to_oneself_check"), "role_grant")
    _change_roles(ROLES_BEFORE, SCOPES_BEFORE)
    op.drop_constraint(op.f("account_erased_keeps_nothing_check"), "account")
    op.drop_constraint(op.f("role_grant_granted_by_fkey"), "role_grant", type_="foreignkey")
    op.drop_column("role_grant", "granted_by")
    op.drop_index(
        "organisation_name_idx",
        table_name="organisation",
        postgresql_using="gin",
        postgresql_ops={"name": "gin_trgm_ops"},
    )
    op.drop_column("organisation", "version")
    op.drop_index(op.f("booking_contact_phone_hash_idx"), table_name="booking")
    op.alter_column(
        "booking", "contact_phone_sealed", existing_type=postgresql.BYTEA(), nullable=False
    )
    op.drop_column("booking", "contact_phone_hash")
    op.drop_constraint(op.f("account_organisation_id_fkey"), "account", type_="foreignkey")
    op.drop_index("account_organisation_id_idx", table_name="account")
    op.alter_column("account", "phone_sealed", existing_type=postgresql.BYTEA(), nullable=False)
    op.alter_column("account", "phone_hash", existing_type=postgresql.BYTEA(), nullable=False)
    op.drop_column("account", "version")
    op.drop_column("account", "erased_at")
    op.drop_column("account", "logins_since")
    op.drop_column("account", "password_set_at")
    op.drop_column("account", "organisation_id")
    op.drop_index(
        "registration_pending_once",
        table_name="registration",
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.drop_index("registration_organisation_id_status_idx", table_name="registration")
    op.drop_table("registration")
    op.drop_table("one_time_code")
    op.drop_index("identity_subject_key", table_name="identity")
    op.drop_index("identity_account_key", table_name="identity")
    op.drop_table("identity")
    op.drop_index("rate_counter_expires_at_idx", table_name="rate_counter")
    op.drop_table("rate_counter")
    op.drop_index("oidc_login_expires_at_idx", table_name="oidc_login")
    op.drop_table("oidc_login")
    op.drop_index("login_throttle_since_idx", table_name="login_throttle")
    op.drop_table("login_throttle")
    op.drop_index("audit_event_noun_row_id_idx", table_name="audit_event")
    op.drop_index("audit_event_at_idx", table_name="audit_event", postgresql_using="brin")
    op.drop_index("audit_event_actor_id_idx", table_name="audit_event")
    op.drop_table("audit_event")
    op.drop_table("audit_chain")
    op.execute(
        "DROP FUNCTION audit_change(), audit_end(), audit_guard(), audit_forget(timestamptz),"
        " audit_note(uuid, text, text, text, jsonb),"
        " audit_write(uuid, text, text, text, jsonb, jsonb), audit_shown(text, jsonb, text[]),"
        " audit_district(jsonb), audit_digest(bytea, jsonb),"
        " audit_facts(uuid, bigint, timestamptz, uuid, text, text, text, text, text, text,"
        " text, jsonb, jsonb)"
    )
    op.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {SERVICE}")
    op.execute(f"ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON TABLES FROM {SERVICE}")
