"""The command line: `python -m app COMMAND`."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import sqlalchemy
import typer
import uvicorn
from alembic import command
from alembic.config import Config
from apscheduler.schedulers.background import BackgroundScheduler
from rich.console import Console
from sqlalchemy import Engine
from sqlmodel import Session

from app import clock, demo, jobs, machine, postgres
from app.api.limits import AT_ONCE
from app.db import create_engine
from app.errors import DomainError
from app.main import create_app
from app.services import imports, organisations
from app.services import verify as invariants
from app.settings import Env, Settings, load

ROOT = Path(__file__).parent.parent
SEED = 370302

cli = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
demo_cli = typer.Typer(help="The demonstration district.")
cli.add_typer(demo_cli, name="demo")
import_cli = typer.Typer(help="Tables to take in.")
cli.add_typer(import_cli, name="import")


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """Yield the URL of the database named in the settings, else of the checkout's own server."""
    if settings.database_url:
        yield settings.database_url
        return
    with postgres.running("demo", durable=True) as server:
        url = postgres.createdb(server, "app")
        yield sqlalchemy.make_url(url).set(drivername="postgresql").render_as_string(False)


@contextmanager
def engine_of(settings: Settings) -> Iterator[Engine]:
    """Yield an engine on that database, brought up to the newest migration."""
    with database(settings) as url:
        _upgrade(url)
        engine = create_engine(url, pool_size=settings.pool_size + AT_ONCE + len(jobs.JOBS))
        try:
            yield engine
        finally:
            engine.dispose()


def _upgrade(url: str) -> None:
    config = Config(ROOT / "alembic.ini")
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.attributes["url"] = url
    command.upgrade(config, "head")


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
    with database(load()) as url:
        os.environ["APP_DATABASE_URL"] = url
        load.cache_clear()
        jobs.main()


@cli.command()
def migrate() -> None:
    """Bring the database up to the newest migration."""
    with database(load()) as url:
        _upgrade(url)


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


@import_cli.command(name="organisations")
def import_organisations(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV or XLSX")],
    district: Annotated[str, typer.Option(help="code of the district it is a part of")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only tell what would happen")] = False,
) -> None:
    """Plant, change and move organisations as a table says; all of it, or nothing.

    Raises:
        Exit: with 1, if anything in the table is wrong; each fault is told by its row.
    """
    with database(load()) as url:
        engine = create_engine(url)
        try:
            with (
                demo.bar(Console(stderr=True), "导入") as progress,
                Session(engine) as session,
                session.begin(),
            ):
                root = organisations.district(session, code=district)
                done = imports.run(
                    session,
                    actor=imports.system(root),
                    data=file.read_bytes(),
                    dry_run=dry_run,
                    progress=progress,
                )
        except DomainError as refusal:
            _tell(refusal)
            raise typer.Exit(1) from None
        finally:
            engine.dispose()
    typer.echo(json.dumps({"dry_run": dry_run, **asdict(done)}))


def _tell(refusal: DomainError) -> None:
    faults = refusal.facts.get("errors")
    for fault in faults if isinstance(faults, list) else []:
        where = f"第 {fault['row']} 行 {fault['column']}"
        typer.echo(f"{where} {fault['value']!r}：{fault['detail']}", err=True)
    typer.echo(f"{refusal.title('zh')}：{refusal.detail('zh')}", err=True)


@cli.command()
def verify() -> None:
    """Check the invariants on the live database; print each violation, and nothing when right.

    Raises:
        Exit: with 1, if there is one.
    """
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
def openapi(
    path: Annotated[Path, typer.Argument(help="file to write")] = ROOT / "openapi/openapi.json",
) -> None:
    """Write the contract, as served."""
    app = create_app(create_engine("postgresql://nowhere/none"))
    text = json.dumps(app.openapi(), ensure_ascii=False, indent=1)
    path.write_text(f"{text}\n")


if __name__ == "__main__":
    try:
        cli()
    except machine.Refusal as refusal:
        sys.exit(f"  {refusal}")
