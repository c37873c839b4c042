"""The tariff over HTTP: written, read, and asked what a visit would be paid."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session
from uuid_utils.compat import uuid7

from app.models import Account, Category, Role, WhenExhausted
from tests.api.replies import Body, done_once, keyed, pointers, refused, told, walked
from tests.makers import (
    World,
    make_account,
    make_booking,
    make_organisation,
    make_rule,
    make_session,
    make_site,
    make_world,
    move,
    signed_in,
)

API = "/api/v1"
PATH = f"{API}/subsidy-rules"
TERMS: Body = {
    "valid_from": "2027-01-01",
    "valid_to": "2028-01-01",
    "category": "urban",
    "programme_kind": "visit",
    "sector": "rural",
    "base_fen": 20_000,
    "per_head_fen": 1_000,
    "head_cap": 60,
    "visit_cap_fen": 80_000,
    "site_month_cap_fen": 1_000_000,
    "branch_year_cap_fen": 200_000,
}
BOUNDS = {
    "base_fen": (0, 100_000_000),
    "per_head_fen": (0, 100_000_000),
    "head_cap": (0, 10_000),
    "visit_cap_fen": (0, 100_000_000),
    "site_month_cap_fen": (0, 10_000_000_000),
    "branch_year_cap_fen": (0, 10_000_000_000),
}


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


@pytest.fixture
def officer(session: Session, world: World) -> dict[str, str]:
    return signed_in(session, world.fund_officer)


def line(world: World, **other: Any) -> Body:
    return TERMS | {"organisation_id": str(world.district.id), "code": "training"} | other


def seen(who: dict[str, str], version: int) -> dict[str, str]:
    return who | {"If-Match": f'"{version}"'}


def test_a_line_is_written_changed_and_read(
    client: TestClient, world: World, officer: dict[str, str]
) -> None:
    made = done_once(client, PATH, officer, line(world), 201)
    assert made.items() >= line(world).items()
    assert (made["version"], made["newest_version"], made["ends"]) == (1, 1, "2028-01-01")
    own = f"{PATH}/{made['id']}"
    terms = TERMS | {"valid_from": "2027-07-01", "valid_to": None, "base_fen": 30_000}
    changed = done_once(client, f"{own}/versions", seen(officer, 1), terms, 201)
    assert (changed["version"], changed["base_fen"], changed["code"]) == (2, 30_000, "training")
    again = told(client.get(own, headers=officer))
    assert again == made | {"newest_version": 2, "ends": "2027-07-01"}
    versions = told(client.get(f"{own}/versions", headers=officer))
    assert versions == {"items": [changed, again], "next_cursor": None}
    assert walked(client, f"{own}/versions", officer, 1) == [changed["id"], made["id"]]


def test_of_the_tariff_the_newest_or_what_holds_is_listed_page_by_page(
    client: TestClient, session: Session, world: World, officer: dict[str, str]
) -> None:
    made = [told(client.post(PATH, json=line(world, code=c), headers=officer), 201) for c in "CAB"]
    ids = [made[n]["id"] for n in (1, 2, 0)]
    assert walked(client, PATH, officer, 1)[:3] == ids
    assert walked(client, PATH, officer, 2, day="2027-12-31")[:3] == ids
    assert not set(walked(client, PATH, officer, 2, day="2026-12-31")) & set(ids)
    auditor = signed_in(session, make_account(session, Role.AUDITOR, at=world.district))
    assert walked(client, PATH, auditor, 2)[:3] == ids
    assert walked(client, PATH, signed_in(session, world.manager), 2) == []


def test_a_line_without_conditions_and_caps_is_for_all(
    client: TestClient, world: World, officer: dict[str, str]
) -> None:
    needed = ("valid_from", "base_fen", "per_head_fen", "head_cap", "visit_cap_fen")
    terms = {name: TERMS[name] for name in needed}
    body = terms | {"organisation_id": str(world.district.id), "code": "all"}
    made = told(client.post(PATH, json=body, headers=officer), 201)
    assert made.items() >= dict.fromkeys(TERMS.keys() - terms.keys()).items()


@pytest.mark.parametrize("name", BOUNDS)
def test_amounts_have_bounds(
    client: TestClient, world: World, officer: dict[str, str], name: str
) -> None:
    least, most = BOUNDS[name]
    for n, value in enumerate((least, most)):
        wanted = line(world, code=f"N{n}", **{name: value})
        assert told(client.post(PATH, json=wanted, headers=officer), 201)[name] == value
    for wrong in (least - 1, most + 1, 1.5, True, "1"):
        reply = client.post(PATH, json=line(world, **{name: wrong}), headers=officer)
        assert pointers(reply) == {f"/{name}"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("code", ""),
        ("code", "x" * 33),
        ("code", "a\nb"),
        ("category", "marine"),
        ("programme_kind", "lunch"),
        ("sector", "navy"),
        ("valid_from", None),
        ("valid_from", 20270101),
        ("valid_to", "2027-13-01"),
        ("valid_to", "9999-01-01"),
        ("organisation_id", "x"),
    ],
)
def test_what_no_tariff_says_is_refused(
    client: TestClient, world: World, officer: dict[str, str], name: str, value: object
) -> None:
    reply = client.post(PATH, json=line(world, **{name: value}), headers=officer)
    assert pointers(reply) == {f"/{name}"}


def test_refusals_have_their_names(
    client: TestClient, session: Session, world: World, officer: dict[str, str]
) -> None:
    made = told(client.post(PATH, json=line(world), headers=officer), 201)
    own = f"{PATH}/{made['id']}"

    def post(path: str, body: Body, who: dict[str, str]) -> Any:
        return client.post(path, json=body, headers=keyed(who))

    refused(post(PATH, line(world), officer), 409, "subsidy-rule-code-taken")
    swapped = line(world, code="B", valid_to="2026-01-01")
    refused(post(PATH, swapped, officer), 422, "rule-ends-too-early")
    refused(post(f"{own}/versions", TERMS, seen(officer, 2)), 412, "stale")
    staff = signed_in(session, world.district_staff)
    refused(post(PATH, line(world, code="B"), staff), 403, "not-in-scope")
    refused(post(f"{own}/versions", TERMS, seen(staff, 1)), 403, "not-in-scope")
    stranger = signed_in(session, make_world(session).fund_officer)
    refused(post(PATH, line(world, code="B"), stranger), 404, "organisation-not-found")
    refused(post(f"{own}/versions", TERMS, seen(stranger, 1)), 404, "subsidy-rule-not-found")
    refused(client.get(own, headers=stranger), 404, "subsidy-rule-not-found")
    refused(client.get(f"{own}/versions", headers=stranger), 404, "subsidy-rule-not-found")
    refused(client.get(f"{PATH}?cursor=x", headers=officer), 422, "cursor-unreadable")
    refused(client.get(f"{own}/versions?cursor=x", headers=officer), 422, "cursor-unreadable")
    assert pointers(post(f"{own}/versions", TERMS, officer)) == {"/header/If-Match"}
    for path in (PATH, own, f"{own}/versions"):
        refused(client.get(path, headers={}), 401, "unauthenticated")


def asked(world: World, **other: Any) -> Body:
    usual = {
        "organisation_id": str(world.district.id),
        "day": "2026-12-02",
        "people": 20,
        "programme_kinds": ["visit"],
        "site_id": str(world.site.id),
        "branch_id": str(world.branch.id),
    }
    return {name: value for name, value in (usual | other).items() if value is not None}


def preview(client: TestClient, who: dict[str, str], body: Body) -> Body:
    return told(client.post(f"{PATH}/preview", json=body, headers=who))


def test_a_preview_shows_the_whole_sum(
    client: TestClient, session: Session, world: World, officer: dict[str, str]
) -> None:
    rule = make_rule(
        session,
        world.district,
        category=Category.URBAN,
        site_month_cap_fen=38_000,
        branch_year_cap_fen=90_000,
    )
    first = make_booking(session, world)
    move(session, world.manager, first, "approve")
    said = preview(client, officer, asked(world, people=52))
    assert said == {
        "amount_fen": 18_000,
        "reason": None,
        "rule": {"id": str(rule.id), "code": rule.code, "version": 1},
        "fund": {"id": str(world.fund.id), "available_fen": 980_000, "when_exhausted": "refuse"},
        "base_fen": 10_000,
        "per_head_fen": 500,
        "people": 52,
        "head_cap": 40,
        "heads": 40,
        "caps": [
            {"cap": "visit", "cap_fen": 25_000, "used_fen": 0, "cut_fen": 5_000},
            {"cap": "site_month", "cap_fen": 38_000, "used_fen": 20_000, "cut_fen": 7_000},
            {"cap": "branch_year", "cap_fen": 90_000, "used_fen": 20_000, "cut_fen": 0},
        ],
    }
    assert preview(client, officer, asked(world, people=52)) == said
    slot = make_session(session, world.venue, starts_at=first.ends_at)
    second = make_booking(session, world, slot, people=52)
    move(session, world.manager, second, "approve")
    shown = told(client.get(f"{API}/bookings/{second.id}", headers=officer_of(session, world)))
    assert shown["subsidy"]["reserved_fen"] == said["amount_fen"]


def officer_of(session: Session, world: World) -> dict[str, str]:
    """Somebody who sees the branch's bookings."""
    return signed_in(session, world.organiser)


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"people": 0}, "nobody"),
        ({"day": "2031-01-01"}, "no_fund"),
        ({"day": "2025-01-01"}, "no_rule"),
        ({"branch_id": None, "sector": "rural", "outside": True}, "outside_branch"),
        ({"site_id": None, "category": "rural"}, "rule_gives_nothing"),
        ({"site_id": None, "category": "two_new"}, "site_month_cap"),
        ({"site_id": None, "category": "general"}, "branch_year_cap"),
    ],
)
def test_a_preview_says_why_there_is_nothing(
    client: TestClient,
    session: Session,
    world: World,
    officer: dict[str, str],
    other: Body,
    reason: str,
) -> None:
    make_rule(session, world.district, category=Category.RURAL, base_fen=0, per_head_fen=0)
    make_rule(session, world.district, category=Category.TWO_NEW, site_month_cap_fen=0)
    make_rule(session, world.district, category=Category.GENERAL, branch_year_cap_fen=0)
    said = preview(client, officer, asked(world, **other))
    assert (said["amount_fen"], said["reason"]) == (0, reason)
    met = reason not in {"no_fund", "no_rule", "outside_branch"}
    assert [said[name] is not None for name in ("rule", "fund", "base_fen", "heads")] == [met] * 4


