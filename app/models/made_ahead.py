"""How far ahead the sessions of each site were made."""

from datetime import date
from uuid import UUID

from sqlmodel import Field, SQLModel


class MadeAhead(SQLModel, table=True):
    """That a site has the sessions its rules promise from today up to `until`, that day included.

    The row is what all queue up at who make or take away sessions of the site: lock it first.
    """

    __tablename__ = "made_ahead"

    site_id: UUID = Field(primary_key=True, foreign_key="site.id")
    until: date
