"""Sessions: what a booking holds places in."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, func, literal_column, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlmodel import Field

from app.models.base import Instant, Row

NO_OVERLAP = "venue_session_no_overlap"
PEOPLE_FIT = "venue_session_people_fit_check"
GROUPS_FIT = "venue_session_groups_fit_check"


class VenueSession(Row, table=True):
    """`[starts_at, ends_at)` of one venue, offered to branches; the API calls it a session.

    `people_held` and `groups_held` are the sums over the bookings that hold places here. The row
    is what rivals fight over: lock it, in id order, before deciding; the CHECKs stand behind.
    `closed_reason` is set when a closure came after somebody had booked; no new booking then.
    """

    __tablename__ = "venue_session"
    __table_args__: Any = (
        CheckConstraint("starts_at < ends_at", name="times_in_order"),
        CheckConstraint("people_held BETWEEN 0 AND people_limit", name="people_fit"),
        CheckConstraint("groups_held BETWEEN 0 AND groups_limit", name="groups_fit"),
        ExcludeConstraint(
            (literal_column("venue_id"), "="),
            (func.tstzrange(literal_column("starts_at"), literal_column("ends_at")), "&&"),
            name=NO_OVERLAP,
            using="gist",
        ),
        Index("venue_session_site_id_starts_at_idx", "site_id", "starts_at"),
        Index(
            "venue_session_free_idx",
            "site_id",
            "starts_at",
            postgresql_where=text(
                "groups_held < groups_limit AND people_held < people_limit"
                " AND closed_reason IS NULL"
            ),
        ),
    )

    site_id: UUID = Field(foreign_key="site.id")
    venue_id: UUID = Field(foreign_key="venue.id")
    rule_id: UUID | None = Field(default=None, foreign_key="opening_rule.id")
    starts_at: datetime = Field(sa_type=Instant)
    ends_at: datetime = Field(sa_type=Instant)
    people_limit: int
    groups_limit: int
    people_held: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    groups_held: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    closed_reason: str | None = Field(default=None, max_length=200)
