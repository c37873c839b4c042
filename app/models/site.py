"""Places on the map."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from geoalchemy2 import WKBElement
from sqlalchemy import CheckConstraint, Column, Index, text
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlmodel import Field

from app.models.base import Instant, Row, known, on_earth, wgs84_point


class Category(StrEnum):
    """农村党建、城市党建、"两新"党建、党建综合."""

    RURAL = "rural"
    URBAN = "urban"
    TWO_NEW = "two_new"
    GENERAL = "general"


class SiteKind(StrEnum):
    """教育基地、示范点、党校现场教学点、服务中心、体检中心、实训基地."""

    EDUCATION_BASE = "education_base"
    DEMONSTRATION_SITE = "demonstration_site"
    PARTY_SCHOOL_POINT = "party_school_point"
    SERVICE_CENTRE = "service_centre"
    CHECKUP_CENTRE = "checkup_centre"
    TRAINING_BASE = "training_base"


class SiteStatus(StrEnum):
    """Life of a site: draft, then published, suspended for a while or closed for good."""

    DRAFT = "draft"
    PUBLISHED = "published"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class Crs(StrEnum):
    """WGS-84 (EPSG:4326), and the two offset systems of Chinese map makers."""

    WGS84 = "wgs84"
    GCJ02 = "gcj02"
    BD09 = "bd09"


def _texts() -> Column[list[str]]:
    return Column(ARRAY(TEXT), nullable=False, server_default=text("'{}'"))


_KINDS = ", ".join(f"'{kind}'" for kind in SiteKind)


class Site(Row, table=True):
    """A place that branches may visit.

    `location` and `navigation_point` (the gate or car park, which may be elsewhere) are WGS-84
    (EPSG:4326), longitude first, degrees; distances are metres on the spheroid, which is what the
    index covers. What was typed in is kept beside them, in its own CRS, with where it was read off;
    without a gate of its own the `gate_` columns are empty. `outside_confirmed_by` said that the
    point really lies outside the district. `status_reason` tells users why it is suspended or
    closed. Who checked point and phone is never without when. `ticketed` places (收费景区) sell
    tickets: somebody looks at each visit's subsidy.
    """

    __tablename__ = "site"
    __table_args__: Any = (
        known("category", Category),
        known("status", SiteStatus),
        known("source_crs", Crs),
        CheckConstraint(f"kinds <@ ARRAY[{_KINDS}]", name="kinds_known"),
        CheckConstraint("parking_cars >= 0 AND parking_coaches >= 0", name="parking_not_negative"),
        on_earth("location"),
        on_earth("navigation_point"),
        CheckConstraint(
            "(location_verified_at IS NULL) = (location_verified_by IS NULL)",
            name="location_verified_by_somebody",
        ),
        CheckConstraint(
            "(phone_confirmed_at IS NULL) = (phone_confirmed_by IS NULL)",
            name="phone_confirmed_by_somebody",
        ),
        Index("site_location_idx", text("(location::geography)"), postgresql_using="gist"),
        Index("site_bbox_idx", "location", postgresql_using="gist"),
        Index("site_district_id_status_idx", "district_id", "status"),
        Index("site_town_id_idx", "town_id"),
    )

    district_id: UUID = Field(foreign_key="organisation.id")
    town_id: UUID = Field(foreign_key="organisation.id")
    code: str = Field(max_length=32, unique=True)
    name: str = Field(max_length=120)
    short_name: str = Field(max_length=20)
    category: str
    kinds: list[str] = Field(sa_column=_texts())
    status: str = SiteStatus.DRAFT
    status_reason: str | None = Field(default=None, max_length=200)
    address: str = Field(max_length=200)
    summary: str = Field(max_length=200)
    introduction: str = Field(max_length=5000)
    location: WKBElement = Field(sa_column=Column(wgs84_point(), nullable=False))
    navigation_point: WKBElement = Field(sa_column=Column(wgs84_point(), nullable=False))
    source_crs: str
    source_longitude: float
    source_latitude: float
    source_note: str | None = Field(default=None, max_length=80)
    gate_longitude: float | None = None
    gate_latitude: float | None = None
    outside_confirmed_by: UUID | None = Field(default=None, foreign_key="account.id")
    location_verified_at: datetime | None = Field(default=None, sa_type=Instant)
    location_verified_by: UUID | None = Field(default=None, foreign_key="account.id")
    parking_cars: int = 0
    parking_coaches: int = 0
    step_free: bool = False
    ticketed: bool = False
    lend: list[str] = Field(sa_column=_texts())
    honours: list[str] = Field(sa_column=_texts())
    contact_name: str = Field(max_length=40)
    contact_phone: str = Field(max_length=20)
    phone_confirmed_at: datetime | None = Field(default=None, sa_type=Instant)
    phone_confirmed_by: UUID | None = Field(default=None, foreign_key="account.id")
    version: int = 1
