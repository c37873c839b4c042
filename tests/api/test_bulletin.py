"""The monthly bulletin: its numbers are the dashboard's, and only its readers have it."""

from io import BytesIO

import pytest
from fastapi.testclient import TestClient
from pypdf import PdfReader
from sqlmodel import Session

from app.models import Account, OrganisationKind, Role
from app.services.audit import NOTED
from tests.api.replies import refused
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    World,
    make_account,
    make_completed,
    make_organisation,
    make_session,
    make_world,
    signed_in,
)

PATH = "/api/v1/statistics/bulletin.pdf"


@pytest.fixture
def world(session: Session) -> World:
    world = make_world(session)
    make_completed(session, world, attended=17)
    later = make_session(session, world.venue, starts_at=IN_A_WEEK + 3 * HOUR)
    make_completed(session, world, later, attended=13)
    return world


def pages(client: TestClient, session: Session, who: Account, month: str) -> list[str]:
    reply = client.get(PATH, headers=signed_in(session, who), params={"month": month})
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "application/pdf"
    return [page.extract_text() for page in PdfReader(BytesIO(reply.content)).pages]


def lines(texts: list[str]) -> list[str]:
    return [line.strip() for text in texts for line in text.splitlines()]


def row(said: list[str], name: str, width: int) -> list[str]:
    """The cells behind the first cell that says `name`, once the tables have begun."""
    place = said.index(name)
    return said[place + 1 : place + 1 + width]


def test_its_numbers_are_the_dashboards(client: TestClient, session: Session, world: World) -> None:
    headers = signed_in(session, world.district_staff)
    period = {"from": "2026-12-01", "to": "2026-12-31"}
    shown = client.get("/api/v1/statistics/overview", headers=headers, params=period).json()
    said = lines(pages(client, session, world.district_staff, "2026-12"))
    assert "党建阵地使用月报（2026年12月）" in said
    people, visits = str(shown["people"]), str(shown["visits"])
    assert (people, visits) == ("30", "2")
    town = world.town.place or ""
    assert row(said, town, 3) == ["2", visits, people]
    assert ["2", visits, people] in [
        said[n + 1 : n + 4] for n, name in enumerate(said) if name == "城市党建"
    ]
    figures = said[said.index("增减") + 1 :]
    assert row(figures, "人次", 3) == [people, "0", "+30"]
    assert row(figures, "阵地", 3) == [str(shown["sites"]), "—", "—"]
    assert any(world.district.name in line for line in said)
    assert any(world.district_staff.name in line for line in said)


def test_it_is_compared_with_the_month_before(
    client: TestClient, session: Session, world: World
) -> None:
    said = lines(pages(client, session, world.district_staff, "2027-01"))
    figures = said[said.index("增减") + 1 :]
    assert row(figures, "人次", 3) == ["0", "30", "-30（-100.0%）"]
    assert "本月无" in said
    assert "2026-12" in said


def test_the_charts_are_drawn_and_not_pictures(
    client: TestClient, session: Session, world: World
) -> None:
    headers = signed_in(session, world.district_staff)
    reply = client.get(PATH, headers=headers, params={"month": "2026-12"})
    reader = PdfReader(BytesIO(reply.content))
    assert not [image for page in reader.pages for image in page.images]
    drawn = b"".join(page.get_contents().get_data() for page in reader.pages)  # type: ignore[union-attr]
    assert b".701961 .14902 .117647 rg" in drawn
    assert b".701961 .14902 .117647 RG" in drawn
    again = client.get(PATH, headers=headers, params={"month": "2026-12"})
    assert again.content == reply.content


def test_a_town_reads_its_own(client: TestClient, session: Session, world: World) -> None:
    other = make_organisation(session, parent=world.district, kind=OrganisationKind.TOWN)
    stranger = make_account(session, Role.TOWN_STAFF, at=other)
    for who, told in ((world.town_staff, True), (stranger, False)):
        said = lines(pages(client, session, who, "2026-12"))
        assert (world.site.short_name in said) == told
        assert (world.town.place in said) == told


def test_taking_it_away_is_noted(client: TestClient, session: Session, world: World) -> None:
    pages(client, session, world.town_staff, "2026-12")
    (note,) = session.info[NOTED]
    assert (note.action, note.noun, note.district_id) == ("export", "export", world.district.id)
    assert (note.facts["table"], note.facts["since"]) == ("bulletin", "2026-12-01")


def test_a_month_is_a_month(client: TestClient, session: Session, world: World) -> None:
    headers = signed_in(session, world.district_staff)
    for month in ("2026-13", "2026-1", "x", "2026-12-01", "0001-01"):
        reply = client.get(PATH, headers=headers, params={"month": month})
        refused(reply, 422, "malformed-request")
    said = client.get(PATH, headers=headers)
    text = PdfReader(BytesIO(said.content)).pages[0].extract_text()
    assert "2026年10月" in text
    refused(client.get(PATH), 401, "unauthenticated")
    manager = signed_in(session, world.manager)
    refused(client.get(PATH, headers=manager), 403, "not-in-scope")
