"""Reports of the nightly reconciliation (夜间对账)."""

from datetime import date
from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

from app.api.deps import ActorDep, SessionDep
from app.api.problems import problems
from app.api.router import Router
from app.errors import Unauthenticated
from app.models import Role
from app.services import nightly, tokens
from app.services.access import NotInScope

router = Router(prefix="/reconciliation-reports", tags=["system"])

READERS = (Role.DISTRICT_STAFF, Role.AUDITOR)


class ReportPublic(BaseModel):
    """One night: `found` rows break a rule, of all districts; `findings` names the first of them.

    A finding is the rule, in English, and the keys of the row.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {
                "id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f10",
                "created_at": "2026-11-24T17:00:03Z",
                "day": "2026-11-25",
                "found": 1,
                "findings": [
                    "a claim is not the sum of its lines: 019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f20"
                ],
            }
        },
    )

    id: UUID
    created_at: AwareDatetime
    day: date
    found: int
    findings: list[str]


class ReportList(BaseModel):
    """The latest reports, the newest first."""

    items: list[ReportPublic]


@router.get(
    "",
    operation_id="listReconciliationReports",
    summary="What the nightly reconciliations found",
    responses=problems(Unauthenticated, tokens.InvalidToken, NotInScope),
)
def list_reports(actor: ActorDep, session: SessionDep) -> ReportList:
    """List the last 90 nights, for district staff and auditors; a night without findings too."""
    actor.require(*READERS)
    found = nightly.reports(session)
    return ReportList(items=[ReportPublic.model_validate(report) for report in found])
