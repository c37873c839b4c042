"""The judge: of all answers of a history, and of the rows it left, is there one that cannot be?

Requests overlap, so what was held at an instant is known within bounds only. From when a request
that took places was answered until one that gave them back was sent they were held for sure; from
when the first was sent until the second was answered they may have been. Bounds that cross a limit
are a fault whatever the order was in which the database took the requests.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from sqlmodel import Session, col, select

from app.models import (
    HOLDING,
    OPEN,
    Booking,
    BookingEvent,
    BookingSession,
    BookingStatus,
    VenueSession,
)
from race.acts import ACTS, Note
from race.ground import Scene


class Fault(StrEnum):
    """What cannot be."""

    SERVER = "server error"
    REFUSAL = "refusal out of place"
    DONE = "done and must not be"
    OVERBOOKED = "overbooked"
    NOBODY_WON = "room that nobody got"
    TWO_WON = "two winners"
    LOST = "acknowledged and lost"
    UNASKED = "done and never answered"
    DIFFERENT = "one key, two answers"
    INVARIANT = "invariant broken"


@dataclass(frozen=True)
class Found:
    """A fault, where, and what was seen of it."""

    fault: Fault
    where: str
    seen: str


@dataclass(frozen=True)
class Story:
    """One history that is over."""

    name: str
    scene: Scene
    notes: Sequence[Note]
    winners: int | None = None
    """How many requests had to be done, where that is certain; a replay is not one."""


@dataclass(frozen=True)
class Step:
    """One version of a booking as it was answered."""

    id: str
    branch_id: str
    version: int
    status: str
    session_ids: frozenset[str]
    people: int
    guided: bool
    sent: float
    answered: float


@dataclass(frozen=True)
class Hold:
    """What one version of a booking held: for sure, and at most; instants of the clients' clock."""

    step: Step
    surely: tuple[float, float]
    perhaps: tuple[float, float]


@dataclass(frozen=True)
class Rows:
    """What the histories left: steps by booking and version, and what sessions hold and should."""

    steps: dict[str, dict[int, str]]
    held: dict[str, tuple[int, int]]
    owed: dict[str, tuple[int, int]]


def rows_of(session: Session, stories: Sequence[Story]) -> Rows:
    """Read all that some histories left."""
    sites = [story.scene.site_id for story in stories]
    steps: dict[str, dict[int, str]] = {}
    for id_, version, status in session.exec(
        select(Booking.id, BookingEvent.version, BookingEvent.to_status)
        .join(BookingEvent, col(BookingEvent.booking_id) == Booking.id)
        .where(col(Booking.site_id).in_(sites))
    ):
        steps.setdefault(str(id_), {})[version] = status
    held = {
        str(slot.id): (slot.people_held, slot.groups_held)
        for slot in session.exec(select(VenueSession).where(col(VenueSession.site_id).in_(sites)))
    }
    owed: dict[str, tuple[int, int]] = dict.fromkeys(held, (0, 0))
    for id_, people in session.exec(
        select(BookingSession.session_id, Booking.people_expected)
        .join(Booking, col(Booking.id) == BookingSession.booking_id)
        .where(col(Booking.site_id).in_(sites), col(Booking.status).in_(HOLDING))
    ):
        before = owed[str(id_)]
        owed[str(id_)] = (before[0] + people, before[1] + 1)
    return Rows(steps, held, owed)


def judge(story: Story, rows: Rows) -> Iterator[Found]:
    """Yield what cannot be in one history."""
    for rule in (_answers, _keys, _steps, _places, _bounds, _winners):
        for fault, seen in rule(story, rows):
            yield Found(fault, story.name, seen)


Seen = Iterator[tuple[Fault, str]]


def _answers(story: Story, _: Rows) -> Seen:
    for note in story.notes:
        reply, act = note.reply, ACTS[note.act]
        told = f"{note.act}: {reply.status} {reply.code}"
        if reply.status == 0 or reply.status >= 500:
            yield Fault.SERVER, told
        elif not reply.done and reply.code not in act.refusals:
            yield Fault.REFUSAL, told
        elif reply.done and act.fails:
            yield Fault.DONE, told
        elif reply.code == "booking-state-conflict":
            name = note.request.path.rpartition("/")[2]
            if name in reply.body["allowed_moves"]:
                yield Fault.REFUSAL, f"{told}, and yet it is allowed"


