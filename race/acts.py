"""What people do: one row for each act, with the refusals that may answer it.

A new operation of the service is a new row here; the judge needs no other word of it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any
from uuid import UUID

from app.services.calendar import local_date
from app.services.states import MOVES
from race.client import Reply, Request
from race.ground import Scene
from race.rows import Branch, Slot

Body = Mapping[str, Any]
_FITTING = 0.8


@dataclass(frozen=True)
class Note:
    """One request and its answer."""

    act: str
    request: Request
    reply: Reply
    branch_id: UUID | None = None


@dataclass
class Known:
    """What the people of a history have seen so far.

    Attributes:
        bookings: the last answer about each booking, by its id.
        owners: the branch of each.
        keys: those of orders that were done, by branch.
        entries: the last place of each branch in a line.
        closed: whether somebody has begun to shut the hall.
    """

    scene: Scene
    bookings: dict[str, Body] = field(default_factory=dict)
    owners: dict[str, Branch] = field(default_factory=dict)
    keys: dict[UUID, UUID] = field(default_factory=dict)
    entries: dict[UUID, str] = field(default_factory=dict)
    closed: bool = False

    def learn(self, note: Note) -> None:
        """Remember what an answer told."""
        if not note.reply.done:
            return
        body = note.reply.body
        if note.act == "join" and note.branch_id:
            self.entries[note.branch_id] = body["id"]
        if "version" in body:
            seen = self.bookings.setdefault(body["id"], body)
            if seen["version"] < body["version"]:
                self.bookings[body["id"]] = body
        if note.act in MADE_BY and note.branch_id and note.request.key:
            self.keys[note.branch_id] = note.request.key
            branches = self.scene.branches
            self.owners[body["id"]] = next(one for one in branches if one.id == note.branch_id)

    def of(self, *branches: Branch) -> list[Body]:
        """Return the bookings of some branches."""
        return [self.bookings[id_] for id_, owner in self.owners.items() if owner in branches]


@dataclass(frozen=True)
class Turn:
    """Somebody's turn in a history: who it is, what they know, and their luck."""

    known: Known
    branch: Branch
    rng: Random

    @property
    def scene(self) -> Scene:
        """Where it takes place."""
        return self.known.scene

    def booking(self, name: str) -> Body | None:
        """Return some booking of anybody; mostly one that can make this move, if there is any."""
        every = self.known.bookings.values()
        fitting = [one for one in every if one["status"] in MOVES[name].sources]
        return self._one_of(fitting if fitting and self.rng.random() < _FITTING else every)

    def own_booking(self) -> Body | None:
        """Return some booking of the branch."""
        return self._one_of(self.known.of(self.branch))

    def other_booking(self) -> Body | None:
        """Return some booking of another branch."""
        others = [one for one in self.scene.branches if one is not self.branch]
        return self._one_of(self.known.of(*others))

    def _one_of(self, bookings: Iterable[Body]) -> Body | None:
        found = list(bookings)
        return self.rng.choice(found) if found else None

    def key(self) -> UUID:
        """Return a new idempotency key."""
        return UUID(int=self.rng.getrandbits(128), version=4)


@dataclass(frozen=True)
class Act:
    """One row.

    Attributes:
        weight: how often it is chosen.
        ask: makes the request, or None when there is nothing to do it to.
        refusals: codes that may answer it.
        fails: whether one of them must.
    """

    weight: int
    ask: Callable[[Turn], Request | None]
    refusals: frozenset[str]
    fails: bool = False


def order(
    turn: Turn, slots: list[Slot], people: int, *, guided: bool, key: UUID | None = None
) -> Request:
    """Return an order of the turn's branch."""
    body = {
        "session_ids": [str(slot.id) for slot in slots],
        "programme_ids": [str(turn.scene.guided_id if guided else turn.scene.plain_id)],
        "organisation_id": str(turn.branch.id),
        "people_expected": people,
        "purpose": "visit",
        "contact_name": "王组织",
        "contact_phone": "13800000000",
    }
    return Request("POST", "/bookings", turn.branch.organiser.token, body, key or turn.key())


def _some_slots(turn: Turn) -> list[Slot]:
    """Return the first session, mostly; another, or two that follow one another."""
    one, two, three = turn.scene.slots
    choices = [[one], [one], [two], [three]]
    if local_date(one.starts_at) == local_date(two.starts_at):
        choices.append([one, two])
    return turn.rng.choice(choices)


