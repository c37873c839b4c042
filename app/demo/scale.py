"""How large a demonstration is, and where its chance comes from."""

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Size of a demonstration.

    Attributes:
        branches: branches of the district, those of its villages and communities included; fewer
            than there are villages takes some of each town.
        sites: of the 27; every town keeps at least one.
        organisers: branches that ever order.
        days: days of history.
        orders: orders in that time.
    """

    branches: int
    sites: int
    organisers: int
    days: int
    orders: int


FULL = Scale(branches=1812, sites=27, organisers=240, days=360, orders=480)
SMALL = Scale(branches=65, sites=13, organisers=24, days=45, orders=32)

OUTSIDE = 6
"""Branches from other districts, on top of `Scale.branches`."""


def chance(seed: int, topic: str) -> random.Random:
    """Return chance that falls the same way for the same seed and topic."""
    return random.Random(f"{seed}:{topic}")  # noqa: S311
