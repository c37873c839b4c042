"""Is it alive, is it ready."""

import re
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict
from sqlalchemy import text

from app.api.deps import NowDep, SessionDep
from app.api.problems import problems
from app.api.router import Router
from app.errors import Unavailable
from app.services import lateness

router = Router(tags=["system"])

MIGRATIONS = Path(__file__).parents[2] / "migrations" / "versions"
REVISION = re.compile(r'^(revision|down_revision) = "(\w+)"', re.MULTILINE)


class MigrationsBehind(Unavailable):
    """The database lacks migrations that this release needs."""

    zh = "数据库尚未升级到本版本"


class JobLate(BaseModel):
    """How late a job is, in whole seconds, and whether that is no matter."""

    name: str
    late_seconds: int
    ok: bool


class ReadyPublic(BaseModel):
    """`degraded` where a job is late or none ever ran: requests are answered, but tell somebody."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {
                "status": "degraded",
                "database": "ok",
                "jobs": [{"name": "mark-no-shows", "late_seconds": 1800, "ok": False}],
            }
        }
    )

    status: Literal["ok", "degraded"]
    database: Literal["ok"]
    jobs: list[JobLate]


@router.get("/livez", operation_id="isAlive", summary="The process answers")
async def livez() -> dict[str, str]:
    """Answer, whatever the state of the database."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    operation_id="isReady",
    summary="The database answers too, and is of this release",
    responses=problems(MigrationsBehind, Unavailable),
)
def readyz(session: SessionDep, now: NowDep) -> ReadyPublic:
    """Answer once the database does; late jobs make no difference to the status code.

    Raises:
        MigrationsBehind: migrate first.
    """
    known, newest = _revisions()
    current = session.connection().execute(text("SELECT version_num FROM alembic_version")).scalar()
    # One that is not known here is of a newer release, which is still to come to this process.
    if current is None or (current in known and current != newest):
        raise MigrationsBehind
    jobs = lateness.of(session, now=now)
    fine = bool(jobs) and all(job.ok for job in jobs)
    return ReadyPublic(
        status="ok" if fine else "degraded",
        database="ok",
        jobs=[
            JobLate(name=job.beat.job, late_seconds=int(job.late.total_seconds()), ok=job.ok)
            for job in jobs
        ],
    )


@lru_cache
def _revisions() -> tuple[frozenset[str], str]:
    """Return the revisions of this release, and the newest; read as text, for speed."""
    found = [REVISION.findall(path.read_text()) for path in MIGRATIONS.glob("*.py")]
    named = [pair for pairs in found for pair in pairs]
    revisions = frozenset(value for name, value in named if name == "revision")
    (newest,) = revisions - {value for name, value in named if name == "down_revision"}
    return revisions, newest
