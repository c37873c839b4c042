"""Special days of the national calendar."""

from datetime import date

from sqlmodel import Field, SQLModel


class Holiday(SQLModel, table=True):
    """A day that is not what its weekday says: a public holiday, or a make-up workday (调休)."""

    __tablename__ = "holiday"

    day: date = Field(primary_key=True)
    name: str = Field(max_length=40)
    is_off: bool