def test_a_preview_knows_a_branch_from_outside(
    client: TestClient, session: Session, world: World, officer: dict[str, str]
) -> None:
    guests = make_organisation(session, parent=world.district, outside=True)
    said = preview(client, officer, asked(world, branch_id=str(guests.id)))
    assert said["reason"] == "outside_branch"


@pytest.mark.parametrize("when", WhenExhausted)
def test_a_preview_knows_what_the_fund_has(
    client: TestClient, session: Session, when: WhenExhausted
) -> None:
    world = make_world(session, available_fen=19_999, when_exhausted=when)
    said = preview(client, signed_in(session, world.fund_officer), asked(world))
    assert (said["amount_fen"], said["reason"]) == (0, "fund_exhausted")
    assert said["caps"][-1] == {
        "cap": "fund",
        "cap_fen": 19_999,
        "used_fen": 0,
        "cut_fen": 20_000,
    }
    assert said["fund"]["when_exhausted"] == when


@pytest.mark.parametrize(
    "other",
    [
        {"category": "urban"},
        {"site_id": None},
        {"sector": "rural"},
        {"outside": True},
    ],
)
def test_a_preview_is_of_one_place_and_one_guest(
    client: TestClient, world: World, officer: dict[str, str], other: Body
) -> None:
    reply = client.post(f"{PATH}/preview", json=asked(world, **other), headers=officer)
    refused(reply, 422, "malformed-request")


