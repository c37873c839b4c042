"""What was held at an instant, within bounds.

Requests overlap. From when a request that took places was answered until one that gave them back
was sent they were held for sure; from when the first was sent until the second was answered they
may have been. Bounds that cross a limit are a fault whatever the order was in which the database
took the requests.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from app.models import OPEN, BookingStatus
from race.acts import Note
from race.ground import Scene
from race.stories import Fault, Hold, Rows, Seen, Step, Story, holds_of


@dataclass(frozen=True)
class _Limit:
    """So much of something that bookings hold, and how much of it each of them does."""

    what: str
    most: int
    of: Callable[[Step], int]


def bounds(story: Story, _: Rows) -> Seen:
    """Yield what was held and did not fit, and what was refused and did."""
    holds = holds_of(story)
    every = [str(slot.id) for slot in story.scene.slots]
    for limit in (
        *_places_in(story.scene, every),
        *(_guides(story.scene, frozenset({id_})) for id_ in every),
        *(_open(story.scene, str(branch.id)) for branch in story.scene.branches),
    ):
        if any(_surely(limit, holds, hold.surely[0]) > limit.most for hold in holds):
            yield Fault.OVERBOOKED, f"more than {limit.most} {limit.what}"
    for note in story.notes:
        asked = note.act == "create" and note.reply.code in _ASKED
        if asked and not _may_be_refused(story.scene, note, holds):
            yield Fault.NOBODY_WON, f"{note.reply.code}, and there was room all the time"


def _places_in(scene: Scene, session_ids: Iterable[str]) -> Iterator[_Limit]:
    slots = {str(slot.id): slot for slot in scene.slots}
    for id_ in session_ids:
        yield _Limit("people", slots[id_].people_limit, partial(_people_in, id_))
        yield _Limit("groups", slots[id_].groups_limit, partial(_groups_in, id_))


def _people_in(session_id: str, step: Step) -> int:
    return step.people if session_id in step.session_ids else 0


def _groups_in(session_id: str, step: Step) -> int:
    return int(session_id in step.session_ids)


def _guides(scene: Scene, session_ids: frozenset[str]) -> _Limit:
    """Return the limit of guided visits that meet any of these sessions."""
    return _Limit(
        "guides", scene.guides, lambda s: int(s.guided and bool(s.session_ids & session_ids))
    )


def _open(scene: Scene, branch_id: str) -> _Limit:
    return _Limit(
        "open bookings of a branch",
        scene.open_limit,
        lambda s: int(s.branch_id == branch_id and s.status in OPEN),
    )


_ASKED: Mapping[str, Callable[[Scene, Step], Iterable[_Limit]]] = {
    "session-full": lambda scene, wanted: _places_in(scene, wanted.session_ids),
    "guide-not-free": lambda scene, wanted: [_guides(scene, wanted.session_ids)],
    "too-many-open-bookings": lambda scene, wanted: [_open(scene, wanted.branch_id)],
}
"""What had to be short for an order to be refused in this way."""


def _surely(limit: _Limit, holds: Iterable[Hold], at: float) -> int:
    return sum(limit.of(hold.step) for hold in holds if hold.surely[0] <= at < hold.surely[1])


def _perhaps(limit: _Limit, holds: Iterable[Hold], at: float) -> int:
    return sum(limit.of(hold.step) for hold in holds if hold.perhaps[0] <= at <= hold.perhaps[1])


def _may_be_refused(scene: Scene, note: Note, holds: Sequence[Hold]) -> bool:
    """Tell whether there was an instant, while an order was under way, without room for it."""
    body, sent, answered = note.request.body, note.reply.sent, note.reply.answered
    wanted = Step(
        id="",
        branch_id=body["organisation_id"],
        version=1,
        status=BookingStatus.PENDING,
        session_ids=frozenset(body["session_ids"]),
        people=body["people_expected"],
        guided=str(scene.guided_id) in body["programme_ids"],
        sent=sent,
        answered=answered,
    )
    begun = [hold.perhaps[0] for hold in holds if sent < hold.perhaps[0] <= answered]
    return any(
        _perhaps(limit, holds, at) + limit.of(wanted) > limit.most
        for limit in _ASKED[note.reply.code](scene, wanted)
        for at in (sent, *begun)
    )
