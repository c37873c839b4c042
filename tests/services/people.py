"""A district whose people keep one another's accounts."""

from dataclasses import dataclass

from sqlmodel import Session

from app.models import Account, Organisation, OrganisationKind, Role, Site
from tests.makers import make_account, make_organisation, make_site


@dataclass(frozen=True)
class Cast:
    """Two towns of a district with a branch, a site and their people each, and the offices."""

    district: Organisation
    town: Organisation
    branch: Organisation
    site: Site
    sysadmin: Account
    security: Account
    auditor: Account
    district_staff: Account
    town_staff: Account
    organiser: Account
    member: Account
    manager: Account
    stranger: Account
    other_town: Organisation
    other_branch: Organisation


def at_home(session: Session, account: Account, home: Organisation) -> Account:
    account.organisation_id = home.id
    session.flush()
    return account


def make_cast(session: Session) -> Cast:
    district = make_organisation(session, name="示例区委")
    town = make_organisation(session, parent=district, kind=OrganisationKind.TOWN)
    other_town = make_organisation(session, parent=district, kind=OrganisationKind.TOWN)
    branch = make_organisation(session, parent=town)
    other_branch = make_organisation(session, parent=other_town)
    site = make_site(session, town)

    def person(role: Role, at: Organisation | Site | None, home: Organisation) -> Account:
        return at_home(session, make_account(session, role, at=at), home)

    return Cast(
        district=district,
        town=town,
        branch=branch,
        site=site,
        sysadmin=make_account(session, Role.SYSTEM_ADMIN),
        security=make_account(session, Role.SECURITY_ADMIN),
        auditor=person(Role.AUDITOR, district, district),
        district_staff=person(Role.DISTRICT_STAFF, district, district),
        town_staff=person(Role.TOWN_STAFF, town, town),
        organiser=person(Role.ORGANISER, branch, branch),
        member=person(Role.MEMBER, branch, branch),
        manager=make_account(session, Role.SITE_MANAGER, at=site),
        stranger=person(Role.ORGANISER, other_branch, other_branch),
        other_town=other_town,
        other_branch=other_branch,
    )
