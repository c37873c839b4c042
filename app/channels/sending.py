"""What all ways out to people have in common: a letter, and a channel that takes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from app.channels.asking import NoAnswer

if TYPE_CHECKING:
    from aiohttp import ClientSession


class Refused(NoAnswer):
    """The provider will never take this letter; another way may."""


@dataclass(frozen=True)
class Letter:
    """One message to one person by one way, ready to go.

    Attributes:
        id: what a provider that knows ids of messages is told; a letter sent again keeps it.
        address: where to, in the channel's own terms: an openid, a phone in E.164, a mailbox.
        kind: what it tells of, see `services.messages`.
        title: one line.
        body: the text, in `language`.
        facts: what filled the gaps of the text, for channels that have templates of their own.
        language: `zh` or `en`.
        url: the page of ours it leads to.
    """

    id: UUID
    address: str
    kind: str
    title: str
    body: str
    facts: Mapping[str, str]
    language: str
    url: str


class Channel(Protocol):
    """A way out: a provider's protocol, spoken over the network."""

    async def send(self, letter: Letter, *, now: datetime, over: "ClientSession") -> str | None:
        """Hand a letter over; return the provider's id of it, if it has one.

        Args:
            letter: ready to go.
            now: the present instant, aware.
            over: connections for who speaks HTTP.

        Raises:
            Passing: not now; the same letter may be sent again later.
            Refused: never.
            NoAnswer: nobody knows whether it was taken.
        """
