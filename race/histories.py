"""Histories: some people at one site, each doing one thing after another, all of them at once."""

import asyncio
from dataclasses import dataclass, field
from random import Random

from race.acts import ACTS, Known, Note, Turn, choose, join, order
from race.client import Client, Request
from race.ground import Scene
from race.rows import Branch
from race.stories import Story

_PEOPLE, _ACTS = 4, (1, 3)
"""Clients of a history, and the fewest and the most that each of them does."""
_KINDS = (0.6, 0.2, 0.2)
"""How many histories are anything, a rush for one session, and a line for a full one."""
_TWINS = 0.15
"""How many orders are sent twice at once."""


async def play(client: Client, scene: Scene, name: str, rng: Random) -> Story:
    """Play one history."""
    (kind,) = rng.choices((anything, rush, line), _KINDS)
    return await kind(client, scene, name, rng)


@dataclass(frozen=True)
class _Stage:
    """Where a history is played, and what was said so far."""

    client: Client
    known: Known
    notes: list[Note] = field(default_factory=list)

    async def ask(self, act: str, request: Request | None, branch: Branch, times: int = 1) -> None:
        """Send a request, or the same several times at once, and remember what is answered."""
        if request is None:
            return
        for reply in await asyncio.gather(*(self.client.send(request) for _ in range(times))):
            note = Note(act, request, reply, branch.id)
            self.known.learn(note)
            self.notes.append(note)


async def anything(client: Client, scene: Scene, name: str, rng: Random) -> Story:
    """Let some people do anything."""
    stage = _Stage(client, Known(scene))

    async def one(branch: Branch, own: Random) -> None:
        for _ in range(own.randint(*_ACTS)):
            act, request = choose(Turn(stage.known, branch, own))
            times = 2 if act == "create" and own.random() < _TWINS else 1
            await stage.ask(act, request, branch, times)

    branches = rng.sample(scene.branches, _PEOPLE)
    await asyncio.gather(*(one(branch, Random(rng.getrandbits(64))) for branch in branches))
    return Story(name, scene, stage.notes)


async def line(client: Client, scene: Scene, name: str, rng: Random) -> Story:
    """Let one have a session, and some stand in line for it; then it leaves, and all want it."""
    stage, slot = _Stage(client, Known(scene)), scene.slots[0]
    first, late, *waiting = rng.sample(scene.branches, _PEOPLE + 1)

    def turn(branch: Branch) -> Turn:
        return Turn(stage.known, branch, rng)

    limit = slot.people_limit
    await stage.ask("create", order(turn(first), [slot], limit, guided=False), first)
    sizes = [rng.choice([1, limit // 3, limit // 2, limit]) for _ in waiting]
    lined = [join(turn(one), slot, size) for one, size in zip(waiting, sizes, strict=True)]
    pairs = zip(lined, waiting, strict=True)
    await asyncio.gather(*(stage.ask("join", request, branch) for request, branch in pairs))

    async def leave() -> None:
        act = rng.choice(["cancel", "cancel", "cancel by site", "reject", "change"])
        await stage.ask(act, ACTS[act].ask(turn(first)), first)

    async def take(branch: Branch, *acts: str) -> None:
        for act in acts:
            await stage.ask(act, ACTS[act].ask(turn(branch)), branch)

    ways = [("confirm",), ("confirm", "confirm"), ("withdraw", "create")]
    some = [take(branch, *rng.choice(ways)) for branch in waiting]
    await asyncio.gather(leave(), *some, take(late, "create"))
    await asyncio.gather(*(take(branch, "confirm") for branch in waiting))
    return Story(name, scene, stage.notes)


async def rush(client: Client, scene: Scene, name: str, rng: Random) -> Story:
    """Let many branches want one session at once, each with as many people."""
    slot = rng.choice(scene.slots)
    rivals = rng.sample(scene.branches, rng.randint(4, len(scene.branches)))
    people = rng.choice([slot.people_limit // 3, slot.people_limit // 2, slot.people_limit])
    guided = rng.random() < 0.3
    fit = min(slot.people_limit // people, slot.groups_limit, len(rivals))
    requests = [
        order(Turn(Known(scene), branch, rng), [slot], people, guided=guided) for branch in rivals
    ]
    stage = _Stage(client, Known(scene))
    pairs = zip(requests, rivals, strict=True)
    await asyncio.gather(*(stage.ask("create", request, branch) for request, branch in pairs))
    notes = stage.notes
    suspended = any(note.reply.code == "branch-suspended" for note in notes)
    winners = min(fit, scene.guides) if guided else fit
    return Story(name, scene, notes, None if suspended else winners)
