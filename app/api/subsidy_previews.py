"""What a visit would be paid."""

from typing import ClassVar, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator
from pydantic.config import JsonDict

from app.api.deps import ActorDep, SessionDep
from app.api.problems import problems
from app.api.router import Router
from app.api.times import Day
from app.errors import Unauthenticated
from app.models import MOST_PEOPLE, Category, ProgrammeKind, Sector, WhenExhausted
from app.services import organisations, sites, subsidy_previews, tokens
from app.services.access import NotInScope
from app.services.subsidy_previews import Imagined
from app.services.tariff import Cap, WhyNothing

router = Router(prefix="/subsidy-rules", tags=["fund"])

ID = "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f10"
ANSWER: JsonDict = {
    "amount_fen": 25000,
    "reason": None,
    "rule": {"id": ID, "code": "base", "version": 2},
    "fund": {"id": ID, "available_fen": 900000, "when_exhausted": "refuse"},
    "base_fen": 10000,
    "per_head_fen": 500,
    "people": 52,
    "head_cap": 40,
    "heads": 40,
    "caps": [
        {"cap": "visit", "cap_fen": 28000, "used_fen": 0, "cut_fen": 2000},
        {"cap": "site_month", "cap_fen": 500000, "used_fen": 475000, "cut_fen": 3000},
    ],
}


class VisitIn(BaseModel):
    """A visit that is only thought of: to a site or a category, by a branch or a sector.

    Of a site and a branch, what they have had counts towards their caps. `outside` is for a sector
    alone; a branch is known to be from outside or not.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {
                "organisation_id": ID,
                "day": "2026-12-01",
                "people": 52,
                "programme_kinds": ["visit", "oath"],
                "category": "urban",
                "sector": "rural",
            }
        }
    )

    organisation_id: UUID
    day: Day
    people: int = Field(strict=True, ge=0, le=MOST_PEOPLE)
    programme_kinds: list[ProgrammeKind] = Field(default=[], max_length=len(ProgrammeKind))
    site_id: UUID | None = None
    category: Category | None = None
    branch_id: UUID | None = None
    sector: Sector | None = None
    outside: StrictBool = False

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if (self.site_id is None) == (self.category is None):
            raise ValueError("say either site_id or category")
        if self.branch_id is not None and (self.sector is not None or self.outside):
            raise ValueError("of a branch, sector and outside are known")
        return self


class CapPublic(BaseModel):
    """One cap: how much it is, what others have had of it, and by how much it cut this visit."""

    cap: Cap
    cap_fen: int
    used_fen: int
    cut_fen: int


class MetRule(BaseModel):
    """The version of the tariff that the visit meets."""

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    id: UUID
    code: str
    version: int


class MetFund(BaseModel):
    """The fund that would pay, and what it has left."""

    id: UUID
    available_fen: int
    when_exhausted: WhenExhausted


class SubsidyPreview(BaseModel):
    """A sum, line by line: `base_fen + per_head_fen * heads`, less what each of `caps` cuts.

    `reason` says why it is 0, if it is. Where no rule is met the numbers of one are null.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra={"example": ANSWER})

    amount_fen: int
    reason: WhyNothing | None
    rule: MetRule | None
    fund: MetFund | None
    base_fen: int | None
    per_head_fen: int | None
    people: int
    head_cap: int | None
    heads: int | None
    caps: list[CapPublic]


def _shown(found: subsidy_previews.Preview) -> SubsidyPreview:
    sums, fund = found.sums, None
    if found.fund is not None and found.available_fen is not None:
        fund = MetFund(
            id=found.fund.id,
            available_fen=found.available_fen,
            when_exhausted=WhenExhausted(found.fund.when_exhausted),
        )
    return SubsidyPreview(
        amount_fen=sums["amount_fen"],
        reason=sums["reason"],
        rule=MetRule.model_validate(found.rule) if found.rule else None,
        fund=fund,
        base_fen=sums.get("base_fen"),
        per_head_fen=sums.get("per_head_fen"),
        people=sums["people"],
        head_cap=sums.get("head_cap"),
        heads=sums.get("heads"),
        caps=[CapPublic.model_validate(cap) for cap in sums["caps"]],
    )


@router.post(
    "/preview",
    operation_id="previewSubsidy",
    summary="What a visit would be paid, and why",
    responses=problems(
        Unauthenticated,
        tokens.InvalidToken,
        NotInScope,
        organisations.OrganisationNotFound,
        sites.SiteNotFound,
    ),
)
def preview_subsidy(wanted: VisitIn, actor: ActorDep, session: SessionDep) -> SubsidyPreview:
    """Reckon a visit as an approval would now; nothing is reserved."""
    imagined = Imagined(**{name: getattr(wanted, name) for name in Imagined.__dataclass_fields__})
    return _shown(subsidy_previews.preview(session, actor=actor, imagined=imagined))
