"""What visitors say about a site's place on the map."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from geoalchemy2 import WKBElement
from sqlalchemy import CheckConstraint, Column, Index, UniqueConstraint, text
from sqlmodel import Field

from app.models.base import Instant, Row, known, on_earth, wgs84_point


class ReportStatus(StrEnum):
    """待处理、已采纳、不采纳."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DISMISSED = "dismissed"


class LocationReport(Row, table=True):
    """That somebody found a site elsewhere than the map says; who, is not kept.

    `suggested` is where they say it is: WGS-84 (EPSG:4326), longitude first; empty where they only
    say that it is wrong. `request_key` is the sender's number for it: sent twice, it is one.
    """

    __tablename__ = "location_report"
    __table_args__: Any = (
        known("status", ReportStatus),
        on_earth("suggested"),
        CheckConstraint("(status = 'open') = (answered_at IS NULL)", name="answered_at"),
        CheckConstraint(
            "(answered_at IS NULL) = (answered_by IS NULL)", name="answered_by_somebody"
        ),
        UniqueConstraint("site_id", "request_key", name="location_report_once"),
        Index("location_report_open_idx", "site_id", postgresql_where=text("status = 'open'")),
    )

    site_id: UUID = Field(foreign_key="site.id")
    suggested: WKBElement | None = Field(default=None, sa_column=Column(wgs84_point()))
    note: str = Field(default="", max_length=500)
    request_key: UUID | None = None
    status: str = ReportStatus.OPEN
    answered_at: datetime | None = Field(default=None, sa_type=Instant)
    answered_by: UUID | None = Field(default=None, foreign_key="account.id")
