"""What every table shares: constraint names, a key, a birth date, and the column types."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from geoalchemy2 import Geometry
from pydantic import ConfigDict
from sqlalchemy import CheckConstraint, DateTime, event, func
from sqlalchemy.schema import DDL
from sqlalchemy.types import UserDefinedType
from sqlmodel import Field, SQLModel
from uuid_utils.compat import uuid7

from app.db import SERVICE

SQLModel.metadata.naming_convention = {
    "pk": "%(table_name)s_pkey",
    "fk": "%(table_name)s_%(column_0_name)s_fkey",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "ck": "%(table_name)s_%(constraint_name)s_check",
}

Instant = DateTime(timezone=True)
MOST_PEOPLE = 10_000
"""The largest group anybody may name; above any hall of the land."""


class Ltree(UserDefinedType[str]):
    """PostgreSQL's `ltree`: a path of labels, compared with `@>` and `<@`."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """Name the type in DDL."""
        return "ltree"


def wgs84_point() -> Geometry:
    """Return the column type of a point: WGS-84 (EPSG:4326), longitude first, degrees."""
    return Geometry("POINT", srid=4326, spatial_index=False)


def on_earth(column: str) -> CheckConstraint:
    """Refuse coordinates that are no place on earth, such as swapped or projected ones."""
    ranges = f"ST_X({column}) BETWEEN -180 AND 180 AND ST_Y({column}) BETWEEN -90 AND 90"
    return CheckConstraint(ranges, name=f"{column}_on_earth")


def known(column: str, states: type[StrEnum]) -> CheckConstraint:
    """Refuse a value of `column` that is not one of `states`."""
    values = ", ".join(f"'{state}'" for state in states)
    return CheckConstraint(f"{column} IN ({values})", name=f"{column}_known")


class Row(SQLModel):
    """A row with a key of its own; keys are UUIDv7, so they sort by birth."""

    model_config = ConfigDict(arbitrary_types_allowed=True)  # type: ignore[assignment]

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    created_at: datetime = Field(
        default=None,
        sa_type=Instant,
        nullable=False,
        sa_column_kwargs={"server_default": func.now()},
    )


UUID7 = """\
CREATE FUNCTION uuid7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
SELECT (lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0')
        || '7' || substr(gen_random_uuid()::text, 16))::uuid
$$"""
"""Time-ordered keys (RFC 9562, 5.7) for rows made by INSERT ... SELECT."""

APPEND_ONLY = """\
CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$"""
"""Refuses whatever it is hung on; see `append_only_trigger`."""


SERVICE_ROLE = f"""\
DO $$ BEGIN
    CREATE ROLE {SERVICE} NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; -- another database has made it
END $$"""
SERVICE_MEMBER = f"""\
DO $$ BEGIN
    IF NOT pg_has_role(current_user, '{SERVICE}', 'MEMBER') THEN
        EXECUTE 'GRANT {SERVICE} TO ' || quote_ident(current_user);
    END IF;
END $$"""
SERVICE_RIGHTS = (
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES"
    f" TO {SERVICE}"
)


def ddl(statement: str) -> DDL:
    """Return the statement as it is, percent signs and all."""
    return DDL(statement.replace("%", "%%"))  # type: ignore[no-untyped-call]


for _statement in (UUID7, APPEND_ONLY, SERVICE_ROLE, SERVICE_MEMBER, SERVICE_RIGHTS):
    event.listen(SQLModel.metadata, "before_create", ddl(_statement))


def append_only_trigger(table: str) -> str:
    """Return the DDL that forbids every change of a written row of `table`."""
    return (
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
    )


def make_append_only(model: type[SQLModel]) -> None:
    """Forbid it by trigger, for everybody, and by privilege, for the service."""
    table = SQLModel.metadata.tables[str(model.__tablename__)]
    event.listen(table, "after_create", ddl(append_only_trigger(table.name)))
    revoke = f"REVOKE UPDATE, DELETE ON {table.name} FROM {SERVICE}"
    event.listen(table, "after_create", ddl(revoke))
