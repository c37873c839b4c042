"""Who sees whose account, and who may make, change and reset it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, col, select

from app.errors import Stale, Unauthenticated
from app.models import (
    Account,
    LoginThrottle,
    OneTimeCode,
    Organisation,
    RefreshToken,
    Role,
)
from app.services import (
    access,
    accounts,
    audit,
    keeping,
    one_time_codes,
    privacy,
    throttles,
    tokens,
    users,
)
from app.services.access import NotInScope
from app.services.grants import NotForOneself
from app.services.keeping import Changes
from app.services.offices import LastOfItsOffice
from app.services.organisations import OrganisationNotFound
from app.services.users import UserNotFound
from tests.conftest import NOW
from tests.makers import actor, make_account, make_grant
from tests.races import replaced_sql, until_somebody_waits
from tests.services.people import Cast, make_cast

PHONE = "13800001234"


@pytest.fixture
def cast(session: Session) -> Cast:
    return make_cast(session)


def ids(*accounts: Account) -> set[UUID]:
    return {account.id for account in accounts}


def seen(session: Session, who: Account) -> set[UUID]:
    return ids(*session.exec(users.visible(actor(session, who))).all())


def test_everybody_sees_the_accounts_in_their_reach(session: Session, cast: Cast) -> None:
    of_branch = ids(cast.organiser, cast.member)
    of_town = of_branch | ids(cast.town_staff, cast.manager)
    of_district = of_town | ids(cast.auditor, cast.district_staff, cast.stranger)
    everybody = of_district | ids(cast.sysadmin, cast.security)
    assert seen(session, cast.sysadmin) >= everybody
    assert seen(session, cast.security) >= everybody
    assert seen(session, cast.auditor) == of_district
    assert seen(session, cast.district_staff) == of_district
    assert seen(session, cast.town_staff) == of_town
    assert seen(session, cast.organiser) == of_branch
    assert seen(session, cast.stranger) == ids(cast.stranger)
    assert seen(session, cast.member) == set()
    assert seen(session, cast.manager) == set()


def found(session: Session, who: Account, **asked: object) -> list[Account]:
    wanted = {"q": None, "role": None, "organisation_id": None, "after": None, "limit": 200}
    given = wanted | asked
    return users.page(session, actor=actor(session, who), now=NOW, **given)  # type: ignore[arg-type]


def test_people_are_found_by_name_phone_role_and_place(session: Session, cast: Cast) -> None:
    staff = cast.district_staff
    cast.member.name = "欧阳_百分之%百"
    cast.member.phone_hash = privacy.fingerprint(PHONE)
    session.flush()
    assert found(session, staff, q="阳_百") == [cast.member]
    assert found(session, staff, q="欧%百") == []
    assert found(session, staff, q="138 0000 1234") == [cast.member]
    assert found(session, staff, q=PHONE[:-1]) == []
    assert found(session, staff, role=Role.SITE_MANAGER) == [cast.manager]
    of_town = ids(cast.town_staff, cast.organiser, cast.member)
    assert ids(*found(session, staff, organisation_id=cast.town.id)) == of_town
    assert found(session, staff, organisation_id=cast.member.id) == []


def test_a_phone_out_of_reach_is_not_found(session: Session, cast: Cast) -> None:
    cast.stranger.phone_hash = privacy.fingerprint(PHONE)
    session.flush()
    assert found(session, cast.town_staff, q=PHONE) == []
    assert found(session, cast.district_staff, q=PHONE) == [cast.stranger]


def test_a_role_that_has_lapsed_is_not_looked_for(session: Session, cast: Cast) -> None:
    make_grant(session, cast.member, Role.ORGANISER, at=cast.branch, ends_at=NOW)
    assert cast.member not in found(session, cast.district_staff, role=Role.ORGANISER)


def test_who_watches_nobody_may_not_list(session: Session, cast: Cast) -> None:
    with pytest.raises(NotInScope):
        found(session, cast.member)


def test_a_look_is_noted_with_ids_and_without_names(session: Session, cast: Cast) -> None:
    who = actor(session, cast.town_staff)
    session.info.pop(audit.NOTED, None)
    read = [cast.member, cast.organiser]
    users.note_read(session, actor=who, read=read, searched=True)
    (note,) = session.info.pop(audit.NOTED)
    assert (note.action, note.noun, note.district_id) == ("read", "account", cast.district.id)
    assert note.facts == {"count": 2, "searched": True, "ids": [str(one.id) for one in read]}


def test_one_note_names_two_hundred_at_most(session: Session, cast: Cast) -> None:
    who = actor(session, cast.sysadmin)
    session.info.pop(audit.NOTED, None)
    users.note_read(session, actor=who, read=[cast.sysadmin] * 201, searched=False)
    (note,) = session.info.pop(audit.NOTED)
    assert (note.facts["count"], len(note.facts["ids"])) == (201, 200)
    assert note.district_id is None


def made(session: Session, who: Account, home: Organisation | None) -> Account:
    account, code = keeping.create(
        session,
        actor=actor(session, who),
        name="新人",
        phone=PHONE,
        organisation_id=home.id if home else None,
        now=NOW,
    )
    assert one_time_codes.redeem(session, account_id=account.id, code=code.code, now=NOW)
    return account


@pytest.mark.parametrize("who", ["sysadmin", "district_staff", "town_staff", "organiser"])
def test_keepers_make_accounts_in_their_reach(session: Session, cast: Cast, who: str) -> None:
    new = made(session, getattr(cast, who), cast.branch)
    assert (new.name, new.organisation_id, new.password_hash) == ("新人", cast.branch.id, None)


@pytest.mark.parametrize("who", ["security", "auditor", "member"])
def test_nobody_else_makes_accounts(session: Session, cast: Cast, who: str) -> None:
    with pytest.raises(NotInScope):
        made(session, getattr(cast, who), cast.branch)


def test_accounts_are_not_made_out_of_reach(session: Session, cast: Cast) -> None:
    with pytest.raises(OrganisationNotFound):
        made(session, cast.town_staff, cast.other_branch)
    with pytest.raises(OrganisationNotFound):
        made(session, cast.manager, cast.branch)
    with pytest.raises(NotInScope):
        made(session, cast.district_staff, None)
    assert made(session, cast.sysadmin, None).organisation_id is None


def test_a_phone_has_one_account(session: Session, cast: Cast) -> None:
    made(session, cast.sysadmin, None)
    with pytest.raises(accounts.PhoneTaken), session.begin_nested():
        made(session, cast.sysadmin, None)


def changed(
    session: Session, who: Account, whom: Account, changes: Changes, version: int = 1
) -> Account:
    return keeping.change(
        session,
        actor=actor(session, who),
        user_id=whom.id,
        version=version,
        changes=changes,
        now=NOW,
    )


def test_a_change_is_made_to_the_version_that_was_read(session: Session, cast: Cast) -> None:
    after = changed(session, cast.town_staff, cast.member, {"name": "新名", "phone": PHONE})
    assert (after.name, after.version) == ("新名", 2)
    assert after.phone_hash == privacy.fingerprint(PHONE)
    assert accounts.phone_masked(after) == "138****1234"
    with pytest.raises(Stale):
        changed(session, cast.town_staff, cast.member, {"name": "旧名"})


def test_a_home_moves_within_reach_only(session: Session, cast: Cast) -> None:
    move: Changes = {"organisation_id": cast.other_branch.id}
    with pytest.raises(OrganisationNotFound):
        changed(session, cast.town_staff, cast.member, move)
    with pytest.raises(NotInScope):
        changed(session, cast.town_staff, cast.member, {"organisation_id": None})
    after = changed(session, cast.sysadmin, cast.member, move)
    assert after.organisation_id == cast.other_branch.id


@pytest.mark.parametrize(
    ("who", "whom", "refusal"),
    [
        ("town_staff", "stranger", UserNotFound),
        ("member", "organiser", UserNotFound),
        ("organiser", "organiser", NotForOneself),
        ("sysadmin", "sysadmin", NotForOneself),
        ("organiser", "member", None),
        ("town_staff", "organiser", None),
        ("town_staff", "manager", NotInScope),  # sees them at the site, but their home is nowhere
        ("district_staff", "town_staff", None),
        ("district_staff", "auditor", NotInScope),
        ("auditor", "member", NotInScope),
        ("security", "member", NotInScope),
        ("sysadmin", "security", None),
    ],
)
def test_accounts_are_reset_by_who_could_give_all_they_hold(
    session: Session, cast: Cast, who: str, whom: str, refusal: type[Exception] | None
) -> None:
    def reset() -> None:
        asking, account = actor(session, getattr(cast, who)), getattr(cast, whom)
        keeping.reset(session, actor=asking, user_id=account.id, now=NOW)

    if refusal is None:
        reset()
    else:
        with pytest.raises(refusal):
            reset()


ABOVE_A_TOWN = [Role.FUND_APPROVER, Role.FUND_OFFICER, Role.AUDITOR, Role.DISTRICT_STAFF]


@pytest.mark.parametrize("role", [*ABOVE_A_TOWN, Role.SYSTEM_ADMIN, Role.TOWN_STAFF])
def test_a_town_cannot_take_over_an_account_that_holds_more(
    session: Session, cast: Cast, role: Role
) -> None:
    reset = {"actor": actor(session, cast.town_staff), "user_id": cast.member.id, "now": NOW}
    keeping.reset(session, **reset)  # type: ignore[arg-type]
    at = None if role is Role.SYSTEM_ADMIN else cast.district
    make_grant(session, cast.member, role, at=at)
    with pytest.raises(NotInScope):
        keeping.reset(session, **reset)  # type: ignore[arg-type]
    with pytest.raises(NotInScope):
        changed(session, cast.town_staff, cast.member, {"phone": PHONE})


def test_a_role_elsewhere_is_more_than_a_town_could_give(session: Session, cast: Cast) -> None:
    make_grant(session, cast.member, Role.MEMBER, at=cast.other_branch)
    with pytest.raises(NotInScope):
        changed(session, cast.town_staff, cast.member, {"phone": PHONE})
    changed(session, cast.district_staff, cast.member, {"phone": PHONE})


def promoted(session: Session, cast: Cast, giver: Account, role: Role, at: Organisation) -> None:
    keeping.give(
        session,
        actor=actor(session, giver),
        user_id=cast.member.id,
        role=role,
        organisation_id=at.id,
        site_id=None,
        ends_at=None,
        now=NOW,
    )


def test_a_code_ends_when_its_issuer_could_not_issue_it_any_more(
    session: Session, cast: Cast
) -> None:
    issuer = actor(session, cast.town_staff)
    keeping.reset(session, actor=issuer, user_id=cast.member.id, now=NOW)
    promoted(session, cast, cast.town_staff, Role.ORGANISER, cast.branch)
    assert session.get(OneTimeCode, cast.member.id)
    promoted(session, cast, cast.security, Role.FUND_APPROVER, cast.district)
    session.expire_all()
    assert session.get(OneTimeCode, cast.member.id) is None


def test_a_reset_ends_logins_and_unlocks(session: Session, cast: Cast) -> None:
    whom = cast.member
    tokens.issue(session, account_id=whom.id, now=NOW)
    assert whom.phone_hash
    throttles.begin(session, subject=whom.phone_hash, address="192.0.2.1", now=NOW)
    assert session.exec(select(LoginThrottle)).all()
    soon = NOW + timedelta(seconds=1)
    keeping.reset(session, actor=actor(session, cast.town_staff), user_id=whom.id, now=soon)
    assert all(link.revoked_at for link in session.exec(select(RefreshToken)).all())
    assert session.exec(select(LoginThrottle)).all() == []
    with pytest.raises(Unauthenticated):
        access.load(session, account_id=whom.id, issued_at=NOW, now=soon)


def test_deactivation_ends_logins_at_once(session: Session, cast: Cast) -> None:
    pair = tokens.issue(session, account_id=cast.member.id, now=NOW)
    actor(session, cast.member)
    changed(session, cast.town_staff, cast.member, {"active": False})
    with pytest.raises(Unauthenticated):
        actor(session, cast.member)
    assert tokens.refresh(session, refresh_token=pair.refresh_token, now=NOW) is None
    assert changed(session, cast.town_staff, cast.member, {"active": True}, version=2).active
    assert tokens.refresh(session, refresh_token=pair.refresh_token, now=NOW) is None


def test_the_last_of_an_office_stays_active(session: Session, cast: Cast) -> None:
    with pytest.raises(LastOfItsOffice):
        changed(session, cast.sysadmin, cast.security, {"active": False})
    make_grant(session, cast.member, Role.SECURITY_ADMIN)
    changed(session, cast.sysadmin, cast.security, {"active": False})


def test_a_successor_whose_time_is_over_is_none(session: Session, cast: Cast) -> None:
    make_grant(session, cast.member, Role.SECURITY_ADMIN, ends_at=NOW)
    with pytest.raises(LastOfItsOffice):
        changed(session, cast.sysadmin, cast.security, {"active": False})


def two_deactivate_one_another(engine: Engine, waits: bool) -> int:
    """Return how many system administrators are left."""
    with Session(engine) as session, session.begin():
        first, second = (make_account(session, Role.SYSTEM_ADMIN).id for _ in range(2))

    def deactivate(session: Session, who: access.Actor, whom: UUID) -> None:
        changes: Changes = {"active": False}
        keeping.change(session, actor=who, user_id=whom, version=1, changes=changes, now=NOW)

    with Session(engine) as one, Session(engine) as two:
        first_actor = access.load(one, account_id=first, now=NOW)
        second_actor = access.load(two, account_id=second, now=NOW)
        deactivate(one, first_actor, second)
        with ThreadPoolExecutor(1) as pool:
            rival = pool.submit(deactivate, two, second_actor, first)
            if waits:
                until_somebody_waits(engine)
            else:
                rival.result(timeout=10)
            one.commit()
            if waits:
                with pytest.raises(LastOfItsOffice):
                    rival.result(timeout=10)
            else:
                two.commit()
    with Session(engine) as session:
        wanted = select(Account.id).where(col(Account.active))
        return len(session.exec(wanted).all())


def test_of_two_who_deactivate_one_another_one_stays(own_engine: Engine) -> None:
    assert two_deactivate_one_another(own_engine, waits=True) == 1


def test_without_the_lock_nobody_would_be_left(own_engine: Engine) -> None:
    with replaced_sql(own_engine, "ORDER BY role_grant.id FOR UPDATE"):
        assert two_deactivate_one_another(own_engine, waits=False) == 0
