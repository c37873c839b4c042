"""The tariff, line by line and version by version."""

from datetime import date
from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from app.api.deps import (
    ActorDep,
    CursorDep,
    CursorUnreadable,
    DateDep,
    LimitDep,
    Line,
    SessionDep,
    VersionDep,
    read_cursor,
    write_cursor,
)
from app.api.once import OnceDep
from app.api.problems import problems
from app.api.router import Router
from app.api.times import Day
from app.errors import Stale, Unauthenticated
from app.models import MOST_PEOPLE, Category, ProgrammeKind, Sector
from app.services import idempotency, organisations, subsidy_rules, tokens
from app.services.access import NotInScope
from app.services.subsidy_rules import Terms, View

router = Router(prefix="/subsidy-rules", tags=["fund"])

MOST_FEN = 100_000_000
"""For one visit: a million yuan."""
MOST_FEN_TOGETHER = 100 * MOST_FEN
TERMS: JsonDict = {
    "valid_from": "2027-01-01",
    "valid_to": None,
    "category": None,
    "programme_kind": "training_case",
    "sector": None,
    "base_fen": 20000,
    "per_head_fen": 1000,
    "head_cap": 60,
    "visit_cap_fen": 80000,
    "site_month_cap_fen": 1000000,
    "branch_year_cap_fen": 200000,
}
EXAMPLE: JsonDict = {
    **TERMS,
    "id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f70",
    "organisation_id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f10",
    "code": "training",
    "version": 2,
    "newest_version": 2,
    "ends": None,
    "made_by": "张经费",
    "created_at": "2026-11-25T01:00:00Z",
}

Rate = Annotated[int, Field(strict=True, ge=0, le=MOST_FEN)]
Total = Annotated[int, Field(strict=True, ge=0, le=MOST_FEN_TOGETHER)]


class TermsIn(BaseModel):
    """What a version says, fen; it holds for visits on dates `[valid_from, valid_to)`.

    Without a condition it is for all, without a cap of site or branch there is none. From its first
    day on it takes the place of all versions before; with `valid_to` the same day the line ends.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra={"example": TERMS})

    valid_from: Day
    valid_to: Day | None = None
    category: Category | None = None
    programme_kind: ProgrammeKind | None = None
    sector: Sector | None = None
    base_fen: Rate
    per_head_fen: Rate
    head_cap: int = Field(strict=True, ge=0, le=MOST_PEOPLE)
    visit_cap_fen: Rate
    site_month_cap_fen: Total | None = None
    branch_year_cap_fen: Total | None = None

    def terms(self) -> Terms:
        """Return what it says, by itself."""
        return Terms(**{name: getattr(self, name) for name in Terms.__dataclass_fields__})


class SubsidyRuleIn(TermsIn):
    """A new line of a district's tariff."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {**TERMS, "organisation_id": EXAMPLE["organisation_id"], "code": "training"}
        }
    )

    organisation_id: UUID
    code: Line = Field(max_length=32)


class SubsidyRulePublic(BaseModel):
    """A version of a line; `newest_version` is what `If-Match` has to say, `made_by` is a name.

    It holds on dates `[valid_from, ends)`, never where they are the same or swapped.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra={"example": EXAMPLE})

    id: UUID
    organisation_id: UUID
    code: str
    version: int
    newest_version: int
    valid_from: date
    valid_to: date | None
    ends: date | None
    category: Category | None
    programme_kind: ProgrammeKind | None
    sector: Sector | None
    base_fen: int
    per_head_fen: int
    head_cap: int
    visit_cap_fen: int
    site_month_cap_fen: int | None
    branch_year_cap_fen: int | None
    made_by: str | None
    created_at: AwareDatetime


class SubsidyRulePage(BaseModel):
    """One page of the tariff."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"items": [EXAMPLE], "next_cursor": None}}
    )

    items: list[SubsidyRulePublic]
    next_cursor: str | None


def shown(view: View) -> SubsidyRulePublic:
    """Return a version as it is told."""
    said = {"ends": view.ends, "newest_version": view.newest, "made_by": view.made_by}
    return SubsidyRulePublic(**view.rule.model_dump() | said)


