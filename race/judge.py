"""The judge: of all answers of a history, and of the rows it left, is there one that cannot be?"""

from collections import Counter
from collections.abc import Iterator

from race.acts import ACTS
from race.bounds import bounds
from race.stories import Fault, Found, Rows, Seen, Story, cancelled_by_closures, left_line, steps_of


def judge(story: Story, rows: Rows) -> Iterator[Found]:
    """Yield what cannot be in one history."""
    for rule in (_answers, _keys, _steps, _places, _lines, bounds, _winners):
        for fault, seen in rule(story, rows):
            yield Found(fault, story.name, seen)


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


def _steps(story: Story, rows: Rows) -> Seen:
    steps = list(steps_of(story))
    for (id_, version), times in Counter((step.id, step.version) for step in steps).items():
        if times > 1:
            yield Fault.TWO_WON, f"{times} answers made version {version} of {id_}"
    for step in steps:
        if rows.steps.get(step.id, {}).get(step.version) != step.status:
            yield Fault.LOST, f"version {step.version} of {step.id} is not {step.status}"
    answered = {(step.id, step.version) for step in steps}
    known = {step.id for step in steps}
    hit = {id_ for id_, _ in cancelled_by_closures(story)}
    for id_, versions in rows.steps.items():
        for version, status in versions.items():
            next_ = (id_, version + 1)
            by_itself = status == "pending" and next_ in answered
            by_closure = id_ in hit and status == "cancelled"
            if id_ in known and not ((id_, version) in answered or by_itself or by_closure):
                yield Fault.UNASKED, f"version {version} of {id_}, {status}"


def _places(story: Story, rows: Rows) -> Seen:
    for slot in story.scene.slots:
        held, owed = rows.held[str(slot.id)], rows.owed[str(slot.id)]
        if held != owed:
            yield Fault.INVARIANT, f"session {slot.id} holds {held}, its bookings {owed}"
        if owed[0] > slot.people_limit or owed[1] > slot.groups_limit:
            yield Fault.OVERBOOKED, f"session {slot.id} at the end: {owed}"


def _lines(story: Story, rows: Rows) -> Seen:
    for slot in story.scene.slots:
        if str(slot.id) in rows.untended:
            yield Fault.NOBODY_WON, f"session {slot.id} has places for who waits"
    for note in story.notes:
        if note.act == "join" and note.reply.done:
            left = left_line(story, note.reply.body["id"])
            made = {one.reply.body["id"] for one in left if one.act == "confirm"}
            if len(made) > 1:
                yield Fault.TWO_WON, f"{len(made)} bookings of one offer"


def _winners(story: Story, _: Rows) -> Seen:
    if story.winners is None:
        return
    done = [note.reply.body for note in story.notes if note.reply.done]
    won = len({(body["id"], body["version"]) for body in done})
    if won < story.winners:
        yield Fault.NOBODY_WON, f"{won} of {story.winners} that fit"
    if won > story.winners:
        yield Fault.OVERBOOKED, f"{won} where {story.winners} fit"
