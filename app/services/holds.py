"""Places in sessions: taken and given back. The only writer of what a session holds."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

_IN_TURN = """
    SELECT id FROM venue_session WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE"""
_LOCK = text(_IN_TURN)
_IF_ROOM = """
        AND people_held + :people <= people_limit
        AND groups_held < groups_limit
        AND closed_reason IS NULL"""
_TAKE = text(f"""
    WITH in_turn AS ({_IN_TURN})
    UPDATE venue_session
    SET people_held = people_held + :people, groups_held = groups_held + 1
    WHERE id IN (SELECT id FROM in_turn){_IF_ROOM}""")  # noqa: S608  # constants
_TAKE_ONE = text(f"""
    UPDATE venue_session
    SET people_held = people_held + :people, groups_held = groups_held + 1
    WHERE id = :id{_IF_ROOM}""")  # noqa: S608  # constants
_GIVE_BACK = text(f"""
    WITH in_turn AS ({_IN_TURN})
    UPDATE venue_session
    SET people_held = people_held - :people, groups_held = groups_held - 1
    WHERE id IN (SELECT id FROM in_turn)""")  # noqa: S608  # constants


class Places(NamedTuple):
    """What one group holds: so many people in each of these sessions."""

    session_ids: Sequence[UUID]
    people: int


def lock(session: Session, *, session_ids: Sequence[UUID]) -> None:
    """Keep everybody else from what these sessions hold, until the transaction ends.

    Rivals are let in one after another, in id order, so that they cannot deadlock.
    """
    session.connection().execute(_LOCK, {"ids": list(session_ids)})


def take(session: Session, *, session_ids: Sequence[UUID], people: int) -> bool:
    """Hold places for one group in every session, or tell that one of them has no room.

    Rivals are let in as `lock` does; whoever comes second sees what the first one left, and
    whoever finds no room lets the next one in at once instead of at the end of the transaction.
    The table's CHECKs stand behind.

    Args:
        session: open transaction.
        session_ids: sessions without repetition.
        people: places wanted, at least 1.
    """
    if len(session_ids) == 1:  # then there is nothing to take back, and nothing stays locked
        one = {"id": session_ids[0], "people": people}
        return bool(session.connection().execute(_TAKE_ONE, one).rowcount)
    attempt = session.connection().begin_nested()
    if _taken(session, Places(session_ids, people)):
        attempt.commit()
        return True
    attempt.rollback()
    return False


def exchange(session: Session, *, given: Places, wanted: Places) -> bool:
    """Give up places of one group and hold others, or tell that there is no room for these.

    Nobody else can have the old places before the new ones are held, nor are they lost if not.

    Args:
        session: open transaction.
        given: what `take` was called with.
        wanted: as for `take`; sessions may be among the given ones.
    """
    attempt = session.connection().begin_nested()
    lock(session, session_ids=[*given.session_ids, *wanted.session_ids])
    give_back(session, session_ids=given.session_ids, people=given.people)
    if _taken(session, wanted):
        attempt.commit()
        return True
    attempt.rollback()
    return False


def give_back(session: Session, *, session_ids: Sequence[UUID], people: int) -> None:
    """Give up the places of one group; `people` is what `take` was called with."""
    given = {"ids": list(session_ids), "people": people}
    session.connection().execute(_GIVE_BACK, given)


def _taken(session: Session, wanted: Places) -> bool:
    asked = {"ids": list(wanted.session_ids), "people": wanted.people}
    taken: int = session.connection().execute(_TAKE, asked).rowcount
    return taken == len(wanted.session_ids)