READING = (Unauthenticated, tokens.InvalidToken)
MAKING = (
    *READING,
    NotInScope,
    subsidy_rules.RuleEndsTooEarly,
    idempotency.IdempotencyKeyReused,
)


@router.get(
    "",
    operation_id="listSubsidyRules",
    summary="The tariff of my district",
    responses=problems(*READING, CursorUnreadable),
)
def list_subsidy_rules(
    actor: ActorDep,
    session: SessionDep,
    day: Annotated[
        DateDep | None, Query(description="What holds on it; without it the newest versions")
    ] = None,
    limit: LimitDep = 50,
    cursor: CursorDep = None,
) -> SubsidyRulePage:
    """List one version of each line for those who keep the fund or oversee, by code."""
    after = read_cursor(cursor, UUID, str)
    found = subsidy_rules.page(session, actor=actor, day=day, after=after, limit=limit)
    items, last = found[:limit], found[min(limit, len(found)) - 1].rule if found else None
    more = last is not None and len(found) > limit
    return SubsidyRulePage(
        items=[shown(view) for view in items],
        next_cursor=write_cursor(last.organisation_id, last.code) if last and more else None,
    )


@router.post(
    "",
    status_code=201,
    operation_id="createSubsidyRule",
    summary="Add a line to the tariff",
    response_model=SubsidyRulePublic,
    responses=problems(
        *MAKING, organisations.OrganisationNotFound, subsidy_rules.SubsidyRuleCodeTaken
    ),
)
def create_subsidy_rule(wanted: SubsidyRuleIn, actor: ActorDep, once: OnceDep) -> Response:
    """Write the first version of a line of a district whose fund one keeps."""
    made = subsidy_rules.create(
        once.session,
        actor=actor,
        organisation_id=wanted.organisation_id,
        code=wanted.code,
        terms=wanted.terms(),
    )
    return once.answer(201, shown(made))


@router.get(
    "/{subsidy_rule_id:uuid}",
    operation_id="getSubsidyRule",
    summary="A version of a line of the tariff",
    responses=problems(*READING, subsidy_rules.SubsidyRuleNotFound),
)
def get_subsidy_rule(
    subsidy_rule_id: UUID, actor: ActorDep, session: SessionDep
) -> SubsidyRulePublic:
    """Show one version."""
    return shown(subsidy_rules.get(session, actor=actor, rule_id=subsidy_rule_id))


@router.get(
    "/{subsidy_rule_id:uuid}/versions",
    operation_id="listSubsidyRuleVersions",
    summary="How a line of the tariff was, is and will be",
    responses=problems(*READING, CursorUnreadable, subsidy_rules.SubsidyRuleNotFound),
)
def list_subsidy_rule_versions(
    subsidy_rule_id: UUID,
    actor: ActorDep,
    session: SessionDep,
    limit: LimitDep = 20,
    cursor: CursorDep = None,
) -> SubsidyRulePage:
    """List all versions of the line that this one is of, the newest first."""
    after = read_cursor(cursor, int)
    found = subsidy_rules.history(
        session,
        actor=actor,
        rule_id=subsidy_rule_id,
        before=after[0] if after else None,
        limit=limit,
    )
    items, more = found[:limit], len(found) > limit
    return SubsidyRulePage(
        items=[shown(view) for view in items],
        next_cursor=write_cursor(str(items[-1].rule.version)) if more else None,
    )


@router.post(
    "/{subsidy_rule_id:uuid}/versions",
    status_code=201,
    operation_id="reviseSubsidyRule",
    summary="Change a line of the tariff",
    response_model=SubsidyRulePublic,
    responses=problems(*MAKING, Stale, subsidy_rules.SubsidyRuleNotFound),
)
def revise_subsidy_rule(
    subsidy_rule_id: UUID, wanted: TermsIn, actor: ActorDep, version: VersionDep, once: OnceDep
) -> Response:
    """Write the next version; what is reserved keeps the version it was reserved by."""
    made = subsidy_rules.revise(
        once.session,
        actor=actor,
        rule_id=subsidy_rule_id,
        version=version,
        terms=wanted.terms(),
    )
    return once.answer(201, shown(made))
