"""Run migrations against the database named by the configuration."""

import sqlalchemy
from alembic import context
from geoalchemy2 import alembic_helpers
from sqlmodel import SQLModel

import app.models  # noqa: F401

url = sqlalchemy.make_url(context.config.attributes["url"])
engine = sqlalchemy.create_engine(url.set(drivername="postgresql+psycopg"))
with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        include_object=alembic_helpers.include_object,
        process_revision_directives=alembic_helpers.writer,
        render_item=alembic_helpers.render_item,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
