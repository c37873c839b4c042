"""The demonstration: a real district's towns and villages, and an invented year of its life."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
_WHERE = {
    "FULL": "scale.FULL",
    "SMALL": "scale.SMALL",
    "Scale": "scale.Scale",
    "DemoAccount": "people.DemoAccount",
    "accounts": "people.listed",
    "is_built": "people.is_built",
    "DemoInTheWay": "making.DemoInTheWay",
    "Progress": "making.Progress",
    "build": "making.build",
    "bar": "progress.bar",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for only then: who lists the accounts need not load what makes them.

    Raises:
        AttributeError: there is no such thing.
    """
    if name not in _WHERE:
        raise AttributeError(name)
    module, _, known_as = _WHERE[name].partition(".")
    return getattr(import_module(f"app.demo.{module}"), known_as)
