"""Outlines of districts."""

from typing import Any
from uuid import UUID

from geoalchemy2 import Geometry, WKBElement
from sqlalchemy import Column
from sqlmodel import Field, SQLModel


class Boundary(SQLModel, table=True):
    """The outline of a district: WGS-84 (EPSG:4326), longitude first. Sites must lie inside it.

    `region` is the city it lies in, by the name that map services know.
    """

    model_config = {"arbitrary_types_allowed": True}
    __tablename__ = "boundary"
    __table_args__: Any = ()

    district_id: UUID = Field(primary_key=True, foreign_key="organisation.id")
    outline: WKBElement = Field(
        sa_column=Column(Geometry("MULTIPOLYGON", srid=4326, spatial_index=False), nullable=False)
    )
    source: str = Field(max_length=200)
    region: str | None = Field(default=None, max_length=40)
