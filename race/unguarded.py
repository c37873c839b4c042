"""`python -m race.unguarded GUARD`: a server that lacks a guard."""

import sys

import uvicorn

from app.__main__ import listening
from app.db import create_engine
from app.main import create_app
from app.settings import load
from race.guards import without


def main(guard: str) -> None:
    """Serve the database of the settings without a guard."""
    settings = load()
    engine = create_engine(settings.database_url or "", pool_size=settings.pool_size)
    with without(engine, guard):
        uvicorn.run(create_app(engine, settings), **listening(settings))


if __name__ == "__main__":
    main(sys.argv[1])
