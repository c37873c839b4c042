"""The database the migrations build is the one the models declare, to the last constraint."""

import pytest
from sqlalchemy import Engine, text
from sqlmodel import SQLModel

from app import models  # noqa: F401  # registers the tables
from app.db import SERVICE
from tests.conftest import as_owner

DEFINITIONS = text("""
    SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid <> 0
    UNION ALL
    SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL
    SELECT relname || ' with ' || array_to_string(reloptions, ', ') FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND reloptions IS NOT NULL
    UNION ALL
    SELECT format('%s.%s %s %s %s', table_name, column_name, udt_name, is_nullable, column_default)
    FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL
    SELECT format('%s may %s %s', grantee, privilege_type, table_name)
    FROM information_schema.role_table_grants
    WHERE grantee = 'party_map_service' AND table_schema = 'public'
    AND table_name NOT IN ('geometry_columns', 'geography_columns', 'spatial_ref_sys')
    UNION ALL
    SELECT format('%s may %s %s', grantee, privilege_type, routine_name)
    FROM information_schema.routine_privileges
    WHERE routine_schema = 'public' AND grantee <> grantor
    AND (routine_name LIKE 'audit%' OR routine_name LIKE 'ledger%')
    UNION ALL
    SELECT format('%s.%s by column: %s', attrelid::regclass, attname,
        regexp_replace(attacl::text, '/[^,}]*', '', 'g'))
    FROM pg_attribute WHERE attacl IS NOT NULL AND attrelid >= 16384
    UNION ALL
    SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL
    SELECT pg_get_functiondef(p.oid) FROM pg_proc p
    WHERE pronamespace = 'public'::regnamespace
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = p.oid AND deptype = 'e')
""")

FUNCTIONS = text("""
    SELECT p.oid::regprocedure FROM pg_proc p
    WHERE pronamespace = 'public'::regnamespace
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = p.oid AND deptype = 'e')
""")

FAULTS = {
    "a right too many": "GRANT DELETE ON audit_event TO party_map_service",
    "a function for everybody": "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO PUBLIC",
    "a column too many": "GRANT UPDATE (head) ON fund TO party_map_service",
    "a column nobody masks": (
        "DROP TRIGGER account_audit ON account;"
        "CREATE CONSTRAINT TRIGGER account_audit AFTER INSERT OR UPDATE OR DELETE ON account"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_change('', '')"
    ),
    "a check that lost its bound": (
        "ALTER TABLE venue_session DROP CONSTRAINT venue_session_people_fit_check,"
        " ADD CONSTRAINT venue_session_people_fit_check CHECK (people_held >= 0)"
    ),
    "an exclusion that grew a hole": (
        "ALTER TABLE venue_session DROP CONSTRAINT venue_session_no_overlap,"
        " ADD CONSTRAINT venue_session_no_overlap EXCLUDE USING gist"
        " (venue_id WITH =, tstzrange(starts_at, ends_at) WITH &&) WHERE (closed_reason IS NULL)"
    ),
    "a trigger gone": "DROP TRIGGER ledger_entry_append_only ON ledger_entry",
    "a function changed": (
        "CREATE OR REPLACE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RETURN NEW; END'"
    ),
    "an index gone": "DROP INDEX venue_session_free_idx",
    "a table stored otherwise": "ALTER TABLE site_words RESET (toast_tuple_target)",
    "a column that became optional": "ALTER TABLE booking ALTER COLUMN policy_id DROP NOT NULL",
}


def definitions(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        found: set[str] = set(connection.scalars(DEFINITIONS))
    return {line for line in found if "alembic_version" not in line}


@pytest.fixture
def declared(own_engine: Engine) -> Engine:
    """A database built from the models alone."""
    with own_engine.begin() as connection:
        as_owner(connection)
        for function in connection.scalars(FUNCTIONS).all():
            connection.execute(text(f"DROP FUNCTION {function} CASCADE"))
        connection.execute(
            text(f"ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON TABLES FROM {SERVICE}")
        )
        SQLModel.metadata.drop_all(connection)
        SQLModel.metadata.create_all(connection)
    return own_engine


def test_models_and_migrations_agree(declared: Engine, shared_engine: Engine) -> None:
    assert definitions(declared) == definitions(shared_engine)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_seeded_difference_is_found(
    own_engine: Engine, shared_engine: Engine, fault: str
) -> None:
    with own_engine.begin() as connection:
        as_owner(connection)
        connection.execute(text(fault))
    assert definitions(own_engine) != definitions(shared_engine)
