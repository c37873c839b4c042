"""Histories: some people at one site, each doing one thing after another, all of them at once."""

import asyncio
from random import Random
from uuid import UUID

from race.acts import Known, Note, Turn, choose, order
from race.client import Client, Request
from race.ground import Scene
from race.rows import Branch
from race.stories import Story

_PEOPLE, _ACTS = 4, (1, 3)
"""Clients of a history, and the fewest and the most that each of them does."""
_RUSHES, _TWINS = 0.25, 0.15
"""How many histories are a rush for one session, and how many orders are sent twice at once."""


async def play(client: Client, scene: Scene, name: str, rng: Random) -> Story:
    """Play one history."""
    if rng.random() < _RUSHES:
        return await rush(client, scene, name, rng)
    known, notes = Known(scene), list[Note]()
    branches = rng.sample(scene.branches, _PEOPLE)

    async def one(branch: Branch, own: Random) -> None:
        for _ in range(own.randint(*_ACTS)):
            act, request = choose(Turn(known, branch, own))
            times = 2 if act == "create" and own.random() < _TWINS else 1
            for note in await asyncio.gather(
                *(_ask(client, act, request, branch.id) for _ in range(times))
            ):
                known.learn(note)
                notes.append(note)

    turns = [one(branch, Random(rng.getrandbits(64))) for branch in branches]
    await asyncio.gather(*turns)
    return Story(name, scene, notes)


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
    notes = await asyncio.gather(
        *(
            _ask(client, "create", request, branch.id)
            for request, branch in zip(requests, rivals, strict=True)
        )
    )
    suspended = any(note.reply.code == "branch-suspended" for note in notes)
    winners = min(fit, scene.guides) if guided else fit
    return Story(name, scene, notes, None if suspended else winners)


async def _ask(client: Client, act: str, request: Request, branch_id: UUID) -> Note:
    return Note(act, request, await client.send(request), branch_id)
