"""What the scheduler does, and what it cannot get done."""

from typing import ClassVar
from uuid import UUID

from fastapi import Response
from pydantic import AwareDatetime, BaseModel, ConfigDict
from pydantic.config import JsonDict

from app.api.deps import ActorDep, NowDep, SessionDep
from app.api.once import OnceDep
from app.api.problems import problems
from app.api.router import Router
from app.errors import Unauthenticated
from app.models import JobRow, Role
from app.services import idempotency, job_rows, lateness, tokens
from app.services.access import NotInScope

router = Router(prefix="/jobs", tags=["system"])

KEEPERS = (Role.DISTRICT_STAFF, Role.SYSTEM_ADMIN)
"""Who looks after the jobs."""

ROW: JsonDict = {
    "id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f10",
    "job": "mark-no-shows",
    "row_id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f20",
    "attempts": 8,
    "next_try_at": "2026-11-25T03:00:00Z",
    "last_error": "IntegrityError: …",
    "parked_at": "2026-11-25T01:00:00Z",
}


class JobRowPublic(BaseModel):
    """A row that a job failed on; with `parked_at` it is tried no more until somebody asks."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        from_attributes=True, json_schema_extra={"example": ROW}
    )

    id: UUID
    job: str
    row_id: UUID
    attempts: int
    next_try_at: AwareDatetime
    last_error: str
    parked_at: AwareDatetime | None


class JobPublic(BaseModel):
    """A job: how often it should run, when it last did, in any process, and how late it is.

    `touched` and `failed` count rows since the job is known; `rows` are those it failed on.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {
                "name": "mark-no-shows",
                "seconds": 60,
                "last_started_at": "2026-11-25T01:00:00Z",
                "last_finished_at": "2026-11-25T01:00:01Z",
                "last_ok_at": "2026-11-25T01:00:01Z",
                "last_error": None,
                "touched": 41,
                "failed": 8,
                "late_seconds": 0,
                "ok": True,
                "rows": [ROW],
            }
        }
    )

    name: str
    seconds: int
    last_started_at: AwareDatetime | None
    last_finished_at: AwareDatetime | None
    last_ok_at: AwareDatetime | None
    last_error: str | None
    touched: int
    failed: int
    late_seconds: int
    ok: bool
    rows: list[JobRowPublic]


class JobList(BaseModel):
    """All jobs, by name."""

    items: list[JobPublic]


@router.get(
    "",
    operation_id="listJobs",
    summary="The jobs, how late they are and what they fail on",
    responses=problems(Unauthenticated, tokens.InvalidToken, NotInScope),
)
def list_jobs(actor: ActorDep, session: SessionDep, now: NowDep) -> JobList:
    """Show every job that a scheduler has announced; for district staff and administrators."""
    actor.require(*KEEPERS)
    rows: dict[str, list[JobRow]] = {}
    for row in job_rows.troubled(session):
        rows.setdefault(row.job, []).append(row)
    found = lateness.of(session, now=now)
    return JobList(items=[_shown(job, rows.get(job.beat.job, [])) for job in found])


def _shown(job: lateness.Late, rows: list[JobRow]) -> JobPublic:
    beat = job.beat
    return JobPublic(
        **beat.model_dump(exclude={"job", "known_since"}),
        name=beat.job,
        late_seconds=int(job.late.total_seconds()),
        ok=job.ok,
        rows=[JobRowPublic.model_validate(row) for row in rows],
    )


@router.post(
    "/parked/{job_row_id}/retry",
    operation_id="retryJobRow",
    summary="Have a job try a row again",
    response_model=JobRowPublic,
    responses=problems(
        Unauthenticated,
        tokens.InvalidToken,
        NotInScope,
        job_rows.JobRowNotFound,
        idempotency.IdempotencyKeyReused,
    ),
)
def retry_job_row(job_row_id: UUID, actor: ActorDep, once: OnceDep) -> Response:
    """Forget the failures of a row, parked or waiting; its job takes it at the next look."""
    actor.require(*KEEPERS)
    row = job_rows.retry(once.session, row_id=job_row_id)
    return once.answer(200, JobRowPublic.model_validate(row))
