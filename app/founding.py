"""How a real district begins, where nobody is signed in who could be asked: `python -m app`."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from sqlmodel import Session

from app import clock, demo
from app.database import engine_of
from app.errors import DomainError
from app.models import OrganisationKind, Policy, Role
from app.services import (
    accounts,
    grants,
    import_tables,
    imports,
    one_time_codes,
    organisations,
    site_imports,
)
from app.settings import load

cli = typer.Typer(no_args_is_help=True, help="The first district, and its first people.")
import_cli = typer.Typer(no_args_is_help=True, help="Tables to take in.")


FileArgument = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV or XLSX")]
DistrictOption = Annotated[str, typer.Option(help="code of the district it is a part of")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="only tell what would happen")]
Import = Callable[..., import_tables.Imported]


@import_cli.command(name="organisations")
def import_organisations(
    file: FileArgument, district: DistrictOption, dry_run: DryRunOption = False
) -> None:
    """Plant, change and move organisations as a table says; all of it, or nothing.

    Raises:
        Exit: with 1, if anything in the table is wrong; each fault is told by its row.
    """
    _import(imports.run, file, district, dry_run=dry_run)


@import_cli.command(name="sites")
def import_sites(
    file: FileArgument, district: DistrictOption, dry_run: DryRunOption = False
) -> None:
    """Draft and change sites as a table says; all of it, or nothing.

    Raises:
        Exit: with 1, if anything in the table is wrong; each fault is told by its row.
    """
    _import(site_imports.run, file, district, dry_run=dry_run)


def _import(run: Import, file: Path, district: str, *, dry_run: bool) -> None:
    from rich.console import Console

    with (
        engine_of(load()) as engine,
        _telling(),
        demo.bar(Console(stderr=True), "导入") as progress,
        Session(engine) as session,
        session.begin(),
    ):
        root = organisations.district(session, code=district)
        done = run(
            session,
            actor=imports.system(root),
            data=file.read_bytes(),
            dry_run=dry_run,
            progress=progress,
        )
    typer.echo(json.dumps({"dry_run": dry_run, **asdict(done)}))


@contextmanager
def _telling() -> Iterator[None]:
    """Tell a refusal.

    Raises:
        Exit: with 1, after a refusal.
    """
    try:
        yield
    except DomainError as refusal:
        _tell(refusal)
        raise typer.Exit(1) from None


@cli.command(name="district")
def found_district(
    code: Annotated[str, typer.Argument(help="as the civil affairs know it, such as 370302")],
    name: Annotated[str, typer.Argument(help="of its committee")],
    place: Annotated[str, typer.Argument(help="what a map calls it")],
) -> None:
    """Plant a district, the root under which everything hangs, with the usual rules of ordering."""
    with engine_of(load()) as engine, _telling(), Session(engine) as session, session.begin():
        planted = organisations.create(
            session,
            name=name,
            code=code,
            kind=OrganisationKind.DISTRICT,
            parent=None,
            place=place,
        )
        session.add(Policy(district_id=planted.id, effective_at=clock.now()))


@cli.command()
def appoint(
    role: Annotated[Role, typer.Argument()],
    name: Annotated[str, typer.Argument()],
    phone: Annotated[str, typer.Argument()],
    organisation: Annotated[str | None, typer.Option(help="code of where, if it has one")] = None,
) -> None:
    """Open an account with a role for who will appoint all others; print its one-time code."""
    with engine_of(load()) as engine, _telling(), Session(engine) as session, session.begin():
        place = organisations.by_code(session, code=organisation) if organisation else None
        where = place.id if place else None
        account = accounts.create(
            session, name=name, phone=phone, password=None, organisation_id=where
        )
        grants.grant(session, account_id=account.id, role=role, organisation_id=where)
        issued = one_time_codes.issue(
            session, account_id=account.id, issued_by=None, now=clock.now()
        )
    typer.echo(issued.code)


def _tell(refusal: DomainError) -> None:
    faults = refusal.facts.get("errors")
    for fault in faults if isinstance(faults, list) else []:
        where = f"第 {fault['row']} 行 {fault['column']}"
        typer.echo(f"{where} {fault['value']!r}：{fault['detail']}", err=True)
    typer.echo(f"{refusal.title('zh')}：{refusal.detail('zh')}", err=True)
