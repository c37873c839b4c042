"""Approval races: many answer one order at once, and exactly one of them is heard."""

import asyncio
from random import Random

from race.acts import Known, Note, Turn, order
from race.client import Client, Request
from race.ground import Scene
from race.stories import Story

_EACH = 2
_ANSWERS = ("approve", "reject", "cancel", "cancel by site")


async def play(client: Client, scene: Scene, name: str, rng: Random) -> Story:
    """Order, then let managers and branch all answer what they have seen of it.

    All of them name the version they saw, so that one after another is as good as at once: a
    cancellation would else follow an approval. Two requests are done then: the order, one answer.
    """
    branch = rng.choice(scene.branches)
    request = order(Turn(Known(scene), branch, rng), [scene.slots[-1]], 1, guided=False)
    reply = await client.send(request)
    made = Note("create", request, reply, branch.id)
    if not reply.done:
        return Story(name, scene, [made], winners=2)
    answers = rng.sample(_ANSWERS * _EACH, len(_ANSWERS) * _EACH)
    notes = await asyncio.gather(*(_answer(client, scene, made, act) for act in answers))
    return Story(name, scene, [made, *notes], winners=2)


async def _answer(client: Client, scene: Scene, made: Note, act: str) -> Note:
    booking = made.reply.body
    name = act.partition(" ")[0]
    token = made.request.token if act == "cancel" else scene.manager.token
    request = Request(
        "POST",
        f"/bookings/{booking['id']}/{name}",
        token,
        {"reason": "因故"},
        version=booking["version"],
    )
    return Note(act, request, await client.send(request))
