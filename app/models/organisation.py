"""The tree of party organisations."""

from enum import StrEnum
from typing import Any
from uuid import UUID

from geoalchemy2 import WKBElement
from sqlalchemy import CheckConstraint, Column, Index, text
from sqlmodel import Field

from app.models.base import Ltree, Row, known, on_earth, wgs84_point


class OrganisationKind(StrEnum):
    """Where in the tree an organisation stands."""

    DISTRICT = "district"
    TOWN = "town"
    DEPARTMENT = "department"
    GENERAL_BRANCH = "general_branch"
    BRANCH = "branch"


class Sector(StrEnum):
    """农村、城市社区、两新、机关、教育、卫健、国企."""

    RURAL = "rural"
    URBAN = "urban"
    TWO_NEW = "two_new"
    GOVERNMENT = "government"
    EDUCATION = "education"
    HEALTH = "health"
    STATE_OWNED = "state_owned"


class Organisation(Row, table=True):
    """A node of the tree: a committee, a general branch or a branch.

    `path` is the ids of its ancestors and itself, from the root, as hexadecimal labels: one index
    look-up answers what lies below. `place` is what a map calls it, a town always. `outside` marks
    a branch from another district that this one has let in; it hangs under the district like any
    other.
    """

    __tablename__ = "organisation"
    __table_args__: Any = (
        known("kind", OrganisationKind),
        CheckConstraint(
            f"sector IN ({', '.join(repr(str(s)) for s in Sector)})", name="sector_known"
        ),
        CheckConstraint("kind <> 'town' OR place IS NOT NULL", name="town_has_place"),
        CheckConstraint("member_count >= 0", name="member_count_not_negative"),
        CheckConstraint("(kind = 'district') = (parent_id IS NULL)", name="root_is_district"),
        CheckConstraint("(kind = 'district') = (district_id = id)", name="district_is_root"),
        on_earth("location"),
        Index("organisation_path_idx", "path", postgresql_using="gist"),
        Index(
            "organisation_unit_path_idx",
            "path",
            postgresql_using="gist",
            postgresql_where=text("kind <> 'branch'"),
        ),
        Index("organisation_parent_id_idx", "parent_id"),
        Index(
            "organisation_name_idx",
            "name",
            postgresql_using="gin",
            postgresql_ops={"name": "gin_trgm_ops"},
        ),
        Index("organisation_district_id_kind_idx", "district_id", "kind"),
    )

    parent_id: UUID | None = Field(default=None, foreign_key="organisation.id")
    district_id: UUID = Field(foreign_key="organisation.id")
    path: str = Field(sa_column=Column(Ltree, nullable=False, unique=True))
    code: str = Field(max_length=32, unique=True)
    name: str = Field(max_length=120)
    place: str | None = Field(default=None, max_length=40)
    kind: str
    sector: str | None = None
    member_count: int = 0
    outside: bool = False
    active: bool = True
    version: int = 1
    location: WKBElement | None = Field(
        default=None, sa_column=Column(wgs84_point(), nullable=True)
    )
