"""The layers of the map."""

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlmodel import Session

from app.models import Category, Crs, Site
from app.services import cards, site_map
from app.services.coordinates import from_wgs84
from app.services.site_map import Box
from tests.conftest import NOW, InSession
from tests.makers import (
    HOUR,
    make_booking,
    make_policy,
    make_rivals,
    make_session,
    make_world,
    review,
)
from tests.services.grounds import ZICHUAN, draft_site, open_hall, open_site, plant_town

AROUND = Box(117.9, 36.6, 118.0, 36.7)
PROPERTIES = {
    "id", "name", "short_name", "category", "kinds", "town", "address", "summary", "next_free_at",
    "rating", "photo_url",
}  # fmt: skip


def layer(session: Session, **facts: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {"bbox": None, "category": None, "crs": Crs.WGS84, "limit": 1000}
    window = site_map.Window(**plain | facts)
    tag, body = site_map.features(InSession(session), window=window, now=NOW)
    assert tag == site_map.tag(InSession(session), window=window, now=NOW)
    read: dict[str, Any] = json.loads(body)
    return read


def ids(session: Session, **facts: Any) -> list[str]:
    return [feature["id"] for feature in layer(session, **facts)["features"]]


def properties(session: Session, site: Site) -> dict[str, Any]:
    found: dict[str, Any] = next(
        feature["properties"]
        for feature in layer(session)["features"]
        if feature["id"] == str(site.id)
    )
    return found


def test_a_feature_tells_a_site_at_a_glance(session: Session) -> None:
    site = open_site(session, at=from_wgs84(*ZICHUAN, Crs.BD09), crs=Crs.BD09)
    [feature] = layer(session, bbox=AROUND)["features"]
    assert feature["geometry"] == {"type": "Point", "coordinates": list(ZICHUAN)}
    assert feature["properties"].keys() == PROPERTIES
    told = feature["properties"]
    assert (told["id"], told["name"], told["town"]) == (str(site.id), site.name, "太河镇")
    assert (told["category"], told["kinds"]) == ("rural", ["education_base"])
    assert (told["next_free_at"], told["rating"], told["photo_url"]) == (None, None, None)


def test_an_empty_layer_is_a_layer(session: Session) -> None:
    empty = layer(session, bbox=Box(0, 0, 1, 1))
    assert empty == {
        "type": "FeatureCollection",
        "crs_label": "wgs84",
        "truncated": False,
        "features": [],
    }


def test_published_sites_only(session: Session) -> None:
    draft_site(session)
    shown = open_site(session)
    assert ids(session, bbox=AROUND) == [str(shown.id)]


def test_the_window_has_edges(session: Session) -> None:
    lon, lat = ZICHUAN
    site = str(open_site(session).id)
    assert ids(session, bbox=Box(lon, lat, lon, lat)) == [site]
    assert ids(session, bbox=Box(lon + 0.001, lat, lon + 1, lat + 1)) == []
    assert ids(session, bbox=Box(lon - 1, lat - 1, lon, lat - 0.001)) == []
    assert site in ids(session)


@pytest.mark.parametrize("crs", Crs)
def test_window_and_answer_are_in_the_crs_asked_for(session: Session, crs: Crs) -> None:
    """A window of 20 m: in another CRS it would miss the site by hundreds."""
    site = open_site(session)
    lon, lat = from_wgs84(*ZICHUAN, crs)
    window = Box(lon - 1e-4, lat - 1e-4, lon + 1e-4, lat + 1e-4)
    shown = layer(session, bbox=window, crs=crs)
    assert shown["crs_label"] == crs
    [feature] = shown["features"]
    assert feature["id"] == str(site.id)
    assert feature["geometry"]["coordinates"] == pytest.approx([lon, lat], abs=1e-6)
    for other in set(Crs) - {crs}:
        assert ids(session, bbox=window, crs=other) == []


def test_sites_are_filtered_by_category(session: Session) -> None:
    rural, urban = open_site(session), open_site(session, category=Category.URBAN)
    assert ids(session, bbox=AROUND) == [str(rural.id), str(urban.id)]
    assert ids(session, bbox=AROUND, category=Category.URBAN) == [str(urban.id)]


def test_a_cut_layer_says_so(session: Session) -> None:
    first, second = open_site(session), open_site(session)
    cut, whole = (layer(session, bbox=AROUND, limit=limit) for limit in (1, 2))
    assert (cut["truncated"], whole["truncated"]) == (True, False)
    assert [feature["id"] for feature in cut["features"]] == [str(first.id)]
    assert [feature["id"] for feature in whole["features"]] == [str(first.id), str(second.id)]


def test_the_next_free_session_is_after_now_and_has_room(session: Session) -> None:
    hall = open_hall(session, people=10)
    site = session.get_one(Site, hall.site_id)
    starts = [NOW + n * 3 * HOUR for n in range(5)]
    past, full, no_seat, shut, free = (
        make_session(session, hall, starts_at=start) for start in starts
    )
    full.groups_held, full.people_held = 1, 3
    no_seat.people_held = 10
    shut.closed_reason = "检修"
    session.flush()
    assert past.starts_at == NOW
    told = datetime.fromisoformat(properties(session, site)["next_free_at"])
    assert told == free.starts_at
    card = cards.card(session, site_id=site.id, now=NOW)
    assert card is not None
    assert card.next_free_at == free.starts_at


def test_the_rating_is_the_mean_of_all_stars(session: Session) -> None:
    world = make_world(session, groups_limit=4)
    for branch, stars in zip(
        make_rivals(session, world, 3), [(5, 5, 4), (3, 4, 5), (4, 4, 4)], strict=True
    ):
        review(session, make_booking(session, branch), *stars)
    assert properties(session, world.site)["rating"] == 4.2
    assert properties(session, open_site(session))["rating"] is None


def test_what_two_branches_think_is_not_told_however_often_they_say_it(session: Session) -> None:
    world = make_world(session, groups_limit=4)
    one, two = make_rivals(session, world, 2)
    later = make_session(session, world.venue, starts_at=world.slot.ends_at + timedelta(days=1))
    review(session, make_booking(session, one), 5, 5, 5)
    review(session, make_booking(session, one, later), 5, 5, 5)
    review(session, make_booking(session, two), 1, 1, 1)
    assert properties(session, world.site)["rating"] is None
    review(session, make_booking(session, world, later), 3, 3, 3)
    assert properties(session, world.site)["rating"] == 3.5


def test_towns_count_their_published_sites(session: Session) -> None:
    town, empty = plant_town(session, name="昆仑镇"), plant_town(session, at=(118.0, 36.5))
    nowhere = plant_town(session, at=None)
    open_site(session, town=town)
    draft_site(session, town=town)
    found = {each.id: each for each in site_map.towns(session, limit=1000)}
    assert (found[town.id].name, found[town.id].sites) == ("昆仑镇", 1)
    assert found[town.id].at == pytest.approx(ZICHUAN)
    assert found[empty.id].sites == 0
    assert nowhere.id not in found
    assert town.district_id not in found
    assert len(site_map.towns(session, limit=1)) == 1


def test_no_card_of_nothing(session: Session) -> None:
    assert cards.card(session, site_id=uuid4(), now=NOW) is None


def test_the_next_free_session_is_one_that_can_be_ordered(session: Session) -> None:
    world = make_world(session)
    for days in (1, 2, 5, 6):
        make_session(session, world.venue, starts_at=NOW + timedelta(days=days))

    def next_free_at() -> datetime | None:
        card = cards.card(session, site_id=world.site.id, now=NOW)
        assert card
        return card.next_free_at

    assert next_free_at() == NOW + timedelta(days=5)  # a Monday, three working days ahead
    make_policy(session, world.district, site=world.site, lead_working_days=1)
    assert next_free_at() == NOW + timedelta(days=1)
