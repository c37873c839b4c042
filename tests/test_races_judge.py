"""The judge of the race, on histories of a site with one place for a group of two."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from race.acts import Note
from race.client import Reply, Request
from race.ground import Kind, Scene
from race.judge import judge
from race.rows import Branch, Person, Slot
from race.stories import Fault, Rows, Story
from tests.makers import HOUR, IN_A_WEEK

SESSION = UUID(int=1)
BOOKING = "01"
SHUT = IN_A_WEEK + HOUR


@pytest.fixture
def scene() -> Scene:
    people = [Branch(uuid4(), Person(uuid4(), "")) for _ in range(2)]
    return Scene(
        kind=Kind.MANUAL,
        site_id=uuid4(),
        venue_id=uuid4(),
        slots=[Slot(SESSION, IN_A_WEEK, SHUT, people_limit=2, groups_limit=1)],
        plain_id=uuid4(),
        guided_id=uuid4(),
        guides=1,
        manager=Person(uuid4(), ""),
        branches=people,
        open_limit=2,
    )


def ordered(
    scene: Scene,
    id_: str = BOOKING,
    *,
    at: tuple[float, float] = (0, 1),
    act: str = "create",
    version: int = 1,
    status: str = "pending",
    key: UUID | None = None,
    people: int = 2,
    branch: int = 0,
    guided: bool = False,
    **more: Any,
) -> Note:
    """A request about a booking of the session that was done."""
    who = scene.branches[branch].id
    programme = scene.guided_id if guided else scene.plain_id
    body: dict[str, Any] = {
        "id": id_,
        "version": version,
        "status": status,
        "organisation": {"id": str(who)},
        "session_ids": [str(SESSION)],
        "people_expected": people,
        "programmes": [{"id": str(programme)}],
        **more,
    }
    request = Request("POST", f"/bookings/{id_}/{act}", "", body, key)
    return Note(act, request, Reply(201, body, *at), who)


def refused(
    scene: Scene,
    code: str = "session-full",
    *,
    at: tuple[float, float] = (0, 1),
    act: str = "create",
    status: int = 409,
    branch: int = 1,
    **facts: Any,
) -> Note:
    """A request, mostly an order for the session, that was refused."""
    asked = {
        "organisation_id": str(scene.branches[branch].id),
        "session_ids": [str(SESSION)],
        "people_expected": 2,
        "programme_ids": [str(scene.guided_id)],
    }
    request = Request("POST", f"/bookings/{BOOKING}/{act}", "", asked)
    return Note(act, request, Reply(status, {"code": code, **facts}, *at))


def left(*notes: Note, held: tuple[int, int] | None = None) -> Rows:
    """The rows that fit some answers, but for what the session holds."""
    steps: dict[str, dict[int, str]] = {}
    for note in notes:
        if note.reply.done and "version" in note.reply.body:
            body = note.reply.body
            steps.setdefault(body["id"], {})[body["version"]] = body["status"]
    owed = [
        note.reply.body["people_expected"]
        for note in notes
        if note.reply.done and note.act == "create"
    ]
    sums = {str(SESSION): (sum(owed), len(owed))}
    return Rows(steps, {str(SESSION): held} if held else sums, sums)


def faults(
    scene: Scene, *notes: Note, rows: Rows | None = None, won: int | None = None
) -> set[Fault]:
    story = Story("", scene, notes, won)
    return {found.fault for found in judge(story, rows or left(*notes))}


def test_a_judge_has_nothing_against_what_can_be(scene: Scene) -> None:
    assert faults(scene, ordered(scene), refused(scene, at=(0.5, 2)), won=1) == set()


@pytest.mark.parametrize(
    ("act", "code", "status", "facts"),
    [
        ("create", "", 500, {}),
        ("create", "unavailable", 503, {}),
        ("create", "ReadError", 0, {}),
        ("create", "lead-time-too-short", 409, {}),
        ("approve", "session-full", 409, {}),
        ("approve", "booking-state-conflict", 409, {"allowed_moves": ["approve"]}),
        ("meddle", "not-in-scope", 403, {}),
    ],
)
def test_answers_out_of_place_are_found(
    scene: Scene, act: str, code: str, status: int, facts: Mapping[str, Any]
) -> None:
    found = faults(scene, refused(scene, code, act=act, status=status, **facts))
    assert found == {Fault.REFUSAL if 400 <= status < 500 else Fault.SERVER}


def test_a_state_that_forbids_the_move_is_a_reason(scene: Scene) -> None:
    conflict = refused(scene, "booking-state-conflict", act="approve", allowed_moves=["cancel"])
    assert faults(scene, conflict) == set()


def test_what_must_not_succeed_is_found_if_it_does(scene: Scene) -> None:
    assert Fault.DONE in faults(scene, ordered(scene, act="meddle", status="cancelled"))


def test_one_key_has_one_answer(scene: Scene) -> None:
    key = uuid4()
    one, other = ordered(scene, key=key), ordered(scene, "02", key=key)
    assert Fault.DIFFERENT in faults(scene, one, other)
    same = replace(one, reply=replace(one.reply, answered=3))
    assert faults(scene, one, same, rows=left(one), won=1) == set()


def test_two_that_make_the_same_version_are_found(scene: Scene) -> None:
    moves = [
        ordered(scene, act="approve", version=2, status="approved", at=(2, 3)),
        ordered(scene, act="reject", version=2, status="rejected", at=(2, 3)),
    ]
    assert Fault.TWO_WON in faults(scene, ordered(scene), *moves)


def test_a_step_that_was_answered_and_is_not_there_is_found(scene: Scene) -> None:
    made = ordered(scene)
    approved = ordered(scene, act="approve", version=2, status="approved", at=(2, 3))
    assert faults(scene, made, approved, rows=left(made)) == {Fault.LOST}


def test_a_step_that_nobody_was_told_of_is_found(scene: Scene) -> None:
    made = ordered(scene)
    moved = ordered(scene, act="cancel", version=2, status="cancelled", at=(2, 3))
    assert faults(scene, made, rows=left(made, moved)) == {Fault.UNASKED}
    itself = ordered(scene, version=2, status="approved")
    rows = replace(left(made), steps={BOOKING: {1: "pending", 2: "approved"}})
    assert faults(scene, itself, rows=rows) == set()


def test_a_closure_answers_for_what_it_cancels(scene: Scene) -> None:
    made, again = ordered(scene), ordered(scene, "02", at=(4, 5))
    body = {"bookings": [{"id": BOOKING}]}
    shut = Note("close", Request("POST", "/closures", ""), Reply(201, body, 2, 3))
    rows = left(made, again)
    rows.steps[BOOKING][2] = "cancelled"
    rows.owed[str(SESSION)] = rows.held[str(SESSION)] = (2, 1)
    assert faults(scene, made, shut, again, rows=rows) == set()
    assert Fault.OVERBOOKED in faults(scene, made, again, rows=rows)


def test_places_that_are_not_what_bookings_say_are_found(scene: Scene) -> None:
    made = ordered(scene)
    assert faults(scene, made, rows=left(made, held=(1, 1))) == {Fault.INVARIANT}


@pytest.mark.parametrize(("left_at", "found"), [((1.5, 1.8), False), ((2.1, 4), True)])
def test_more_than_fits_at_one_time_is_found_though_it_fits_in_the_end(
    scene: Scene, left_at: tuple[float, float], *, found: bool
) -> None:
    made, again = ordered(scene), ordered(scene, "02", at=(1.6, 2), branch=1)
    gone = ordered(scene, act="cancel", version=2, status="cancelled", at=left_at)
    rows = left(made, gone, again)
    rows.owed[str(SESSION)] = rows.held[str(SESSION)] = (2, 1)
    assert (Fault.OVERBOOKED in faults(scene, made, gone, again, rows=rows)) is found


@pytest.mark.parametrize(
    ("code", "holder"),
    [
        ("session-full", {}),
        ("guide-not-free", {"guided": True, "people": 0}),
    ],
)
@pytest.mark.parametrize(("at", "right"), [((2, 3.5), True), ((4.5, 5), False)])
def test_a_refusal_needs_an_instant_without_room(
    scene: Scene,
    code: str,
    holder: Mapping[str, Any],
    at: tuple[float, float],
    *,
    right: bool,
) -> None:
    made = ordered(scene, **holder)
    gone = ordered(scene, act="cancel", version=2, status="cancelled", at=(3, 4), **holder)
    rows = left(made, gone)
    rows.owed[str(SESSION)] = rows.held[str(SESSION)] = (0, 0)
    found = faults(scene, made, gone, refused(scene, code, at=at), rows=rows)
    assert found == (set() if right else {Fault.NOBODY_WON})


def test_a_branch_is_not_stopped_before_it_has_all_it_may(scene: Scene) -> None:
    made = ordered(scene, people=0)
    stopped = refused(scene, "too-many-open-bookings", branch=0, at=(2, 3))
    assert Fault.NOBODY_WON in faults(scene, made, stopped)
    assert faults(replace(scene, open_limit=1), made, stopped) == set()


@pytest.mark.parametrize(("won", "found"), [(0, Fault.OVERBOOKED), (2, Fault.NOBODY_WON)])
def test_winners_are_counted(scene: Scene, won: int, found: Fault) -> None:
    assert faults(scene, ordered(scene), won=won) == {found}
