"""The rules a booking is judged by."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlmodel import Field

from app.models.base import MOST_PEOPLE, Instant, Row, known

MOST_LEAD_DAYS = 60
MOST_DAYS = 366
"""The longest horizon, answer and free cancellation."""
MOST_OPEN_BOOKINGS = 100
MOST_STRIKES = 100
MOST_STRIKE_MONTHS = 60
MOST_SUSPENSION_DAYS = 730
MOST_OFFER_HOURS = 168
MOST_KM_PER_HOUR = 300


class ApprovalMode(StrEnum):
    """Whether a manager answers each order, or the rules alone do."""

    MANUAL = "manual"
    AUTO = "auto"


class Policy(Row, table=True):
    """One version of a district's rules, or of one site's own; a booking keeps the one it met.

    The newest version that is effective and has not ended holds; a site's own goes before its
    district's, which never ends. Strikes count for
    `strike_months`; `strikes_limit` of them stop new bookings for `suspension_days`.
    `offer_hours` is how long places that came free are held for who waited; `travel_km_per_hour`,
    as the crow flies, is how fast a group gets from one stop of a route to the next.
    """

    __tablename__ = "policy"
    __table_args__: Any = (
        known("approval_mode", ApprovalMode),
        CheckConstraint(
            "least(lead_working_days, lead_working_days_large, horizon_days, answer_working_days,"
            " free_cancel_working_days) >= 0",
            name="days_not_negative",
        ),
        CheckConstraint(
            f"greatest(lead_working_days, lead_working_days_large) <= {MOST_LEAD_DAYS}",
            name="lead_bounded",
        ),
        CheckConstraint(
            f"greatest(horizon_days, answer_working_days, free_cancel_working_days) <= {MOST_DAYS}",
            name="days_bounded",
        ),
        CheckConstraint(
            f"large_party_people BETWEEN 1 AND {MOST_PEOPLE}", name="large_party_bounded"
        ),
        CheckConstraint("answer_working_days >= 1", name="answer_takes_a_day"),
        CheckConstraint(
            f"open_bookings_limit BETWEEN 1 AND {MOST_OPEN_BOOKINGS}", name="open_bookings_bounded"
        ),
        CheckConstraint(
            "least(late_cancel_strikes, no_show_strikes) >= 0 AND strikes_limit >= 1"
            f" AND greatest(late_cancel_strikes, no_show_strikes, strikes_limit) <= {MOST_STRIKES}"
            f" AND strike_months BETWEEN 1 AND {MOST_STRIKE_MONTHS}"
            f" AND suspension_days BETWEEN 1 AND {MOST_SUSPENSION_DAYS}",
            name="strikes_counted",
        ),
        CheckConstraint(f"offer_hours BETWEEN 1 AND {MOST_OFFER_HOURS}", name="offer_bounded"),
        CheckConstraint(
            f"travel_km_per_hour BETWEEN 1 AND {MOST_KM_PER_HOUR}", name="travel_bounded"
        ),
        CheckConstraint("site_id IS NOT NULL OR ends_at IS NULL", name="district_has_rules"),
        UniqueConstraint(
            "district_id",
            "site_id",
            "version",
            name="policy_version_once",
            postgresql_nulls_not_distinct=True,
        ),
    )

    district_id: UUID = Field(foreign_key="organisation.id")
    site_id: UUID | None = Field(default=None, foreign_key="site.id")
    version: int = 1
    effective_at: datetime = Field(sa_type=Instant)
    ends_at: datetime | None = Field(default=None, sa_type=Instant)
    lead_working_days: int = 3
    lead_working_days_large: int = 5
    large_party_people: int = 50
    horizon_days: int = 60
    answer_working_days: int = 1
    free_cancel_working_days: int = 2
    approval_mode: str = ApprovalMode.MANUAL
    open_bookings_limit: int = 2
    late_cancel_strikes: int = 1
    no_show_strikes: int = 2
    strikes_limit: int = 3
    strike_months: int = 12
    suspension_days: int = 90
    offer_hours: int = 24
    travel_km_per_hour: int = 30
    made_by: UUID | None = Field(default=None, foreign_key="account.id")
