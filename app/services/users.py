"""Accounts as others see them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, exists, false, or_, true, union_all
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from app.errors import NotFound
from app.models import Account, Grant, Organisation, Role, Site
from app.services import audit, privacy
from app.services.access import Actor, hangs_below, in_force
from app.services.powers import WATCHERS, Reach

MOST_TOLD = 200
"""Ids of people looked at that one event of the audit log names."""


class UserNotFound(NotFound):
    """There is no such person, or they are not yours to see."""

    zh = "未找到该人员"


def visible(actor: Actor) -> SelectOfScalar[Account]:
    """Return the query for the accounts an actor may see, by `WATCHERS`; erased ones are gone.

    Those at home in their reach, and those who hold a role there, or held one.
    """
    return select(Account).where(col(Account.erased_at).is_(None), _in_scope(actor))


def _in_scope(actor: Actor) -> ColumnElement[bool]:
    held = [(grant, WATCHERS[grant.role]) for grant in actor.grants if grant.role in WATCHERS]
    if any(reach is Reach.ANYWHERE for _, reach in held):
        return true()
    own = [g.organisation_id for g, reach in held if reach is Reach.OWN and g.organisation_id]
    within = [
        hangs_below(col(Organisation.path), g.path)
        for g, reach in held
        if reach is Reach.SUBTREE and g.path
    ]
    # From the few organisations to their people, which the indexes are made for.
    reached = select(Organisation.id).where(or_(col(Organisation.id).in_(own), *within))
    at_home = aliased(Account)
    return col(Account.id).in_(
        union_all(
            select(at_home.id).where(col(at_home.organisation_id).in_(reached)),
            select(Grant.account_id).where(col(Grant.organisation_id).in_(reached)),
            select(Grant.account_id)
            .join(Site, col(Site.id) == Grant.site_id)
            .where(col(Site.town_id).in_(reached)),
        )
    )


def get(session: Session, *, actor: Actor, user_id: UUID, lock: bool = False) -> Account:
    """Return one account the actor may see, as it is now.

    Args:
        session: open transaction.
        actor: who asks.
        user_id: whose account.
        lock: keep everybody else from changing it, or giving it a role, until the transaction ends.

    Raises:
        UserNotFound: there is none, or it is not theirs to see.
    """
    wanted = visible(actor).where(Account.id == user_id)
    if lock:
        wanted = wanted.with_for_update(key_share=True, of=Account)
    found = session.exec(wanted.execution_options(populate_existing=True)).one_or_none()
    if found is None:
        raise UserNotFound
    return found


def page(
    session: Session,
    *,
    actor: Actor,
    q: str | None,
    role: Role | None,
    organisation_id: UUID | None,
    after: UUID | None,
    limit: int,
    now: datetime,
) -> list[Account]:
    """Return one more than `limit` accounts the actor may see, in the order they were made.

    Args:
        session: open transaction.
        actor: who asks.
        q: part of a name, or a whole phone number in any spelling.
        role: only those who hold it now.
        organisation_id: only those at home there or below.
        after: the last account of the page before.
        limit: length of a page.
        now: the present instant, aware.

    Raises:
        NotInScope: the actor sees nobody's account.
    """
    actor.require(*WATCHERS)
    wanted = visible(actor).order_by(col(Account.id)).limit(limit + 1)
    if q is not None:
        wanted = wanted.where(_matching(q))
    if role is not None:
        held = (col(Grant.account_id) == Account.id, col(Grant.role) == role, in_force(now))
        wanted = wanted.where(exists().where(*held).correlate(Account))
    if organisation_id is not None:
        root = session.get(Organisation, organisation_id)
        home = select(Organisation.id).where(
            hangs_below(col(Organisation.path), root.path) if root else false()
        )
        wanted = wanted.where(col(Account.organisation_id).in_(home))
    if after is not None:
        wanted = wanted.where(col(Account.id) > after)
    return list(session.exec(wanted).all())


def _matching(q: str) -> ColumnElement[bool]:
    named = col(Account.name).contains(q, autoescape=True)
    try:
        return or_(named, col(Account.phone_hash) == privacy.fingerprint(q))
    except privacy.InvalidPhone:
        return named


def note_read(session: Session, *, actor: Actor, read: Sequence[Account], searched: bool) -> None:
    """Have it written down that the actor looked at people's accounts.

    Args:
        session: open transaction.
        actor: who looked.
        read: whose accounts were answered; at most `MOST_TOLD` are named.
        searched: by a name or a number.
    """
    audit.note(
        session,
        action="read",
        noun="account",
        row_id=read[0].id if len(read) == 1 else None,
        district_id=_district(session, actor, read),
        count=len(read),
        searched=searched,
        ids=[str(account.id) for account in read[:MOST_TOLD]],
    )


def _district(session: Session, actor: Actor, read: Sequence[Account]) -> UUID | None:
    """Return whose log tells it: the people's own district's, else the reader's."""
    homes = {account.organisation_id for account in read[:MOST_TOLD] if account.organisation_id}
    theirs = select(Organisation.district_id).where(col(Organisation.id).in_(homes)).distinct()
    found = session.exec(theirs).all()
    if len(found) == 1:
        return found[0]
    roots = {path.split(".")[0] for path in actor.paths(*WATCHERS)}
    return UUID(hex=roots.pop()) if len(roots) == 1 else None
