"""The demonstration: a real district's towns and villages, and an invented year of its life."""

from app.demo.making import DemoInTheWay, Progress, build
from app.demo.people import DemoAccount, is_built
from app.demo.people import listed as accounts
from app.demo.progress import bar
from app.demo.scale import FULL, SMALL, Scale

__all__ = [
    "FULL",
    "SMALL",
    "DemoAccount",
    "DemoInTheWay",
    "Progress",
    "Scale",
    "accounts",
    "bar",
    "build",
    "is_built",
]
