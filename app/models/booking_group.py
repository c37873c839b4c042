"""Routes and series: bookings that were made together."""

from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlmodel import Field

from app.models.base import Row, known


class GroupKind(StrEnum):
    """线路 (several sites in one day), 系列 (one site, month after month)."""

    ROUTE = "route"
    SERIES = "series"


class BookingGroup(Row, table=True):
    """What several bookings of one branch were ordered as; each lives its own life afterwards."""

    __tablename__ = "booking_group"
    __table_args__: Any = (known("kind", GroupKind),)

    kind: str
    district_id: UUID = Field(foreign_key="organisation.id")
    organisation_id: UUID = Field(foreign_key="organisation.id", index=True)
    made_by: UUID = Field(foreign_key="account.id")
