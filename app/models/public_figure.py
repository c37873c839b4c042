"""What everybody may know of the use of a site."""

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint
from sqlmodel import Field, SQLModel


class PublicFigure(SQLModel, table=True):
    """Visits of a month that is over, and people who came, at a site that enough branches visited.

    `month` is its first day. A site and month without a row had too few branches, or none: which,
    nobody can tell (docs/decisions/0019).
    """

    __tablename__ = "public_figure"
    __table_args__: Any = (
        CheckConstraint("extract(day FROM month) = 1", name="month_begins"),
        CheckConstraint("visits > 0 AND people >= 0", name="counts"),
    )

    site_id: UUID = Field(primary_key=True, foreign_key="site.id")
    month: date = Field(primary_key=True)
    visits: int
    people: int