def _people(turn: Turn) -> int:
    limit = turn.scene.slots[0].people_limit
    return turn.rng.choice([1, limit // 4, limit // 2, limit])


def _create(turn: Turn) -> Request:
    guided = turn.rng.random() < 0.25
    return order(turn, _some_slots(turn), _people(turn), guided=guided)


def _change(turn: Turn) -> Request | None:
    booking = turn.own_booking()
    if booking is None:
        return None
    slots = [str(slot.id) for slot in _some_slots(turn)]
    body: Body = {"people_expected": _people(turn)}
    if turn.rng.random() < 0.5:
        body = {"session_ids": slots}
    path, token = f"/bookings/{booking['id']}", turn.branch.organiser.token
    return Request("PATCH", path, token, body, version=booking["version"])


def _by_manager(name: str) -> Callable[[Turn], Request | None]:
    def ask(turn: Turn) -> Request | None:
        return _move(turn, turn.booking(name), name, turn.scene.manager.token)

    return ask


def _cancel(turn: Turn) -> Request | None:
    return _move(turn, turn.own_booking(), "cancel", turn.branch.organiser.token)


def _meddle(turn: Turn) -> Request | None:
    """Cancel what is another branch's."""
    return _move(turn, turn.other_booking(), "cancel", turn.branch.organiser.token)


def _move(turn: Turn, booking: Body | None, name: str, token: str) -> Request | None:
    if booking is None:
        return None
    seen = booking["version"] if turn.rng.random() < 0.5 else None
    body = {} if name in {"arrive", "complete"} else {"reason": "因故"}
    return Request("POST", f"/bookings/{booking['id']}/{name}", token, body, turn.key(), seen)


def _reuse(turn: Turn) -> Request | None:
    """Ask for something else with the key of an order that was done."""
    key = turn.known.keys.get(turn.branch.id)
    return reuse(turn, key) if key else None


def reuse(turn: Turn, key: UUID) -> Request:
    """Return an order that nobody else asks for, with a key that was used."""
    return order(turn, turn.scene.slots[-1:], 2, guided=True, key=key)


def _join(turn: Turn) -> Request:
    return join(turn, turn.rng.choice(turn.scene.slots[:2]), _people(turn))


def join(turn: Turn, slot: Slot, people: int) -> Request:
    """Return the wish of the turn's branch to wait for a session."""
    asked = order(turn, [slot], people, guided=False)
    body = {name: value for name, value in asked.body.items() if name != "session_ids"}
    return replace(asked, path=f"/sessions/{slot.id}/waitlist", body=body)


def _confirm(turn: Turn) -> Request | None:
    entry = turn.known.entries.get(turn.branch.id)
    path, token = f"/waitlist/{entry}/confirm", turn.branch.organiser.token
    return Request("POST", path, token, {}, turn.key()) if entry else None


def _withdraw(turn: Turn) -> Request | None:
    entry = turn.known.entries.get(turn.branch.id)
    path, token = f"/waitlist/{entry}", turn.branch.organiser.token
    return Request("DELETE", path, token) if entry else None


def _close(turn: Turn) -> Request | None:
    """Shut the hall for the time of one session, once a history, and cancel what is hit."""
    if turn.known.closed:
        return None
    turn.known.closed = True
    slot = turn.rng.choice(turn.scene.slots)
    body = {
        "venue_id": str(turn.scene.venue_id),
        "starts_at": slot.starts_at.isoformat(),
        "ends_at": slot.ends_at.isoformat(),
        "reason": "设备检修",
        "cancel": True,
    }
    path = f"/sites/{turn.scene.site_id}/closures"
    return Request("POST", path, turn.scene.manager.token, body, turn.key())


_STATE = {"booking-state-conflict", "booking-changed"}
_RULES = {"session-closed", "guide-not-free", "branch-suspended"}
_BOOKED = _RULES | {"too-many-open-bookings", "fund-exhausted"}
_ORDER = _BOOKED | {"session-full"}
_LINE = {"waitlist-state-conflict"}
MADE_BY = ("create", "confirm")
"""Acts that make a booking."""

ACTS: Mapping[str, Act] = {
    "create": Act(12, _create, frozenset(_ORDER)),
    "approve": Act(5, _by_manager("approve"), frozenset(_STATE | {"fund-exhausted"})),
    "reject": Act(1, _by_manager("reject"), frozenset(_STATE)),
    "change": Act(4, _change, frozenset((_ORDER | _STATE) - {"branch-suspended"})),
    "cancel": Act(4, _cancel, frozenset(_STATE)),
    "cancel by site": Act(1, _by_manager("cancel"), frozenset(_STATE)),
    "join": Act(4, _join, frozenset(_RULES | {"session-has-room", "already-waiting"})),
    "confirm": Act(5, _confirm, frozenset(_BOOKED | _LINE)),
    "withdraw": Act(2, _withdraw, frozenset(_LINE)),
    "close": Act(1, _close, frozenset({"closures-overlap"})),
    "arrive": Act(2, _by_manager("arrive"), frozenset(_STATE)),
    "complete": Act(1, _by_manager("complete"), frozenset(_STATE)),
    "no-show": Act(1, _by_manager("no-show"), frozenset(_STATE)),
    "meddle": Act(1, _meddle, frozenset({"booking-not-found"}), fails=True),
    "reuse": Act(1, _reuse, frozenset({"idempotency-key-reused"}), fails=True),
}


def choose(turn: Turn) -> tuple[str, Request]:
    """Return an act by chance, and its request; an order where there is nothing else to do."""
    (name,) = turn.rng.choices(list(ACTS), [act.weight for act in ACTS.values()])
    request = ACTS[name].ask(turn)
    return (name, request) if request else ("create", _create(turn))
