"""Stories: histories that are over, what was told in them, and what they left."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlmodel import Session, col, select
from sqlmodel.sql.expression import Select

from app.models import (
    HOLDING,
    Booking,
    BookingEvent,
    BookingSession,
    VenueSession,
    WaitlistEntry,
    WaitlistStatus,
)
from app.services import queues
from race.acts import Note
from race.ground import Scene

_EVER = float("inf")


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


Seen = Iterator[tuple[Fault, str]]


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


def steps_of(story: Story) -> Iterator[Step]:
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


def cancelled_by_closures(story: Story) -> Iterator[tuple[str, Note]]:
    """Yield the bookings that closures cancelled, with the note of it."""
    for note in story.notes:
        if note.act == "close" and note.reply.done:
            for booking in note.reply.body["bookings"]:
                yield booking["id"], note


@dataclass(frozen=True)
class Hold:
    """What one version of a booking held: for sure, and at most; instants of the clients' clock."""

    step: Step
    surely: tuple[float, float]
    perhaps: tuple[float, float]


def holds_of(story: Story) -> list[Hold]:
    """Return what each version of each booking held, by the answers, and who stood in a line."""
    by_id: dict[str, list[Step]] = {}
    for step in sorted(steps_of(story), key=lambda step: step.version):
        by_id.setdefault(step.id, []).append(step)
    shut = {id_: note.reply for id_, note in cancelled_by_closures(story)}
    holds = []
    for id_, steps in by_id.items():
        ends = [(step.sent, step.answered) for step in steps[1:]]
        ends.append((shut[id_].sent, shut[id_].answered) if id_ in shut else (_EVER, _EVER))
        for step, (sent, answered) in zip(steps, ends, strict=True):
            if step.status in HOLDING:
                holds.append(Hold(step, (step.answered, sent), (step.sent, answered)))
    return [*holds, *_waiting(story)]


def _waiting(story: Story) -> Iterator[Hold]:
    """Yield what those may have been offered who stood in a line; nobody knows when."""
    for note in story.notes:
        body = note.reply.body
        if note.act == "join" and note.reply.done:
            ends = [one.reply.answered for one in left_line(story, body["id"])]
            step = Step(
                id=body["id"],
                branch_id=body["organisation"]["id"],
                version=0,
                status=body["status"],
                session_ids=frozenset({body["session_id"]}),
                people=body["people_expected"],
                guided=False,
                sent=note.reply.sent,
                answered=note.reply.answered,
            )
            yield Hold(step, (_EVER, _EVER), (step.sent, min(ends, default=_EVER)))


def left_line(story: Story, entry_id: str) -> list[Note]:
    """Return the notes by which an entry left its line, as far as people did it."""
    paths = {f"/waitlist/{entry_id}", f"/waitlist/{entry_id}/confirm"}
    return [note for note in story.notes if note.reply.done and note.request.path in paths]


@dataclass(frozen=True)
class Rows:
    """What the histories left.

    Attributes:
        steps: the status of each booking after each of its versions.
        held: people and groups by session.
        owed: the same by bookings and offers.
        untended: sessions with places that are due to somebody in the line.
    """

    steps: dict[str, dict[int, str]]
    held: dict[str, tuple[int, int]]
    owed: dict[str, tuple[int, int]]
    untended: frozenset[str] = frozenset()


def rows_of(session: Session, stories: Sequence[Story], *, now: datetime) -> Rows:
    """Read all that some histories left by `now`."""
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
    for id_, people in (*session.exec(_booked(sites)), *session.exec(_offered(sites))):
        before = owed[str(id_)]
        owed[str(id_)] = (before[0] + people, before[1] + 1)
    untended = frozenset(map(str, queues.untended(session, now=now)))
    return Rows(steps, held, owed, untended)


def _booked(sites: Sequence[UUID]) -> Select[UUID, int]:
    return (
        select(BookingSession.session_id, Booking.people_expected)
        .join(Booking, col(Booking.id) == BookingSession.booking_id)
        .where(col(Booking.site_id).in_(sites), col(Booking.status).in_(HOLDING))
    )


def _offered(sites: Sequence[UUID]) -> Select[UUID, int]:
    return select(WaitlistEntry.session_id, WaitlistEntry.people_expected).where(
        col(WaitlistEntry.site_id).in_(sites), WaitlistEntry.status == WaitlistStatus.OFFERED
    )
