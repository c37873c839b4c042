"""Outside branches that ask to be let in, and who answers them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar
from uuid_utils.compat import uuid7

from app.errors import Conflict, NotFound
from app.models import (
    Account,
    Organisation,
    OrganisationKind,
    Registration,
    RegistrationStatus,
    Role,
    Sector,
)
from app.services import accounts, grants, one_time_codes, organisations, privacy, tree
from app.services.access import OVERSEERS, Actor, NotInScope, below, is_below
from app.services.one_time_codes import IssuedCode
from app.services.organisations import OrganisationNotFound
from app.services.tree import STAFF, OtherDistrict

ASKED = (OrganisationKind.DISTRICT, OrganisationKind.TOWN)


class RegistrationNotFound(NotFound):
    """There is no such registration, or it is not yours to see."""

    zh = "未找到该入驻申请"


class RegistrationDecided(Conflict):
    """The registration has been answered already."""

    zh = "该申请已有审核结果"
    detail_en = "It is {current_status}"
    detail_zh = "当前状态：{current_status}"


@dataclass(frozen=True)
class Wanted:
    """What an outside branch says of itself.

    Attributes:
        organisation_id: the district or the town that is asked.
        name: the branch's.
        home: where it comes from.
        sector: None where there is none.
        member_count: party members, 1 or more.
        contact_name: who will order for it.
        contact_phone: theirs, in any spelling.
        note: whatever else.
    """

    organisation_id: UUID
    name: str
    home: str
    sector: Sector | None
    member_count: int
    contact_name: str
    contact_phone: str
    note: str | None


@dataclass(frozen=True)
class Approved:
    """What an approval made; the code only where the account is new."""

    registration: Registration
    branch: Organisation
    account_id: UUID
    code: IssuedCode | None


def ask(session: Session, *, wanted: Wanted) -> UUID:
    """Write down what a branch asks for and return its id; asked again, it is one and the newest.

    Whether the phone has an account is not looked up, so that nobody learns it here.

    Args:
        session: open transaction.
        wanted: what it says.

    Raises:
        OrganisationNotFound: there is no such district or town.
        InvalidPhone: the contact's phone is none.
    """
    asked = select(Organisation.id).where(
        Organisation.id == wanted.organisation_id,
        col(Organisation.kind).in_(ASKED),
        col(Organisation.active),
    )
    if session.exec(asked).one_or_none() is None:
        raise OrganisationNotFound
    said = {
        "name": wanted.name,
        "home": wanted.home,
        "sector": wanted.sector,
        "member_count": wanted.member_count,
        "contact_name": wanted.contact_name,
        "contact_phone_sealed": privacy.seal(wanted.contact_phone),
        "note": wanted.note,
    }
    row = insert(Registration).values(
        id=uuid7(),
        organisation_id=wanted.organisation_id,
        contact_phone_hash=privacy.fingerprint(wanted.contact_phone),
        status=RegistrationStatus.PENDING,
        **said,
    )
    once = row.on_conflict_do_update(
        index_elements=["organisation_id", "contact_phone_hash"],
        index_where=text("status = 'pending'"),
        set_=said,
    )
    written: UUID = session.execute(once.returning(col(Registration.id))).scalar_one()
    return written


def visible(actor: Actor) -> SelectOfScalar[Registration]:
    """Return the query for what was asked of the actor's organisations or those below them."""
    return select(Registration).where(
        below(col(Registration.organisation_id), actor.paths(*OVERSEERS))
    )


def registrations(
    *, actor: Actor, status: RegistrationStatus | None, after: UUID | None, limit: int
) -> SelectOfScalar[Registration]:
    """Return the query for one page, newest first.

    Args:
        actor: who looks.
        status: only those.
        after: id of the last of the page before.
        limit: most rows.
    """
    wanted = visible(actor).order_by(col(Registration.id).desc()).limit(limit)
    if status is not None:
        wanted = wanted.where(Registration.status == status)
    if after is not None:
        wanted = wanted.where(col(Registration.id) < after)
    return wanted


def get(session: Session, *, actor: Actor, registration_id: UUID) -> Registration:
    """Return a registration the actor may see.

    Raises:
        RegistrationNotFound: there is none, or it was asked of others.
    """
    wanted = visible(actor).where(Registration.id == registration_id)
    found = session.exec(wanted).one_or_none()
    if found is None:
        raise RegistrationNotFound
    return found