def test_a_preview_is_of_the_district_that_one_keeps_the_fund_of(
    client: TestClient, session: Session, world: World, officer: dict[str, str]
) -> None:
    other = make_world(session)

    def ask(who: dict[str, str], **what: str) -> Any:
        return client.post(f"{PATH}/preview", json=asked(world, **what), headers=who)

    def person(account: Account) -> dict[str, str]:
        return signed_in(session, account)

    theirs = make_site(session, other.town)
    refused(ask(officer, site_id=str(theirs.id)), 404, "site-not-found")
    refused(ask(officer, site_id=str(uuid7())), 404, "site-not-found")
    refused(ask(officer, branch_id=str(other.branch.id)), 404, "organisation-not-found")
    refused(ask(officer, branch_id=str(uuid7())), 404, "organisation-not-found")
    refused(ask(person(world.town_staff)), 403, "not-in-scope")
    refused(ask(person(world.organiser)), 404, "organisation-not-found")
    refused(ask(person(other.fund_officer)), 404, "organisation-not-found")
    refused(ask({}), 401, "unauthenticated")


def test_only_the_district_says_where_tickets_are_sold(
    client: TestClient, session: Session, world: World
) -> None:
    path, body = f"{API}/sites/{world.site.id}", {"ticketed": True}
    manager = seen(signed_in(session, world.manager), world.site.version)
    refused(client.patch(path, json=body, headers=manager), 403, "not-in-scope")
    staff = seen(signed_in(session, world.district_staff), world.site.version)
    assert told(client.patch(path, json=body, headers=staff))["ticketed"] is True
