"""Who holds which role where, and giving it."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlmodel import Session

from app.models import Account, Organisation, Role
from app.services import grants
from app.services.grants import AlreadyGranted, ScopeUnfit
from tests.conftest import NOW
from tests.makers import make_account, make_organisation


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
