"""Tokens that a provider lends us for a while, shared by all processes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True)
class Lent:
    """A token just lent, and for how long."""

    token: str = field(repr=False)
    life: timedelta


class TokenStore(Protocol):
    """Where the tokens are; one process at a time asks for a new one."""

    def token(
        self, provider: str, *, ask: Callable[[], Lent], now: datetime, refused: str | None = None
    ) -> str | None:
        """Return a token that is good at `now`; None while another process is at it too long.

        Args:
            provider: whose, and lent to whom.
            ask: asks the provider; what it raises gets through, unless the old token still serves.
            now: the present instant, aware.
            refused: a token that the provider does not believe any more.
        """
