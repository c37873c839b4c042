"""A visit from the map to the payment, over HTTP, by the five who take part."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlmodel import Session, select

from app.api import deps
from app.models import Claim, Organisation, Role, Site
from app.services import accounts, claim_drafts, notifications, verify
from app.services.calendar import local_date
from tests.conftest import NOW
from tests.makers import IN_A_WEEK, World, make_grant, make_world

PASSWORD = "示例-Password-2026"  # noqa: S105

Clock = Callable[[datetime], None]


@pytest.fixture
def clock(app: FastAPI) -> Clock:
    def stands_at(now: datetime) -> None:
        async def same() -> datetime:
            return now

        app.dependency_overrides[deps.get_now] = same

    return stands_at


class Person:
    """Somebody at a browser."""

    def __init__(
        self, client: TestClient, session: Session, role: Role, at: Organisation | Site
    ) -> None:
        self.client, self.phone = client, f"1390000{list(Role).index(role):04}"
        person = accounts.create(session, name=role, phone=self.phone, password=PASSWORD)
        make_grant(session, person, role, at=at)

    def sign_in(self) -> None:
        form = {"username": self.phone, "password": PASSWORD}
        token = self.client.post("/api/v1/auth/token", data=form).json()["access_token"]
        self.headers = {"Authorization": f"Bearer {token}"}

    def get(self, path: str, **query: str) -> Any:
        reply = self.client.get(f"/api/v1{path}", params=query, headers=self.headers)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def post(self, path: str, body: dict[str, Any] | None = None, status: int = 200) -> Any:
        reply = self.client.post(f"/api/v1{path}", json=body or {}, headers=self.headers)
        assert reply.status_code == status, reply.text
        return reply.json()


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


def test_a_visit_from_the_map_to_the_payment(
    client: TestClient, session: Session, world: World, clock: Clock
) -> None:
    organiser = Person(client, session, Role.ORGANISER, world.branch)
    manager = Person(client, session, Role.SITE_MANAGER, world.site)
    officer = Person(client, session, Role.FUND_OFFICER, world.district)
    approver = Person(client, session, Role.FUND_APPROVER, world.district)
    staff = Person(client, session, Role.DISTRICT_STAFF, world.district)

    # Anybody finds the site on the map, its free session and the way there.
    features = client.get("/api/v1/map/sites.geojson").json()["features"]
    (site,) = (f for f in features if f["properties"]["id"] == str(world.site.id))
    assert site["geometry"]["coordinates"] == [117.97, 36.64]
    address = f"/api/v1/sites/{world.site.id}"
    day = local_date(IN_A_WEEK).isoformat()
    (slot,) = client.get(f"{address}/sessions", params={"from": day, "to": day}).json()["items"]
    assert slot["bookable"]
    assert "uri.amap.com" in client.get(f"{address}/navigation").json()["links"]["amap"]
    (item,) = client.get(address).json()["programmes"]

    # A branch orders it; its manager accepts; the branch is told.
    organiser.sign_in()
    wish = {
        "session_ids": [slot["id"]],
        "programme_ids": [item["id"]],
        "organisation_id": str(world.branch.id),
        "people_expected": 27,
        "purpose": "theme_party_day",
        "contact_name": "王组织",
        "contact_phone": "13800000000",
    }
    booking = organiser.post("/bookings", wish, 201)
    assert (booking["status"], booking["moves"]) == ("pending", ["change", "cancel"])
    path = f"/bookings/{booking['id']}"
    manager.sign_in()
    (waiting,) = manager.get("/bookings", scope="site", status="pending")["items"]
    assert waiting["id"] == booking["id"]
    approved = manager.post(f"{path}/approve")
    assert approved["subsidy"] == {
        "status": "reserved",
        "reserved_fen": 23_500,
        "committed_fen": None,
        "rule_version": 1,
    }
    notifications.deliver_due(session, NOW)
    (message,) = organiser.get("/notifications")["items"]
    assert (message["kind"], message["title"]) == ("booking-approved", "预约已接单")

    # They come, are received, and the visit is confirmed.
    clock(IN_A_WEEK)
    manager.sign_in()
    assert manager.post(f"{path}/arrive", {"people_attended": 26})["status"] == "arrived"
    done = manager.post(f"{path}/complete")
    assert (done["status"], done["people_attended"]) == ("completed", 26)
    assert done["subsidy"]["committed_fen"] == 23_000
    organiser.sign_in()
    organiser.post(f"{path}/review", {"content": 5, "reception": 5, "facilities": 4}, 201)

    # The site claims the month, and two people of the fund see it paid.
    session.flush()
    claim_drafts.draft_month(
        session, fund_id=world.fund.id, month=local_date(IN_A_WEEK).replace(day=1)
    )
    claim = session.exec(select(Claim)).one()
    manager.post(f"/claims/{claim.id}/submit")
    officer.sign_in()
    officer.post(f"/claims/{claim.id}/review")
    approver.sign_in()
    approver.post(f"/claims/{claim.id}/approve")
    paid = approver.post(f"/claims/{claim.id}/pay", {"voucher_number": "记-1"})
    assert (paid["status"], paid["amount_fen"], paid["visits"]) == ("paid", 23_000, 1)

    # The district sees every fen and every visit.
    staff.sign_in()
    seen = staff.get("/statistics/overview", to=day)
    assert (seen["visits"], seen["people"], seen["rating"]) == (1, 26, 4.67)
    assert seen["balances_fen"]["paid"] == 23_000
    events = staff.get(f"{path}/events")["items"]
    assert [event["to_status"] for event in events] == [
        "pending",
        "approved",
        "arrived",
        "completed",
    ]
    later = IN_A_WEEK + timedelta(minutes=1)
    assert list(verify.violations(session, now=later)) == []
