"""Idempotency storms: one order, sent again and again, while answers get lost and servers die."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from random import Random
from typing import Protocol
from uuid import UUID

from race.acts import Known, Note, Turn, order, reuse
from race.client import Client, Request
from race.ground import Scene
from race.rows import Branch
from race.stories import Story

_TIMES = 5


class Servers(Protocol):
    """Servers that can be killed."""

    def kill(self, number: int) -> None:
        """End a server as a power cut would."""

    async def revive(self) -> None:
        """Start all that were killed, and return once they answer."""

    def jammed(
        self, session_id: UUID
    ) -> AbstractAsyncContextManager[Callable[[], Awaitable[None]]]:
        """Keep everybody from taking places; yield what returns once somebody waits for them."""


async def play(client: Client, scene: Scene, name: str, rng: Random) -> Story:
    """Send one order many times at once; of every third one an answer got lost before.

    Then another order with the same key is refused.
    """
    branch, request = _begin(scene, rng)
    if rng.random() < 1 / 3:
        async with client.lost(request, rng.randrange(len(client))):
            pass
    sent = [client.send(request) for _ in range(_TIMES)]
    notes = [Note("create", request, reply, branch.id) for reply in await asyncio.gather(*sent)]
    return await _end(client, scene, name, branch, notes, rng)


async def killed_after(
    servers: Servers, client: Client, scene: Scene, name: str, rng: Random
) -> Story:
    """Kill the server that has done it before its answer is read; ask another one."""
    await servers.revive()
    branch, request = _begin(scene, rng)
    number = rng.randrange(len(client))
    async with client.lost(request, number):
        servers.kill(number)
    return await _ask_others(client, scene, name, branch, request, number, rng)


async def killed_before(
    servers: Servers, client: Client, scene: Scene, name: str, rng: Random
) -> Story:
    """Kill a server in the middle of it, when it waits for the places; ask another one."""
    await servers.revive()
    branch, request = _begin(scene, rng)
    number = rng.randrange(len(client))
    async with servers.jammed(scene.slots[0].id) as somebody_waits:
        sent = asyncio.create_task(client.send(request, number))
        await somebody_waits()
        servers.kill(number)
        await sent
    return await _ask_others(client, scene, name, branch, request, number, rng)


def _begin(scene: Scene, rng: Random) -> tuple[Branch, Request]:
    branch = rng.choice(scene.branches)
    turn = Turn(Known(scene), branch, rng)
    return branch, order(turn, scene.slots[:1], 1, guided=False)


async def _ask_others(
    client: Client,
    scene: Scene,
    name: str,
    branch: Branch,
    request: Request,
    dead: int,
    rng: Random,
) -> Story:
    others = [number for number in range(len(client)) if number != dead]
    sent = [client.send(request, number) for number in others]
    notes = [Note("create", request, reply, branch.id) for reply in await asyncio.gather(*sent)]
    return await _end(client, scene, name, branch, notes, rng, others[0])


async def _end(
    client: Client,
    scene: Scene,
    name: str,
    branch: Branch,
    notes: list[Note],
    rng: Random,
    server: int | None = None,
) -> Story:
    key = notes[0].request.key
    assert key is not None  # noqa: S101
    other = reuse(Turn(Known(scene), branch, rng), key)
    notes.append(Note("reuse", other, await client.send(other, server), branch.id))
    return Story(name, scene, notes, winners=1)
