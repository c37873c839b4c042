"""Share cards and codes over HTTP."""

import pytest
import zxingcpp
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlmodel import Session

from app.api.config import get_settings
from app.models import SiteStatus
from app.settings import Env, Settings
from tests.api.replies import NOBODY, refused
from tests.makers import make_photo, make_world
from tests.pictures import RED, drawn, opened, written

API = "/api/v1/sites"


def test_a_poster_leads_to_the_site_s_page(client: TestClient, session: Session) -> None:
    world = make_world(session)
    path = f"{API}/{world.site.id}/poster.png"
    reply = client.get(path)
    assert reply.headers["content-type"] == "image/png"
    assert reply.headers["cache-control"] == "public, max-age=300"
    picture = opened(reply.content)
    assert (picture.format, picture.size) == ("PNG", (1080, 1440))
    (code,) = zxingcpp.read_barcodes(picture)
    assert code.text == f"http://testserver/#/sites/{world.site.id}"

    again = client.get(path, headers={"If-None-Match": reply.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    make_photo(session, world, data=written(drawn((900, 600))))
    changed = client.get(path, headers={"If-None-Match": reply.headers["etag"]})
    assert changed.status_code == 200
    pixel = opened(changed.content).getpixel((100, 100))
    assert isinstance(pixel, tuple)
    assert all(abs(one - other) < 40 for one, other in zip(pixel, RED, strict=True))


def test_the_settings_say_where_codes_lead(
    client: TestClient, session: Session, app: FastAPI
) -> None:
    site_id = make_world(session).site.id
    told = Settings(env=Env.TEST, public_url="https://map.example.cn")
    app.dependency_overrides[get_settings] = lambda: told
    reply = client.get(f"{API}/{site_id}/poster.png", headers={"Host": "elsewhere.example"})
    (code,) = zxingcpp.read_barcodes(opened(reply.content))
    assert code.text == f"https://map.example.cn/#/sites/{site_id}"


@pytest.mark.parametrize("page", ["sites", "go"])
def test_a_code_stands_alone_as_well(client: TestClient, session: Session, page: str) -> None:
    path = f"{API}/{make_world(session).site.id}/qr.svg"
    reply = client.get(path, params={"page": page})
    assert reply.headers["content-type"] == "image/svg+xml"
    assert reply.text.startswith("<svg ")
    assert reply.headers["content-security-policy"].startswith("default-src 'none'")
    again = client.get(
        path, params={"page": page}, headers={"If-None-Match": reply.headers["etag"]}
    )
    assert again.status_code == 304


def test_the_two_codes_differ(client: TestClient, session: Session) -> None:
    path = f"{API}/{make_world(session).site.id}/qr.svg"
    assert client.get(path).text != client.get(f"{path}?page=go").text


@pytest.mark.parametrize("host", ["a b", "[", "x" * 3000, "a/../b", 'a"><script>', "http://a"])
@pytest.mark.parametrize("what", ["poster.png", "qr.svg"])
def test_a_host_that_is_none_is_refused(
    client: TestClient, session: Session, host: str, what: str
) -> None:
    path = f"{API}/{make_world(session).site.id}/{what}"
    refused(client.get(path, headers={"Host": host}), 422, "malformed-request")


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "[::1]:8000", "map.example.cn"])
def test_every_kind_of_host_is_taken(client: TestClient, session: Session, host: str) -> None:
    path = f"{API}/{make_world(session).site.id}/qr.svg"
    assert client.get(path, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("status", [SiteStatus.DRAFT, SiteStatus.SUSPENDED, SiteStatus.CLOSED])
@pytest.mark.parametrize("what", ["poster.png", "qr.svg"])
def test_what_is_not_published_is_not_passed_on(
    client: TestClient, session: Session, status: SiteStatus, what: str
) -> None:
    site = make_world(session).site
    site.status = status
    refused(client.get(f"{API}/{site.id}/{what}"), 404, "site-not-found")
    refused(client.get(f"{API}/{NOBODY}/{what}"), 404, "site-not-found")
