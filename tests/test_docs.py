"""The documents name what is there: every refusal, every setting, every command, every file."""

import importlib.util
import re
from collections.abc import Iterator
from enum import Enum
from importlib import import_module
from pathlib import Path
from string import Formatter

import pytest
import typer
from pydantic import SecretStr
from sqlmodel import SQLModel

from app.__main__ import cli
from app.api import problems
from app.errors import DomainError
from app.settings import Settings

ROOT = Path(__file__).parent.parent
DOCS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [str(path.relative_to(ROOT)) for path in DOCS]
ERRORS = ROOT / "docs/errors.md"
DEPLOY = ROOT / "docs/deploy.md"
SECURITY = ROOT / "docs/security.md"
MIGRATIONS = "".join(path.read_text() for path in (ROOT / "migrations/versions").glob("*.py"))

ERROR_ROW = re.compile(r"^\| `([a-z-]+)` \| (\d{3}) \| .+ \| (.*)\|$", re.MULTILINE)
SETTING_ROW = re.compile(r"^\| `APP_([A-Z0-9_]+)` \| (.+?) \|", re.MULTILINE)
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
MAKE = re.compile(r"\bmake ([a-z]+)\b")
COMMAND = re.compile(r"python -m app ((?:[a-z]+\b ?)+)")
MODULE = re.compile(r"python -m (app\.[a-z.]+)")
SOURCE = re.compile(r"`((?:app|migrations|openapi|requirements|setup|tests|web)/[\w./-]*)`")
ASVS_ROW = re.compile(r"^\| ([\d.]+) \| (\d) \|.* \| (.+?) \|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
LINK = re.compile(r"\]\((?!https?:)([^)#]+\.md)[^)]*\)")
CONSTRAINT = re.compile(r"`([a-z_0-9]+_(?:check|key|pkey|fkey|idx|once|no_overlap))`")

# Section, and how many of its first requirements are of level 1.
ASVS_LEVEL_1 = """
    1.2 5 | 1.3 2 | 1.5 1 | 2.1 1 | 2.2 2 | 2.3 1 | 3.2 2 | 3.3 1 | 3.4 2 | 3.5 3 | 4.1 1 | 4.4 1
    | 5.2 2 | 5.3 2 | 6.1 1 | 6.2 8 | 6.3 2 | 6.4 2 | 7.2 4 | 7.4 2 | 8.1 1 | 8.2 2 | 8.3 1 | 9.1 3
    | 9.2 1 | 10.4 5 | 11.3 2 | 11.4 1 | 12.1 1 | 12.2 2 | 13.4 1 | 14.2 1 | 14.3 1 | 15.1 1
    | 15.2 1 | 15.3 1
"""
STATUSES = {"yes", "partly", "not covered"}

every_document = pytest.mark.parametrize("path", DOCS, ids=NAMES)


def every_error(root: type[DomainError] = DomainError) -> Iterator[type[DomainError]]:
    for error in root.__subclasses__():
        yield error
        yield from every_error(error)


import_module("app.demo.making")  # serving does not import it, and its refusal is told too
KNOWN = {error.slug(): error for error in every_error() if error.__module__.startswith("app.")}


def rows() -> list[tuple[str, int, set[str]]]:
    """Slug, status and members of every row of the tables of refusals."""
    found = ERROR_ROW.findall(ERRORS.read_text())
    return [(slug, int(status), set(re.findall(r"`(\w+)`", last))) for slug, status, last in found]


def code(path: Path) -> str:
    """What a document sets as code, joined."""
    return "\n".join(CODE.findall(path.read_text()))


def commands(app: typer.Typer, before: str = "") -> Iterator[str]:
    """Every command line of a tree of commands."""
    for command in app.registered_commands:
        assert command.callback
        yield f"{before}{command.name or command.callback.__name__}"
    for group in app.registered_groups:
        assert group.typer_instance
        yield f"{before}{group.name}"
        yield from commands(group.typer_instance, f"{before}{group.name} ")


def default_of(name: str) -> str:
    """The default of a setting as the table writes it."""
    default = Settings.model_fields[name].default
    if isinstance(default, SecretStr):
        return "public"
    if default in {None, ""}:
        return "none"
    return f"`{default.value if isinstance(default, Enum) else default}`"


def test_every_refusal_has_one_row() -> None:
    assert sorted(slug for slug, _, _ in rows()) == sorted(KNOWN)


def test_every_row_tells_the_status() -> None:
    told = {slug: status for slug, status, _ in rows()}
    assert told == {slug: problems.status_of(error) for slug, error in KNOWN.items()}


def test_every_row_names_the_facts_its_sentence_uses() -> None:
    for slug, _, members in rows():
        used = {name for _, name, _, _ in Formatter().parse(KNOWN[slug].detail_en) if name}
        assert used <= members, slug


def test_every_setting_has_its_row_and_default() -> None:
    told = {name.lower(): default for name, default in SETTING_ROW.findall(DEPLOY.read_text())}
    assert told == {name: default_of(name) for name in Settings.model_fields}


@every_document
def test_every_setting_that_is_named_exists(path: Path) -> None:
    named = re.findall(r"\bAPP_([A-Z]+(?:_[A-Z]+)*)\b", path.read_text())
    assert {name.lower() for name in named} <= set(Settings.model_fields)


@every_document
def test_every_target_that_is_named_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(MAKE.findall(code(path))) <= targets


@every_document
def test_every_command_that_is_named_exists(path: Path) -> None:
    known = set(commands(cli))
    assert {command.strip() for command in COMMAND.findall(code(path))} <= known
    assert all(importlib.util.find_spec(module) for module in MODULE.findall(code(path)))


@every_document
def test_every_file_that_is_named_exists(path: Path) -> None:
    text = path.read_text()
    named = [ROOT / name for name in SOURCE.findall(text) if name != "app/static"]
    linked = [path.parent / name for name in LINK.findall(text)]
    assert [str(file) for file in (*named, *linked) if not file.exists()] == []


@every_document
def test_every_constraint_that_is_named_is_in_the_migrations(path: Path) -> None:
    tables = set(SQLModel.metadata.tables)
    named = set(CONSTRAINT.findall(path.read_text())) - tables
    assert {name for name in named if f'"{name}"' not in MIGRATIONS} == set()


def missing_tests(text: str) -> list[str]:
    """The tests a text names that are not there."""
    return [
        f"{path}::{name}"
        for path, name in TEST.findall(text)
        if not (ROOT / path).exists() or f"def {name}(" not in (ROOT / path).read_text()
    ]


@every_document
def test_every_test_that_is_named_exists(path: Path) -> None:
    assert missing_tests(path.read_text()) == []


def test_a_test_that_is_not_there_is_noticed() -> None:
    here = "`tests/test_docs.py::test_a_test_that_is_not_there_is_noticed`"
    gone, nowhere = "`tests/test_docs.py::test_gone`", "`tests/gone.py::test_gone`"
    assert missing_tests(f"{here} {gone} {nowhere}") == [gone[1:-1], nowhere[1:-1]]


def test_each_requirement_has_one_row_and_one_status() -> None:
    rows = ASVS_ROW.findall(SECURITY.read_text())
    numbers = [number for number, _, _ in rows]
    assert len(set(numbers)) == len(numbers)
    sections = (part.split() for part in ASVS_LEVEL_1.split("|"))
    wanted = [f"{section}.{n + 1}" for section, many in sections for n in range(int(many))]
    assert [number for number, level, _ in rows if level == "1"] == wanted
    assert {status.split(":")[0] for _, _, status in rows} == STATUSES | {"not applicable"}
