"""Drafting, publishing and showing sites."""

from datetime import date, time
from uuid import uuid4

import pytest
from sqlmodel import Session

from app.models import Crs, OnHoliday, ProgrammeKind, SiteStatus
from app.services import cards, coordinates, locations, menu, sites
from app.services.coordinates import from_wgs84
from app.services.hours import HoursOverlap
from tests.conftest import NOW
from tests.makers import make_account
from tests.services.grounds import (
    AFTERNOON,
    MORNING,
    ZICHUAN,
    draft_site,
    hours,
    open_hall,
    open_site,
    plant_town,
)


@pytest.mark.parametrize("crs", Crs)
def test_the_point_becomes_wgs84_and_what_was_typed_is_kept(session: Session, crs: Crs) -> None:
    typed = from_wgs84(*ZICHUAN, crs)
    site = draft_site(session, at=typed, crs=crs)
    session.refresh(site)
    assert coordinates.place(site.location) == pytest.approx(ZICHUAN, abs=1e-8)
    assert (site.source_longitude, site.source_latitude, site.source_crs) == (*typed, crs)


def test_the_gate_may_be_elsewhere(session: Session) -> None:
    gate = (117.98, 36.65)
    site = draft_site(session, at=ZICHUAN, gate=from_wgs84(*gate, Crs.BD09), crs=Crs.BD09)
    assert coordinates.place(site.navigation_point) == pytest.approx(gate, abs=1e-8)
    without = draft_site(session)
    assert without.navigation_point == without.location


@pytest.mark.parametrize("where", ["at", "gate"])
def test_a_point_outside_the_district_needs_a_word(session: Session, where: str) -> None:
    town = plant_town(session, outlined=True)
    swapped = {where: (36.64, 117.97 - 90)}
    with pytest.raises(locations.OutsideDistrict) as refusal:
        draft_site(session, town=town, **swapped)
    assert "36.64" in refusal.value.detail("zh")
    who = make_account(session).id
    confirmed = draft_site(session, town=town, confirmed_outside_by=who, **swapped)
    assert confirmed.outside_confirmed_by == who
    assert draft_site(session, town=town, confirmed_outside_by=who).outside_confirmed_by is None


def test_a_wrong_label_is_noticed_at_the_edge(session: Session) -> None:
    """500 m inside the western edge: read as GCJ-02, it would lie outside."""
    town = plant_town(session, outlined=True)
    near = (117.8045, 36.6)
    assert draft_site(session, town=town, at=near, crs=Crs.WGS84)
    with pytest.raises(locations.OutsideDistrict):
        draft_site(session, town=town, at=near, crs=Crs.GCJ02)


def test_a_code_is_used_once(session: Session) -> None:
    draft_site(session, code="ZC-1")
    draft_site(session, code="ZC-2")
    with pytest.raises(sites.SiteCodeTaken), session.begin_nested():
        draft_site(session, code="ZC-1")


def test_the_public_sees_published_sites_only(session: Session) -> None:
    site = draft_site(session)
    with pytest.raises(sites.SiteNotFound):
        sites.published(session, site_id=site.id)
    sites.publish(session, site=site)
    assert sites.published(session, site_id=site.id).version == 2
    for status in (SiteStatus.SUSPENDED, SiteStatus.CLOSED):
        site.status = status
        session.flush()
        with pytest.raises(sites.SiteNotFound):
            sites.detail(session, site_id=site.id, now=NOW)
        assert cards.card(session, site_id=site.id, now=NOW) is None
    with pytest.raises(sites.SiteNotFound):
        sites.published(session, site_id=uuid4())


def test_publishing_again_changes_nothing(session: Session) -> None:
    site = open_site(session)
    sites.publish(session, site=site)
    assert site.version == 2


def test_a_closed_site_stays_closed(session: Session) -> None:
    site = draft_site(session)
    site.status = SiteStatus.CLOSED
    with pytest.raises(sites.SiteClosed):
        sites.publish(session, site=site)


def test_hours_of_one_hall_do_not_overlap(session: Session) -> None:
    hall, other = open_hall(session), open_hall(session)
    hours(session, hall, [1], MORNING, AFTERNOON)
    hours(session, hall, [1], (time(11), time(12)))  # back to back
    hours(session, hall, [2], MORNING)
    hours(session, other, [1], MORNING)
    with pytest.raises(HoursOverlap), session.begin_nested():
        hours(session, hall, [1], (time(10), time(12)))


def test_hours_may_follow_one_another_in_time(session: Session) -> None:
    hall = open_hall(session)
    turn = date(2027, 1, 1)
    hours(session, hall, [1], MORNING, valid_to=turn)
    hours(session, hall, [1], MORNING, valid_from=turn)
    with pytest.raises(HoursOverlap), session.begin_nested():
        hours(session, hall, [1], MORNING, valid_from=turn, on_holiday=OnHoliday.OPEN)


def test_the_detail_has_halls_and_menu_in_their_order(session: Session) -> None:
    site = open_site(session)
    halls = [open_hall(session, site=site, name=name).id for name in ("乙厅", "甲厅")]
    items = [
        menu.add(session, site=site, kind=kind, name=kind, minutes=30, people_limit=40).id
        for kind in (ProgrammeKind.OATH, ProgrammeKind.LECTURE)
    ]
    other = open_hall(session)
    found = sites.detail(session, site_id=site.id, now=NOW)
    assert [venue.id for venue in found.venues] == halls
    assert [item.id for item in found.programmes] == items
    assert other.id not in halls
    assert (found.card.town, found.card.rating, found.card.next_free_at) == ("太河镇", None, None)
