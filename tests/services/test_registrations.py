"""Outside branches that ask in: once, answered once, by those who were asked."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, func, text
from sqlmodel import Session, col, select

from app.errors import DomainError
from app.models import (
    Account,
    Grant,
    Organisation,
    OrganisationKind,
    Registration,
    RegistrationStatus,
    Role,
    Sector,
)
from app.services import accounts, one_time_codes, privacy, registrations, tree, verify
from app.services.access import NotInScope
from app.services.grants import NotForOneself
from app.services.organisations import OrganisationNotFound
from app.services.registrations import (
    Approved,
    RegistrationDecided,
    RegistrationNotFound,
    Wanted,
)
from tests.conftest import NOW, as_owner
from tests.makers import actor, make_account, make_organisation
from tests.races import at_once, replaced_sql, until_somebody_waits

K = OrganisationKind
PHONE = "13700001234"


@dataclass(frozen=True)
class Place:
    district: Organisation
    town: Organisation
    other_town: Organisation
    chief: Account
    clerk: Account
    other_clerk: Account
    auditor: Account


def make_place(session: Session) -> Place:
    district = make_organisation(session)
    town, other = (make_organisation(session, parent=district, kind=K.TOWN) for _ in "ab")
    return Place(
        district=district,
        town=town,
        other_town=other,
        chief=make_account(session, Role.DISTRICT_STAFF, at=district),
        clerk=make_account(session, Role.TOWN_STAFF, at=town),
        other_clerk=make_account(session, Role.TOWN_STAFF, at=other),
        auditor=make_account(session, Role.AUDITOR, at=district),
    )


@pytest.fixture
def place(session: Session) -> Place:
    return make_place(session)


def wanted(asked: Organisation, **other: Any) -> Wanted:
    plain = Wanted(
        organisation_id=asked.id,
        name="外来党支部",
        home="张店区",
        sector=Sector.URBAN,
        member_count=31,
        contact_name="王组织",
        contact_phone=PHONE,
        note="说明",
    )
    return replace(plain, **other)


def approve(
    session: Session, who: Account, id_: UUID, parent: Organisation | None = None
) -> Approved:
    return registrations.approve(
        session,
        actor=actor(session, who),
        registration_id=id_,
        parent_id=parent.id if parent else None,
        now=NOW,
    )


def reject(session: Session, who: Account, id_: UUID) -> Registration:
    return registrations.reject(
        session, actor=actor(session, who), registration_id=id_, reason="不符", now=NOW
    )


def test_asked_twice_is_asked_once(session: Session, place: Place) -> None:
    first = registrations.ask(session, wanted=wanted(place.town))
    again = wanted(place.town, contact_phone=f"+86 {PHONE}", member_count=32, note=None)
    assert registrations.ask(session, wanted=again) == first
    kept = session.get_one(Registration, first)
    session.refresh(kept)
    assert (kept.member_count, kept.note, kept.status) == (32, None, "pending")
    assert privacy.unseal(kept.contact_phone_sealed or b"") == f"+86{PHONE}"
    others = (
        wanted(place.other_town),
        wanted(place.district),
        wanted(place.town, contact_phone="13700005678"),
    )
    assert len({first, *(registrations.ask(session, wanted=one) for one in others)}) == 4


def test_who_was_answered_may_ask_again(session: Session, place: Place) -> None:
    first = registrations.ask(session, wanted=wanted(place.town))
    reject(session, place.clerk, first)
    assert registrations.ask(session, wanted=wanted(place.town)) != first


def test_only_a_district_or_a_town_is_asked(session: Session, place: Place) -> None:
    branch = make_organisation(session, parent=place.town)
    shut = make_organisation(session, parent=place.district, kind=K.TOWN, active=False)
    for asked in (branch, shut):
        with pytest.raises(OrganisationNotFound):
            registrations.ask(session, wanted=wanted(asked))
    with pytest.raises(OrganisationNotFound):
        registrations.ask(session, wanted=wanted(place.town, organisation_id=uuid4()))
    with pytest.raises(privacy.InvalidPhone):
        registrations.ask(session, wanted=wanted(place.town, contact_phone="12"))


def test_a_new_contact_gets_an_account_and_a_code(session: Session, place: Place) -> None:
    id_ = registrations.ask(session, wanted=wanted(place.town))
    done = approve(session, place.clerk, id_)
    branch = done.branch
    assert (branch.outside, branch.parent_id, branch.name) == (True, place.town.id, "外来党支部")
    assert (branch.kind, branch.sector, branch.member_count) == ("branch", "urban", 31)
    account = session.get_one(Account, done.account_id)
    assert (account.name, account.organisation_id) == ("王组织", branch.id)
    given = session.exec(select(Grant).where(Grant.account_id == account.id)).one()
    assert (given.role, given.organisation_id) == ("organiser", branch.id)
    assert given.granted_by == place.clerk.id
    assert done.code
    assert one_time_codes.redeem(session, account_id=account.id, code=done.code.code, now=NOW)
    kept = done.registration
    assert (kept.status, kept.branch_id, kept.decided_by) == (
        "approved",
        branch.id,
        place.clerk.id,
    )
    assert kept.decided_at == NOW


def test_a_known_contact_keeps_their_account(session: Session, place: Place) -> None:
    known = accounts.create(session, name="老王", phone=PHONE, password=None)
    done = approve(session, place.chief, registrations.ask(session, wanted=wanted(place.district)))
    assert (done.account_id, done.code, known.name) == (known.id, None, "老王")
    assert done.branch.parent_id == place.district.id


def test_nobody_lets_themselves_in(session: Session, place: Place) -> None:
    clerk = place.clerk
    phone = privacy.unseal(clerk.phone_sealed or b"")
    id_ = registrations.ask(session, wanted=wanted(place.town, contact_phone=phone))
    with pytest.raises(NotForOneself), session.begin_nested():
        approve(session, clerk, id_)
    assert approve(session, place.chief, id_).account_id == clerk.id


@pytest.mark.parametrize(
    ("asked", "who", "error"),
    [
        ("town", "chief", None),
        ("town", "clerk", None),
        ("district", "chief", None),
        ("town", "other_clerk", RegistrationNotFound),
        ("district", "clerk", RegistrationNotFound),
        ("town", "auditor", NotInScope),
    ],
)
@pytest.mark.parametrize("answer", [approve, reject])
def test_who_was_asked_answers(
    session: Session,
    place: Place,
    asked: str,
    who: str,
    error: type[DomainError] | None,
    answer: Any,
) -> None:
    id_ = registrations.ask(session, wanted=wanted(getattr(place, asked)))
    account = getattr(place, who)
    if error is None:
        assert answer(session, account, id_)
        return
    with pytest.raises(error):
        answer(session, account, id_)
    assert session.get_one(Registration, id_).status == RegistrationStatus.PENDING


def test_the_branch_hangs_where_staff_say(session: Session, place: Place) -> None:
    id_ = registrations.ask(session, wanted=wanted(place.district))
    department = make_organisation(session, parent=place.district, kind=K.DEPARTMENT)
    assert approve(session, place.chief, id_, department).branch.parent_id == department.id
    id_ = registrations.ask(session, wanted=wanted(place.town))
    with pytest.raises(OrganisationNotFound):
        approve(session, place.clerk, id_, place.other_town)
    leaf = make_organisation(session, parent=place.town)
    with pytest.raises(tree.KindMisplaced):
        approve(session, place.clerk, id_, leaf)


@pytest.mark.parametrize("first", [approve, reject])
@pytest.mark.parametrize("second", [approve, reject])
def test_it_is_answered_once(session: Session, place: Place, first: Any, second: Any) -> None:
    id_ = registrations.ask(session, wanted=wanted(place.town))
    first(session, place.chief, id_)
    with pytest.raises(RegistrationDecided) as refused:
        second(session, place.clerk, id_)
    assert refused.value.facts["current_status"] in {"approved", "rejected"}


@pytest.fixture
def settled(own_engine: Engine) -> Place:
    with Session(own_engine, expire_on_commit=False) as session, session.begin():
        return make_place(session)


def test_of_eight_who_ask_at_once_one_row_is_left(own_engine: Engine, settled: Place) -> None:
    def ask(number: int) -> UUID:
        with Session(own_engine) as session, session.begin():
            said = wanted(settled.town, member_count=number + 1)
            return registrations.ask(session, wanted=said)

    assert len(set(at_once(8, ask))) == 1
    with Session(own_engine) as session:
        assert session.exec(select(func.count()).select_from(Registration)).one() == 1


def test_without_the_index_each_leaves_a_row(own_engine: Engine, settled: Place) -> None:
    with own_engine.begin() as connection:
        as_owner(connection)
        connection.execute(text("DROP INDEX registration_pending_once"))
    conflict = " ON CONFLICT (organisation_id, contact_phone_hash) WHERE status = 'pending'"
    asked = wanted(settled.town)
    with replaced_sql(own_engine, conflict, " ON CONFLICT (id)"):
        for _ in range(2):
            with Session(own_engine) as session, session.begin():
                registrations.ask(session, wanted=asked)
    with Session(own_engine) as session:
        assert session.exec(select(func.count()).select_from(Registration)).one() == 2


def answered_twice(engine: Engine, place: Place) -> str:
    """Approve while somebody else rejects; tell how the other one fared."""
    with Session(engine) as session, session.begin():
        id_ = registrations.ask(session, wanted=wanted(place.town))

    def other() -> str:
        try:
            with Session(engine) as session, session.begin():
                approve(session, session.get_one(Account, place.clerk.id), id_)
        except DomainError as refusal:
            return refusal.slug()
        return "answered"

    with ThreadPoolExecutor(1) as pool, Session(engine) as session, session.begin():
        reject(session, session.get_one(Account, place.chief.id), id_)
        ending = pool.submit(other)
        until_somebody_waits(engine)
        session.commit()
        return ending.result()


def test_of_two_who_answer_at_once_one_wins(own_engine: Engine, settled: Place) -> None:
    assert answered_twice(own_engine, settled) == "registration-decided"
    with Session(own_engine) as session:
        kept = session.exec(select(Registration)).one()
        assert (kept.status, kept.branch_id, kept.decided_by) == (
            "rejected",
            None,
            settled.chief.id,
        )
        outside = select(Organisation).where(col(Organisation.outside))
        assert session.exec(outside).all() == []
        assert list(verify.violations(session, now=NOW)) == []


def test_without_the_lock_both_would_answer(own_engine: Engine, settled: Place) -> None:
    with own_engine.begin() as connection:  # what the constraints behind it would still notice
        as_owner(connection)
        name = "registration_rejected_has_reason_check"
        connection.execute(text(f"ALTER TABLE registration DROP CONSTRAINT {name}"))
    with replaced_sql(own_engine, " FOR NO KEY UPDATE"):
        assert answered_twice(own_engine, settled) == "answered"
    with Session(own_engine) as session:
        assert session.exec(select(Registration)).one().status == "approved"