def _keys(story: Story, _: Rows) -> Seen:
    by_key: dict[object, set[str]] = {}
    for note in story.notes:
        if note.request.key and note.reply.done:
            by_key.setdefault(note.request.key, set()).add(repr(note.reply.body))
    for key, bodies in by_key.items():
        if len(bodies) > 1:
            yield Fault.DIFFERENT, f"{key}: {len(bodies)} answers"


def _told(story: Story) -> Iterator[Step]:
    """Yield the versions that were answered, those of a replayed answer once."""
    first: dict[tuple[object, str], Step] = {}
    for n, note in enumerate(story.notes):
        body = note.reply.body
        if not note.reply.done or "session_ids" not in body or _unchanged(note):
            continue
        step = Step(
            body["id"],
            body["organisation"]["id"],
            body["version"],
            body["status"],
            frozenset(body["session_ids"]),
            body["people_expected"],
            str(story.scene.guided_id) in [item["id"] for item in body["programmes"]],
            note.reply.sent,
            note.reply.answered,
        )
        asked = (note.request.key or n, step.id)
        earlier = first.get(asked, step)
        first[asked] = _earliest(step, earlier)
    yield from first.values()


def _unchanged(note: Note) -> bool:
    """Tell whether a change was to what the booking was already."""
    return note.act == "change" and note.reply.body["version"] == note.request.version


def _earliest(step: Step, other: Step) -> Step:
    """Return the same version with the earliest instants of two answers."""
    times = min(step.sent, other.sent), min(step.answered, other.answered)
    return Step(**{**vars(step), "sent": times[0], "answered": times[1]})


def _steps(story: Story, rows: Rows) -> Seen:
    told = list(_told(story))
    for (id_, version), times in Counter((step.id, step.version) for step in told).items():
        if times > 1:
            yield Fault.TWO_WON, f"{times} answers made version {version} of {id_}"
    for step in told:
        if rows.steps.get(step.id, {}).get(step.version) != step.status:
            yield Fault.LOST, f"version {step.version} of {step.id} is not {step.status}"
    answered = {(step.id, step.version) for step in told}
    known = {step.id for step in told}
    hit = {id_ for id_, _ in _cancelled_by_closures(story)}
    for id_, versions in rows.steps.items():
        for version, status in versions.items():
            next_ = (id_, version + 1)
            by_itself = status == "pending" and next_ in answered
            by_closure = id_ in hit and status == "cancelled"
            if id_ in known and not ((id_, version) in answered or by_itself or by_closure):
                yield Fault.UNASKED, f"version {version} of {id_}, {status}"


def _cancelled_by_closures(story: Story) -> Iterator[tuple[str, Note]]:
    for note in story.notes:
        if note.act == "close" and note.reply.done:
            for booking in note.reply.body["bookings"]:
                yield booking["id"], note


def _places(story: Story, rows: Rows) -> Seen:
    for slot in story.scene.slots:
        held, owed = rows.held[str(slot.id)], rows.owed[str(slot.id)]
        if held != owed:
            yield Fault.INVARIANT, f"session {slot.id} holds {held}, its bookings {owed}"
        if owed[0] > slot.people_limit or owed[1] > slot.groups_limit:
            yield Fault.OVERBOOKED, f"session {slot.id} at the end: {owed}"


def _holds(story: Story) -> list[Hold]:
    """Return what was held, by the answers."""
    by_id: dict[str, list[Step]] = {}
    for step in sorted(_told(story), key=lambda step: step.version):
        by_id.setdefault(step.id, []).append(step)
    shut = {id_: note.reply for id_, note in _cancelled_by_closures(story)}
    holds = []
    for id_, steps in by_id.items():
        ends = [(step.sent, step.answered) for step in steps[1:]]
        ends.append((shut[id_].sent, shut[id_].answered) if id_ in shut else (_EVER, _EVER))
        for step, (sent, answered) in zip(steps, ends, strict=True):
            if step.status in HOLDING:
                holds.append(Hold(step, (step.answered, sent), (step.sent, answered)))
    return holds


_EVER = float("inf")


@dataclass(frozen=True)
class _Limit:
    """So much of something that bookings hold, and how much of it each of them does."""

    what: str
    most: int
    of: Callable[[Step], int]


def _bounds(story: Story, _: Rows) -> Seen:
    holds = _holds(story)
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


def _winners(story: Story, _: Rows) -> Seen:
    if story.winners is None:
        return
    done = [note.reply.body for note in story.notes if note.reply.done]
    won = len({(body["id"], body["version"]) for body in done})
    if won < story.winners:
        yield Fault.NOBODY_WON, f"{won} of {story.winners} that fit"
    if won > story.winners:
        yield Fault.OVERBOOKED, f"{won} where {story.winners} fit"
