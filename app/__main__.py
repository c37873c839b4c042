"""The command line: `python -m app COMMAND`."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import uvicorn
from sqlalchemy import Engine
from sqlmodel import Session

from app import clock, demo, founding, machine
from app.database import ROOT, database, engine_of, upgrade
from app.db import create_engine
from app.settings import Env, Settings, load

SEED = 370302

cli = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
demo_cli = typer.Typer(help="The demonstration district.")
cli.add_typer(demo_cli, name="demo")
cli.add_typer(founding.cli, name="found")
cli.add_typer(founding.import_cli, name="import")


def _refuse_in_production(settings: Settings) -> None:
    if settings.env is Env.PRODUCTION:
        raise machine.Refusal(
            "The demonstration's passwords are known to everybody, so it is not for APP_ENV="
            "production: use `serve` and `jobs` instead, or set APP_ENV=demo."
        )


def _build_demo(engine: Engine) -> None:
    with Session(engine) as session:
        if demo.is_built(session):
            return
    machine.say("building the demonstration district; this takes about a minute, once")
    with demo.bar() as progress:
        made = demo.build(engine, seed=SEED, now=clock.now(), scale=demo.FULL, progress=progress)
    machine.say("one account of every role, with its password:")
    for one in {account.role: account for account in reversed(made)}.values():
        machine.say(f"{one.role:15} {one.phone}  {one.password}")


@cli.command()
def run() -> None:
    """Serve the demonstration with its scheduler; sets up the database as needed."""
    from apscheduler.schedulers.background import BackgroundScheduler

    from app import jobs

    settings = load()
    _refuse_in_production(settings)
    machine.port_needed(settings.host, settings.port)
    with engine_of(settings) as engine:
        _build_demo(engine)
        scheduler = BackgroundScheduler()
        jobs.schedule(scheduler, engine)
        scheduler.start()
        machine.say(f"the map is at http://{settings.host}:{settings.port}; Ctrl-C stops it")
        machine.say("all accounts to sign in with: .venv/bin/python -m app demo accounts")
        try:
            _serve(settings, engine)
        finally:
            scheduler.shutdown()


def _serve(settings: Settings, engine: Engine) -> None:
    from app.main import create_app

    app = create_app(engine, settings)
    uvicorn.Server(uvicorn.Config(app, **listening(settings))).run()


def listening(settings: Settings) -> dict[str, Any]:
    """Return how the server listens, and whom it believes."""
    return {
        "host": settings.host,
        "port": settings.port,
        "forwarded_allow_ips": settings.trusted_proxies,
        "server_header": False,
        "log_level": "warning",
    }


@cli.command()
def serve(
    workers: Annotated[int, typer.Option(min=1, help="processes that answer requests")] = 1,
) -> None:
    """Answer requests; the database must be there and migrated."""
    settings = load()
    machine.port_needed(settings.host, settings.port)
    with database(settings) as url:
        os.environ["APP_DATABASE_URL"] = url
        load.cache_clear()
        uvicorn.run(
            "app.main:create_app",
            factory=True,
            workers=workers,
            **listening(settings),
        )


@cli.command(name="jobs")
def run_jobs() -> None:
    """Run the scheduler until told to stop; as many of these as wanted."""
    from app import jobs

    with database(load()) as url:
        os.environ["APP_DATABASE_URL"] = url
        load.cache_clear()
        jobs.main()


@cli.command()
def migrate() -> None:
    """Bring the database up to the newest migration."""
    with database(load()) as url:
        upgrade(url)


@demo_cli.callback(invoke_without_command=True)
def build_demo(context: typer.Context) -> None:
    """Build the demonstration district, unless it is there; print its accounts."""
    _refuse_in_production(load())
    if context.invoked_subcommand is None:
        with engine_of(load()) as engine:
            _build_demo(engine)
            _print_accounts(engine)


@demo_cli.command(name="accounts")
def demo_accounts() -> None:
    """Print the demonstration's accounts as JSON."""
    with engine_of(load()) as engine:
        _print_accounts(engine)


def _print_accounts(engine: Engine) -> None:
    with Session(engine) as session:
        rows = [account.as_json() for account in demo.accounts(session)]
    typer.echo(json.dumps(rows, ensure_ascii=False, indent=1))


@cli.command()
def verify() -> None:
    """Check the invariants on the live database; print each violation, and nothing when right.

    Raises:
        Exit: with 1, if there is one.
    """
    from app.services import verify as invariants

    with database(load()) as url:
        engine = create_engine(url)
        with Session(engine) as session:
            found = list(invariants.violations(session, now=clock.now()))
        engine.dispose()
    for line in found:
        typer.echo(line)
    if found:
        raise typer.Exit(1)


@cli.command()
def rebuild() -> None:
    """Build the statistics' facts anew from the rows, should the recount have found a drift."""
    from app.services import facts

    with database(load()) as url:
        engine = create_engine(url)
        with Session(engine) as session, session.begin():
            counted = facts.rebuild(session)
        engine.dispose()
    typer.echo(f"{counted} bookings counted")


@cli.command()
def openapi(
    path: Annotated[Path, typer.Argument(help="file to write")] = ROOT / "openapi/openapi.json",
) -> None:
    """Write the contract, as served."""
    from app.main import create_app

    app = create_app(create_engine("postgresql://nowhere/none"))
    text = json.dumps(app.openapi(), ensure_ascii=False, indent=1)
    path.write_text(f"{text}\n")


if __name__ == "__main__":
    try:
        cli()
    except machine.Refusal as refusal:
        sys.exit(f"  {refusal}")