def deciders(actor: Actor, *, asked: Organisation) -> frozenset[Role]:
    """Return the roles by which an actor answers what an organisation was asked."""
    held = [g for g in actor.grants if g.role in STAFF and g.path and is_below(asked.path, g.path)]
    return frozenset(grant.role for grant in held)


def approve(
    session: Session,
    *,
    actor: Actor,
    registration_id: UUID,
    parent_id: UUID | None,
    now: datetime,
) -> Approved:
    """Let a branch in: plant it, and let its contact order for it.

    Args:
        session: open transaction.
        actor: who decides.
        registration_id: which.
        parent_id: what the branch will hang under; None for what it asked.
        now: the present instant, aware.

    Raises:
        RegistrationNotFound: there is none, or it was asked of others.
        NotInScope: the actor sees it, but does not decide, or may not plant there.
        RegistrationDecided: it has been answered already.
        OrganisationNotFound: the actor sees no such parent.
        KindMisplaced: no branch hangs under such a parent.
        TreeTooDeep: it would hang below the deepest level.
        OtherDistrict: the parent is another district's.
        NotForOneself: the actor is the contact.
        PhoneTaken: somebody opened an account for the contact at the same moment.
    """
    found, asked = _pending(session, actor, registration_id)
    above = organisations.get(session, actor=actor, organisation_id=parent_id or asked.id)
    if above.district_id != asked.district_id:
        raise OtherDistrict
    branch = tree.plant(
        session,
        actor=actor,
        name=found.name,
        code=f"W{found.id.hex[-12:].upper()}",
        kind=OrganisationKind.BRANCH,
        parent_id=above.id,
        sector=Sector(found.sector) if found.sector else None,
        member_count=found.member_count,
        outside=True,
    )
    account_id, code = _contact(session, actor, found, branch, now)
    found.status, found.branch_id = RegistrationStatus.APPROVED, branch.id
    found.decided_by, found.decided_at = actor.account_id, now
    session.flush()
    return Approved(found, branch, account_id, code)


def reject(
    session: Session, *, actor: Actor, registration_id: UUID, reason: str, now: datetime
) -> Registration:
    """Refuse a branch, with a reason.

    Args:
        session: open transaction.
        actor: who decides.
        registration_id: which.
        reason: why; kept with it.
        now: the present instant, aware.

    Raises:
        RegistrationNotFound: there is none, or it was asked of others.
        NotInScope: the actor sees it, but does not decide.
        RegistrationDecided: it has been answered already.
    """
    found, _ = _pending(session, actor, registration_id)
    found.status, found.reason = RegistrationStatus.REJECTED, reason
    found.decided_by, found.decided_at = actor.account_id, now
    session.flush()
    return found


def _pending(
    session: Session, actor: Actor, registration_id: UUID
) -> tuple[Registration, Organisation]:
    """Return a registration, locked, that is still to be answered, and who was asked.

    Raises:
        NotInScope: the actor does not decide it.
        RegistrationDecided: it has been answered.
    """
    found = get(session, actor=actor, registration_id=registration_id)
    asked = session.get_one(Organisation, found.organisation_id)
    roles = deciders(actor, asked=asked)
    if not roles:
        raise NotInScope(roles=[str(role) for role in STAFF])
    # Of two who decide, the second waits here, and then reads what the first has decided.
    session.refresh(found, with_for_update={"key_share": True})
    if found.status != RegistrationStatus.PENDING:
        raise RegistrationDecided(current_status=found.status)
    actor.act_as(roles)
    return found, asked


def _contact(
    session: Session, actor: Actor, found: Registration, branch: Organisation, now: datetime
) -> tuple[UUID, IssuedCode | None]:
    """Make the contact the branch's organiser; a new account comes with a code.

    Raises:
        NotForOneself: the actor is the contact.
    """
    theirs = select(Account.id).where(Account.phone_hash == found.contact_phone_hash)
    account_id, code = session.exec(theirs).one_or_none(), None
    if account_id == actor.account_id:
        raise grants.NotForOneself
    if account_id is None:
        account_id = accounts.create(
            session,
            name=found.contact_name,
            phone=privacy.unseal(found.contact_phone_sealed or b""),
            password=None,
            organisation_id=branch.id,
        ).id
        code = one_time_codes.issue(
            session, account_id=account_id, issued_by=actor.account_id, now=now
        )
    grants.grant(
        session,
        account_id=account_id,
        role=Role.ORGANISER,
        organisation_id=branch.id,
        granted_by=actor.account_id,
    )
    return account_id, code
