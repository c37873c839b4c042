"""Working days over HTTP."""

import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session

from app.services import calendar

LIST_2026 = Path(calendar.__file__).parent.parent / "data" / "holiday-cn-2026.json"
PATH = "/api/v1/calendar"


@pytest.fixture
def imported(session: Session) -> None:
    calendar.import_year(session, document=json.loads(LIST_2026.read_text()))


@pytest.mark.usefixtures("imported")
def test_days_are_told_with_their_names(client: TestClient) -> None:
    reply = client.get(PATH, params={"from": "2026-10-07", "to": "2026-10-10"})
    assert reply.status_code == 200
    assert reply.json() == {
        "items": [
            {"day": "2026-10-07", "working": False, "name": "国庆节"},
            {"day": "2026-10-08", "working": True, "name": None},
            {"day": "2026-10-09", "working": True, "name": None},
            {"day": "2026-10-10", "working": True, "name": "国庆节"},
        ],
        "calendar": "official",
    }


@pytest.mark.usefixtures("imported")
def test_one_day_of_a_missing_year_makes_the_answer_provisional(client: TestClient) -> None:
    def told(last: str) -> str:
        reply = client.get(PATH, params={"from": "2026-12-31", "to": last})
        answer: str = reply.json()["calendar"]
        return answer

    assert told("2026-12-31") == "official"
    assert told("2027-01-01") == "provisional"


def test_without_a_list_weekends_decide(client: TestClient) -> None:
    days = client.get(PATH, params={"from": "2026-10-09", "to": "2026-10-10"}).json()
    assert [day["working"] for day in days["items"]] == [True, False]
    assert days["calendar"] == "provisional"


@pytest.mark.parametrize(
    ("first", "last", "code"),
    [
        ("2026-01-02", "2026-01-01", "period-unfit"),
        ("2026-01-01", "2027-02-05", "period-unfit"),
        ("1900-01-01", "2199-12-31", "period-unfit"),
        ("2026-13-01", "2026-12-31", "malformed-request"),
        ("", "", "malformed-request"),
    ],
)
def test_unfit_periods(client: TestClient, first: str, last: str, code: str) -> None:
    reply = client.get(PATH, params={"from": first, "to": last})
    assert (reply.status_code, reply.json()["code"]) == (422, code)


@pytest.mark.parametrize(
    ("first", "last", "length"),
    [
        ("2026-01-01", "2026-01-01", 1),
        ("2026-01-01", "2027-02-04", 400),
        ("2199-12-30", "2199-12-31", 2),
    ],
)
def test_fitting_periods(client: TestClient, first: str, last: str, length: int) -> None:
    reply = client.get(PATH, params={"from": first, "to": last})
    assert (reply.status_code, len(reply.json()["items"])) == (200, length)
