"""Sites as their keepers see them, and what each lacks."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlmodel import Session

from app.models import Account, OrganisationKind, Role, Site, SitePhoto
from app.models import SiteStatus as S
from app.services import location_reports, site_desk, site_editing, sites
from app.services.site_desk import GOOD_FOR, Flag
from tests.conftest import NOW
from tests.makers import (
    World,
    actor,
    make_account,
    make_location_report,
    make_organisation,
    make_site,
    make_venue,
    make_world,
)
from tests.services.statements import counted

A_YEAR_AGO = NOW - GOOD_FOR
A_MOMENT = timedelta(microseconds=1)


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


def seen(session: Session, who: Account, **asked: object) -> list[Site]:
    page = site_desk.page(session, actor=actor(session, who), limit=200, now=NOW, **asked)  # type: ignore[arg-type]
    return [kept.site for kept in page]


def flags(session: Session, world: World) -> set[Flag]:
    session.flush()
    who = actor(session, world.district_staff)
    kept = site_desk.get(session, actor=who, site_id=world.site.id, now=NOW)
    for flag in Flag:
        listed = world.site in seen(session, world.district_staff, flag=flag)
        assert listed == (flag in kept.flags), flag
    return set(kept.flags)


def in_order(session: Session, world: World) -> None:
    """Give the world's site all that it should have."""
    site = world.site
    photo = SitePhoto(site_id=site.id, position=0, digest="0" * 64, width=1, height=1)
    session.add(photo)
    site.location_verified_at, site.location_verified_by = NOW, world.manager.id
    site.phone_confirmed_at, site.phone_confirmed_by = NOW, world.manager.id


def test_a_new_site_lacks_much(session: Session, world: World) -> None:
    assert flags(session, world) == set(Flag) - {Flag.LOCATION_DISPUTED}
    in_order(session, world)
    assert flags(session, world) == set()


def unverify(site: Site) -> None:
    site.location_verified_at = A_YEAR_AGO - A_MOMENT


def unconfirm(site: Site) -> None:
    site.phone_confirmed_at = A_YEAR_AGO - A_MOMENT


def barely(site: Site) -> None:
    site.location_verified_at = site.phone_confirmed_at = A_YEAR_AGO


@pytest.mark.parametrize(
    ("age", "lacks"),
    [
        (unverify, {Flag.LOCATION_UNVERIFIED}),
        (unconfirm, {Flag.PHONE_UNCONFIRMED}),
        (barely, set()),
    ],
)
def test_a_year_is_how_long_it_holds(
    session: Session, world: World, age: Callable[[Site], None], lacks: set[Flag]
) -> None:
    in_order(session, world)
    age(world.site)
    assert flags(session, world) == lacks


def test_a_report_disputes_the_place_until_it_is_answered(session: Session, world: World) -> None:
    in_order(session, world)
    report_id = make_location_report(session, world.site)
    assert flags(session, world) == {Flag.LOCATION_DISPUTED}
    location_reports.dismiss(
        session,
        actor=actor(session, world.manager),
        site_id=world.site.id,
        report_id=report_id,
        now=NOW,
    )
    assert flags(session, world) == set()


def test_everybody_sees_what_is_theirs(session: Session, world: World) -> None:
    other_town = make_organisation(session, parent=world.district, kind=OrganisationKind.TOWN)
    beside = make_site(session, other_town, status=S.DRAFT)
    make_site(session, make_organisation(session, parent=make_organisation(session)))
    both = [beside, world.site]
    auditor = make_account(session, Role.AUDITOR, at=world.district)
    admin = make_account(session, Role.SYSTEM_ADMIN)
    assert seen(session, world.district_staff) == seen(session, auditor) == both
    assert seen(session, world.town_staff) == seen(session, world.manager) == [world.site]
    for nobody in (world.organiser, world.fund_officer, admin):
        assert seen(session, nobody) == []


def test_the_list_is_filtered_and_paged(session: Session, world: World) -> None:
    made = [make_site(session, world.town, status=status) for status in S]
    assert seen(session, world.district_staff, status=S.SUSPENDED) == [made[2]]
    assert seen(session, world.district_staff, after=made[1].id) == [made[0], world.site]
    who = actor(session, world.district_staff)
    [first] = site_desk.page(session, actor=who, limit=1, now=NOW)
    assert (first.site, first.town) == (made[-1], world.town.place)


def test_one_statement_however_long_the_list(session: Session, world: World) -> None:
    who = actor(session, world.district_staff)
    lengths = []
    for more in (1, 30):
        for _ in range(more):
            make_location_report(session, make_site(session, world.town))
        with counted(session) as statements:
            page = site_desk.page(session, actor=who, limit=200, now=NOW)
        lengths.append(len(page))
        assert len(statements) == 1
    assert lengths == [2, 32]


@pytest.mark.parametrize("status", [S.PUBLISHED, S.DRAFT])
def test_a_detail_takes_as_many_statements_for_any_hall_count(
    session: Session, world: World, status: S
) -> None:
    world.site.status = status
    who = actor(session, world.manager)
    taken = []
    for more in (0, 12):
        for _ in range(more):
            make_venue(session, world.site)
        session.flush()
        session.expire_all()
        with counted(session) as statements:
            kept = site_desk.get(session, actor=who, site_id=world.site.id, now=NOW)
            found = site_desk.detail(session, kept=kept, now=NOW)
        taken.append(len(statements))
        assert len(found.venues) == 1 + more
    assert taken[0] == taken[1] <= 6


def test_a_draft_is_shown_as_it_would_be(session: Session, world: World) -> None:
    site = make_site(session, world.town, status=S.DRAFT)
    hall = make_venue(session, site)
    who = actor(session, world.district_staff)
    kept = site_desk.get(session, actor=who, site_id=site.id, now=NOW)
    found = site_desk.detail(session, kept=kept, now=NOW)
    assert [one.id for one in found.venues] == [hall.id]
    assert (found.card.name, found.card.town) == (site.name, world.town.place)
    assert (found.card.next_free_at, found.card.rating, found.card.photo_url) == (None, None, None)
    published = site_desk.get(session, actor=who, site_id=world.site.id, now=NOW)
    assert site_desk.detail(session, kept=published, now=NOW) == sites.detail(
        session, site_id=world.site.id, now=NOW
    )


def test_what_was_confirmed_is_not_lacking(session: Session, world: World) -> None:
    for version, verb in enumerate(
        (site_editing.verify_location, site_editing.confirm_phone), start=1
    ):
        who = actor(session, world.manager)
        verb(session, actor=who, site_id=world.site.id, version=version, now=NOW)
    assert flags(session, world) == {Flag.NO_PHOTO}
