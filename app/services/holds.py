"""Places in sessions: taken and given back. The only writer of what a session holds."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy
from sqlalchemy import Select, update
from sqlmodel import Session, col, select

from app.models import VenueSession


def take(session: Session, *, session_ids: Sequence[UUID], people: int) -> bool:
    """Hold places for one group in every session, or tell that one of them has no room.

    Rivals are let in one after another, in id order, so that they cannot deadlock; whoever comes
    second sees what the first one left, and whoever finds no room lets the next one in at once
    instead of at the end of the transaction. The table's CHECKs stand behind.

    Args:
        session: open transaction.
        session_ids: sessions without repetition.
        people: places wanted, at least 1.
    """
    ids = list(session_ids)
    has_room = (
        col(VenueSession.people_held) + people <= col(VenueSession.people_limit),
        col(VenueSession.groups_held) < col(VenueSession.groups_limit),
        col(VenueSession.closed_reason).is_(None),
    )
    attempt = session.begin_nested()
    taken = session.exec(
        update(VenueSession)
        .where(col(VenueSession.id).in_(_in_turn(ids)), *has_room)
        .values(
            people_held=VenueSession.people_held + people,
            groups_held=VenueSession.groups_held + 1,
        )
        .returning(col(VenueSession.id))
        .execution_options(synchronize_session=False)
    ).all()
    if len(taken) < len(ids):
        attempt.rollback()
        return False
    attempt.commit()
    return True


def give_back(session: Session, *, session_ids: Sequence[UUID], people: int) -> None:
    """Give up the places of one group; `people` is what `take` was called with."""
    session.exec(
        update(VenueSession)
        .where(col(VenueSession.id).in_(_in_turn(list(session_ids))))
        .values(
            people_held=VenueSession.people_held - people,
            groups_held=VenueSession.groups_held - 1,
        )
        .execution_options(synchronize_session=False)
    )


def _in_turn(ids: list[UUID]) -> Select[tuple[UUID]]:
    wanted = (
        select(VenueSession.id)
        .where(col(VenueSession.id).in_(ids))
        .order_by(col(VenueSession.id))
        .with_for_update(key_share=True)
        .cte("in_turn")
    )
    return sqlalchemy.select(wanted.c.id)
