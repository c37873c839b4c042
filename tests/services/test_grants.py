"""Who holds which role where, and giving it."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, select

from app.models import OFFICES_APART, Account, Grant, Organisation, Role, Site
from app.services import grants, keeping
from app.services.access import NotInScope
from app.services.grants import (
    AlreadyGranted,
    EndsInThePast,
    GrantNotFound,
    NotForOneself,
    OfficesApart,
    PlaceNotFound,
    ScopeUnfit,
)
from app.services.offices import LastOfItsOffice
from tests.conftest import NOW, as_owner
from tests.makers import actor, make_account, make_grant, make_organisation, make_site
from tests.races import at_once
from tests.services.people import Cast, make_cast


@pytest.fixture
def account(session: Session) -> Account:
    return make_account(session)


@pytest.fixture
def district(session: Session) -> Organisation:
    return make_organisation(session, name="示例区委")


def test_a_grant_is_given_once(session: Session, account: Account, district: Organisation) -> None:
    def give(role: Role) -> None:
        grants.grant(session, account_id=account.id, role=role, organisation_id=district.id)

    give(Role.AUDITOR)
    give(Role.DISTRICT_STAFF)
    with pytest.raises(AlreadyGranted), session.begin_nested():
        give(Role.AUDITOR)


@pytest.mark.parametrize(
    ("role", "somewhere"),
    [(Role.SYSTEM_ADMIN, True), (Role.SITE_MANAGER, True), (Role.ORGANISER, False)],
)
def test_a_role_is_given_at_its_kind_of_place(
    session: Session, account: Account, district: Organisation, role: Role, somewhere: bool
) -> None:
    place: UUID | None = district.id if somewhere else None
    with pytest.raises(ScopeUnfit), session.begin_nested():
        grants.grant(session, account_id=account.id, role=role, organisation_id=place)


def test_grants_in_force_are_told_with_their_places(
    session: Session, account: Account, district: Organisation
) -> None:
    second = timedelta(seconds=1)
    for role, ends_at in (
        (Role.FUND_APPROVER, None),
        (Role.DISTRICT_STAFF, NOW + second),
        (Role.FUND_OFFICER, NOW),
    ):
        grants.grant(
            session,
            account_id=account.id,
            role=role,
            organisation_id=district.id,
            ends_at=ends_at,
        )
    grants.grant(session, account_id=account.id, role=Role.SYSTEM_ADMIN)
    place = grants.Place(district.id, "示例区委")
    told = grants.grants_of(session, account_id=account.id, now=NOW)
    assert [(g.role, g.organisation, g.site) for g in told] == [
        (Role.FUND_APPROVER, place, None),
        (Role.DISTRICT_STAFF, place, None),
        (Role.SYSTEM_ADMIN, None, None),
    ]


@pytest.fixture
def cast(session: Session) -> Cast:
    return make_cast(session)


def given(
    session: Session,
    who: Account,
    whom: Account,
    role: Role,
    at: Organisation | Site | None = None,
    ends_at: datetime | None = None,
) -> Grant:
    return grants.give(
        session,
        actor=actor(session, who),
        account=whom,
        role=role,
        organisation_id=at.id if isinstance(at, Organisation) else None,
        site_id=at.id if isinstance(at, Site) else None,
        ends_at=ends_at,
        now=NOW,
    )


def taken(session: Session, who: Account, grant: Grant) -> None:
    whom = session.get_one(Account, grant.account_id)
    grants.take(session, actor=actor(session, who), account=whom, grant_id=grant.id, now=NOW)


PLACES = {
    Role.MEMBER: "branch",
    Role.ORGANISER: "branch",
    Role.SITE_MANAGER: "site",
    Role.TOWN_STAFF: "town",
    Role.SYSTEM_ADMIN: None,
    Role.SECURITY_ADMIN: None,
}
"""Where a role is usually given; all others at the district."""
MAY = {
    "security": set(Role),
    "district_staff": {Role.MEMBER, Role.ORGANISER, Role.SITE_MANAGER, Role.TOWN_STAFF},
    "town_staff": {Role.MEMBER, Role.ORGANISER, Role.SITE_MANAGER},
    "organiser": {Role.MEMBER},
    "sysadmin": set(),
    "auditor": set(),
    "member": set(),
    "manager": set(),
}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("who", MAY)
def test_roles_are_given_and_taken_by_the_table(
    session: Session, cast: Cast, who: str, role: Role
) -> None:
    giver, whom = getattr(cast, who), make_account(session)
    place = PLACES.get(role, "district")
    at = getattr(cast, place) if place else None
    if role in MAY[who]:
        grant = given(session, giver, whom, role, at)
        assert grant.granted_by == giver.id
        taken(session, giver, grant)
        assert grants.grants_of(session, account_id=whom.id, now=NOW) == []
        return
    with pytest.raises((NotInScope, PlaceNotFound)):
        given(session, giver, whom, role, at)
    grant = make_grant(session, whom, role, at=at)
    with pytest.raises((NotInScope, PlaceNotFound)):
        taken(session, giver, grant)


@pytest.mark.parametrize("who", ["town_staff", "organiser"])
def test_nobody_gives_out_of_their_reach(session: Session, cast: Cast, who: str) -> None:
    with pytest.raises(PlaceNotFound):
        given(session, getattr(cast, who), cast.member, Role.MEMBER, cast.other_branch)


def test_a_site_is_where_its_town_is(session: Session, cast: Cast) -> None:
    elsewhere = make_site(session, cast.other_town)
    with pytest.raises(PlaceNotFound):
        given(session, cast.town_staff, cast.member, Role.SITE_MANAGER, elsewhere)
    given(session, cast.district_staff, cast.member, Role.SITE_MANAGER, elsewhere)


def test_a_district_makes_nobody_its_equal(session: Session, cast: Cast) -> None:
    with pytest.raises(NotInScope):
        given(session, cast.district_staff, cast.member, Role.TOWN_STAFF, cast.district)


def test_nobody_gives_to_oneself_or_takes_from_oneself(session: Session, cast: Cast) -> None:
    with pytest.raises(NotForOneself):
        given(session, cast.security, cast.security, Role.MEMBER, cast.branch)
    grant = make_grant(session, cast.security, Role.MEMBER, at=cast.branch)
    with pytest.raises(NotForOneself):
        taken(session, cast.security, grant)


def test_the_database_too_refuses_a_role_from_oneself(session: Session, cast: Cast) -> None:
    whom = cast.member.id
    with pytest.raises(IntegrityError, match="not_to_oneself"), session.begin_nested():
        grants.grant(
            session,
            account_id=whom,
            role=Role.ORGANISER,
            organisation_id=cast.branch.id,
            granted_by=whom,
        )


@pytest.mark.parametrize(
    ("role", "place"),
    [(Role.MEMBER, None), (Role.MEMBER, "site"), (Role.SITE_MANAGER, "town")],
)
def test_an_unfit_place_is_told(
    session: Session, cast: Cast, role: Role, place: str | None
) -> None:
    at = getattr(cast, place) if place else None
    with pytest.raises(ScopeUnfit), session.begin_nested():
        given(session, cast.security, cast.member, role, at)


def test_two_places_at_once_are_unfit(session: Session, cast: Cast) -> None:
    with pytest.raises(ScopeUnfit):
        grants.give(
            session,
            actor=actor(session, cast.security),
            account=cast.member,
            role=Role.SITE_MANAGER,
            organisation_id=cast.branch.id,
            site_id=cast.site.id,
            ends_at=None,
            now=NOW,
        )


def test_there_is_no_role_where_there_is_nothing(session: Session, cast: Cast) -> None:
    with pytest.raises(PlaceNotFound):
        grants.give(
            session,
            actor=actor(session, cast.security),
            account=cast.member,
            role=Role.ORGANISER,
            organisation_id=cast.member.id,
            site_id=None,
            ends_at=None,
            now=NOW,
        )


def test_a_grant_ends_in_the_future(session: Session, cast: Cast) -> None:
    with pytest.raises(EndsInThePast):
        given(session, cast.security, cast.member, Role.AUDITOR, cast.district, ends_at=NOW)
    soon = NOW + timedelta(seconds=1)
    given(session, cast.security, cast.member, Role.AUDITOR, cast.district, ends_at=soon)


def test_what_has_lapsed_can_be_given_again(session: Session, cast: Cast) -> None:
    make_grant(session, cast.member, Role.ORGANISER, at=cast.branch, ends_at=NOW)
    given(session, cast.town_staff, cast.member, Role.ORGANISER, cast.branch)
    with pytest.raises(AlreadyGranted), session.begin_nested():
        given(session, cast.town_staff, cast.member, Role.ORGANISER, cast.branch)


def test_a_grant_is_taken_from_who_has_it(session: Session, cast: Cast) -> None:
    grant = make_grant(session, cast.member, Role.ORGANISER, at=cast.branch)
    with pytest.raises(GrantNotFound):
        grants.take(
            session,
            actor=actor(session, cast.security),
            account=cast.organiser,
            grant_id=grant.id,
            now=NOW,
        )


def test_the_last_of_an_office_keeps_it(session: Session, cast: Cast) -> None:
    held = select(Grant).where(Grant.account_id == cast.sysadmin.id)
    with pytest.raises(LastOfItsOffice):
        taken(session, cast.security, session.exec(held).one())
    make_grant(session, cast.member, Role.SYSTEM_ADMIN)
    cast.member.active = False
    with pytest.raises(LastOfItsOffice):
        taken(session, cast.security, session.exec(held).one())
    cast.member.active = True
    taken(session, cast.security, session.exec(held).one())


@pytest.mark.parametrize("second", OFFICES_APART)
@pytest.mark.parametrize("first", OFFICES_APART)
def test_the_three_offices_are_three_people(
    session: Session, cast: Cast, first: Role, second: Role
) -> None:
    whom = make_account(session)
    places = {Role.AUDITOR: cast.district}
    given(session, cast.security, whom, first, places.get(first))
    refusal = AlreadyGranted if first is second else OfficesApart
    with pytest.raises(refusal), session.begin_nested():
        given(session, cast.security, whom, second, places.get(second))


def test_an_auditor_whose_time_is_over_may_become_an_administrator(
    session: Session, cast: Cast
) -> None:
    whom = make_account(session)
    ended = make_grant(session, whom, Role.AUDITOR, at=cast.district)
    ended.created_at, ended.ends_at = NOW - timedelta(days=9), NOW - timedelta(days=8)
    given(session, cast.security, whom, Role.SYSTEM_ADMIN)


def two_offices_at_once(engine: Engine) -> list[str]:
    """Let two give one person an office each, and tell how it went."""
    with Session(engine) as session, session.begin():
        places = [None, make_organisation(session).id]
        whom = make_account(session).id
        giver = actor(session, make_account(session, Role.SECURITY_ADMIN))

    def give(number: int) -> str:
        try:
            with Session(engine) as session, session.begin():
                keeping.give(
                    session,
                    actor=giver,
                    user_id=whom,
                    role=[Role.SYSTEM_ADMIN, Role.AUDITOR][number],
                    organisation_id=places[number],
                    site_id=None,
                    ends_at=None,
                    now=NOW,
                )
        except OfficesApart:
            return "refused"
        return "given"

    return sorted(at_once(2, give))


def test_of_two_offices_given_at_once_one_is_refused(own_engine: Engine) -> None:
    assert two_offices_at_once(own_engine) == ["given", "refused"]


def test_without_the_constraint_both_would_be_given(own_engine: Engine) -> None:
    with own_engine.begin() as connection:
        as_owner(connection)
        connection.execute(text("ALTER TABLE role_grant DROP CONSTRAINT role_grant_offices_apart"))
    assert two_offices_at_once(own_engine) == ["given", "given"]
