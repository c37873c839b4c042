"""Reviewing over HTTP."""

import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session

from app.models import Booking
from tests.api.replies import Body, done_once, pointers, refused, sent_raw, told
from tests.makers import World, make_booking, make_completed, make_world, signed_in

STARS: Body = {"content": 5, "reception": 4, "facilities": 3, "text": "讲解生动"}


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


@pytest.fixture
def organiser(session: Session, world: World) -> dict[str, str]:
    return signed_in(session, world.organiser)


def path(booking: Booking) -> str:
    return f"/api/v1/bookings/{booking.id}/review"


def test_a_branch_reviews_its_visit_once(
    client: TestClient, session: Session, world: World, organiser: dict[str, str]
) -> None:
    booking = make_completed(session, world)
    shown = f"/api/v1/bookings/{booking.id}"
    assert told(client.get(shown, headers=organiser))["reviewable"] is True
    answer = done_once(client, path(booking), organiser, STARS, 201)
    assert (answer["id"], answer["reviewable"]) == (str(booking.id), False)
    reply = client.post(path(booking), json=STARS, headers=organiser)
    refused(reply, 409, "already-reviewed")


def test_a_text_is_not_needed(
    client: TestClient, session: Session, world: World, organiser: dict[str, str]
) -> None:
    booking = make_completed(session, world)
    stars = {name: 1 for name in STARS if name != "text"}
    told(client.post(path(booking), json=stars, headers=organiser), 201)


def test_what_has_not_taken_place_is_not_reviewed(
    client: TestClient, session: Session, world: World, organiser: dict[str, str]
) -> None:
    reply = client.post(path(make_booking(session, world)), json=STARS, headers=organiser)
    assert refused(reply, 409, "not-yet-completed")["current_status"] == "pending"


def test_others_do_not_review_it(client: TestClient, session: Session, world: World) -> None:
    booking = make_completed(session, world)
    manager = signed_in(session, world.manager)
    stranger = signed_in(session, make_world(session).organiser)
    refused(client.post(path(booking), json=STARS, headers=manager), 403, "not-in-scope")
    refused(client.post(path(booking), json=STARS, headers=stranger), 404, "booking-not-found")
    refused(client.post(path(booking), json=STARS), 401, "unauthenticated")


@pytest.mark.parametrize(
    ("other", "pointer"),
    [
        ({"content": 0}, "/content"),
        ({"reception": 6}, "/reception"),
        ({"facilities": 10**30}, "/facilities"),
        ({"facilities": None}, "/facilities"),
        ({"text": "\x00"}, "/text"),
        ({"text": "\ud800"}, "/text"),
        ({"text": "长" * 1001}, "/text"),
    ],
)
def test_a_malformed_review_is_told_where(
    client: TestClient,
    session: Session,
    world: World,
    organiser: dict[str, str],
    other: Body,
    pointer: str,
) -> None:
    booking = make_booking(session, world)
    reply = sent_raw(client, path(booking), organiser, STARS | other)
    assert pointers(reply) == {pointer}
