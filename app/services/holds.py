"""Places in sessions: taken and given back. The only writer of what a session holds."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import sqlalchemy
from sqlalchemy import update
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from app.models import VenueSession


class Places(NamedTuple):
    """What one group holds: so many people in each of these sessions."""

    session_ids: Sequence[UUID]
    people: int


def lock(session: Session, *, session_ids: Sequence[UUID]) -> None:
    """Keep everybody else from what these sessions hold, until the transaction ends.

    Rivals are let in one after another, in id order, so that they cannot deadlock.
    """
    session.connection().execute(_in_turn(session_ids))


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
    attempt = session.begin_nested()
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
    attempt = session.begin_nested()
    lock(session, session_ids=[*given.session_ids, *wanted.session_ids])
    give_back(session, session_ids=given.session_ids, people=given.people)
    if _taken(session, wanted):
        attempt.commit()
        return True
    attempt.rollback()
    return False


def give_back(session: Session, *, session_ids: Sequence[UUID], people: int) -> None:
    """Give up the places of one group; `people` is what `take` was called with."""
    session.exec(
        update(VenueSession)
        .where(col(VenueSession.id).in_(sqlalchemy.select(_in_turn(session_ids).cte("in_turn"))))
        .values(
            people_held=VenueSession.people_held - people,
            groups_held=VenueSession.groups_held - 1,
        )
        .execution_options(synchronize_session=False)
    )


def _taken(session: Session, wanted: Places) -> bool:
    has_room = (
        col(VenueSession.people_held) + wanted.people <= col(VenueSession.people_limit),
        col(VenueSession.groups_held) < col(VenueSession.groups_limit),
        col(VenueSession.closed_reason).is_(None),
    )
    in_turn = sqlalchemy.select(_in_turn(wanted.session_ids).cte("in_turn"))
    taken = session.exec(
        update(VenueSession)
        .where(col(VenueSession.id).in_(in_turn), *has_room)
        .values(
            people_held=VenueSession.people_held + wanted.people,
            groups_held=VenueSession.groups_held + 1,
        )
        .returning(col(VenueSession.id))
        .execution_options(synchronize_session=False)
    ).all()
    return len(taken) == len(wanted.session_ids)


def _in_turn(session_ids: Sequence[UUID]) -> SelectOfScalar[UUID]:
    return (
        select(VenueSession.id)
        .where(col(VenueSession.id).in_(session_ids))
        .order_by(col(VenueSession.id))
        .with_for_update(key_share=True)
    )
