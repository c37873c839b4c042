"""Photos over HTTP."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlmodel import Session

from app.api import photos as door
from app.models import SiteStatus
from app.services import pictures
from app.storage import Folder, StorageUnavailable
from tests.api.replies import NOBODY, keyed, pointers, refused, told
from tests.makers import World, make_photo, make_world, signed_in
from tests.pictures import BLUE, a_picture, opened

API = "/api/v1"


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


@pytest.fixture
def manager(session: Session, world: World) -> dict[str, str]:
    return signed_in(session, world.manager)


def add(
    client: TestClient,
    world: World,
    who: dict[str, str],
    data: bytes | None = None,
    name: str = "a.jpg",
    kind: str = "image/jpeg",
    **query: str,
) -> Response:
    return client.post(
        f"{API}/sites/{world.site.id}/photos",
        files={"file": (name, a_picture() if data is None else data, kind)},
        params=query,
        headers=who,
    )


def test_a_photo_is_added_shown_changed_and_removed(
    client: TestClient, world: World, manager: dict[str, str]
) -> None:
    photo = told(add(client, world, manager, caption=" 宣誓墙 "), 201)
    assert (photo["width"], photo["height"], photo["caption"], photo["version"]) == (
        *(64, 48),
        "宣誓墙",
        1,
    )
    other = told(add(client, world, manager, a_picture(colour=BLUE)), 201)
    site = f"{API}/sites/{world.site.id}"
    assert told(client.get(site))["photos"] == [photo, other]

    path = f"{API}/photos/{other['id']}"
    changed = client.patch(
        path, json={"caption": "", "position": 0}, headers=manager | {"If-Match": '"1"'}
    )
    assert changed.headers["etag"] == '"2"'
    assert told(changed) == other | {"caption": "", "version": 2}
    assert [one["id"] for one in told(client.get(site))["photos"]] == [other["id"], photo["id"]]

    assert client.delete(path, headers=manager).status_code == 204
    assert told(client.get(site))["photos"] == [photo]
    refused(client.delete(path, headers=manager), 404, "photo-not-found")
    late = client.patch(path, json={}, headers=manager | {"If-Match": "2"})
    refused(late, 404, "photo-not-found")


def test_the_first_photo_stands_for_the_site(
    client: TestClient, world: World, manager: dict[str, str]
) -> None:
    photo = told(add(client, world, manager), 201)
    assert told(client.get(f"{API}/sites/{world.site.id}"))["photo_url"] == photo["thumb_url"]


def test_a_picture_is_served_for_good(
    client: TestClient, world: World, manager: dict[str, str]
) -> None:
    photo = told(add(client, world, manager), 201)
    assert photo["url"].partition("?")[0] == photo["thumb_url"].partition("?")[0]
    tags = set()
    for url in (photo["url"], photo["thumb_url"]):
        reply = client.get(url)
        assert reply.headers["content-type"] == "image/webp"
        assert reply.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert opened(reply.content).format == "WEBP"
        again = client.get(url, headers={"If-None-Match": reply.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        tags.add(reply.headers["etag"])
    assert len(tags) == 2


def test_a_draft_s_picture_is_kept_by_nobody_on_the_way(
    client: TestClient, session: Session, world: World, manager: dict[str, str]
) -> None:
    url = told(add(client, world, manager), 201)["url"]
    world.site.status = SiteStatus.DRAFT
    assert client.get(url).headers["cache-control"] == "private, no-store"
    world.site.status = SiteStatus.CLOSED
    refused(client.get(url), 404, "photo-not-found")


@pytest.mark.parametrize(
    "digest",
    ["0" * 63, "0" * 65, "g" * 64, "A" * 64, "..%2F..%2Fetc"],
    ids=["short", "long", "no digits", "capitals", "a path"],
)
def test_only_a_digest_names_a_picture(client: TestClient, digest: str) -> None:
    assert client.get(f"{API}/photos/{digest}.webp").status_code in {404, 422}
    refused(client.get(f"{API}/photos/{'0' * 64}.webp"), 404, "photo-not-found")
    assert pointers(client.get(f"{API}/photos/{'0' * 64}.webp?size=huge")) == {"/query/size"}


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 422, "photo-unreadable"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 422, "photo-unreadable"),
        (a_picture()[:300], 422, "photo-unreadable"),
    ],
    ids=["empty", "svg", "half"],
)
@pytest.mark.parametrize("kind", ["image/jpeg", "text/html"])
def test_the_content_decides_and_not_its_name(
    client: TestClient,
    world: World,
    manager: dict[str, str],
    data: bytes,
    status: int,
    code: str,
    kind: str,
) -> None:
    refused(add(client, world, manager, data, "a.jpg", kind), status, code)
    told(add(client, world, manager, a_picture("PNG"), "a.html", kind), 201)


def test_too_many_pixels_are_refused(
    client: TestClient, world: World, manager: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "MOST_PIXELS", 64 * 48 - 1)
    body = refused(add(client, world, manager), 413, "photo-too-large")
    assert body["limit"] == 64 * 48 - 1


def test_a_form_without_a_file_is_refused(
    client: TestClient, world: World, manager: dict[str, str]
) -> None:
    path = f"{API}/sites/{world.site.id}/photos"
    for more in ({"data": {"file": "words"}}, {"files": {"picture": ("a.jpg", b"x")}}):
        assert pointers(client.post(path, headers=manager, **more)) == {"/file"}
    assert pointers(client.post(path, headers=manager, json={})) == {"/file"}


def test_the_same_picture_twice_is_one_photo(
    client: TestClient, world: World, manager: dict[str, str]
) -> None:
    first = told(add(client, world, manager), 201)
    assert told(add(client, world, manager)) == first


def test_a_request_sent_twice_is_done_once(
    client: TestClient, world: World, manager: dict[str, str]
) -> None:
    headers = keyed(manager) | {"Content-Type": "multipart/form-data; boundary=x"}
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    body = part + a_picture() + b"\r\n--x--\r\n"
    path = f"{API}/sites/{world.site.id}/photos"
    first = client.post(path, content=body, headers=headers)
    again = client.post(path, content=body, headers=headers)
    assert told(first, 201) == told(again, 201)
    assert again.headers["idempotency-replayed"] == "true"


def test_two_managers_do_not_overwrite_each_other(
    client: TestClient, world: World, manager: dict[str, str]
) -> None:
    path = f"{API}/photos/{told(add(client, world, manager), 201)['id']}"
    headers = manager | {"If-Match": "1"}
    told(client.patch(path, json={"caption": "一"}, headers=headers))
    refused(client.patch(path, json={"caption": "二"}, headers=headers), 412, "stale")
    assert "header/if-match" in str(client.patch(path, json={}, headers=manager).json()).lower()


@pytest.mark.parametrize(
    "body",
    [
        {"caption": "字" * 121},
        {"caption": "a\nb"},
        {"caption": "a\x00b"},
        {"position": -1},
        {"position": 10**30},
        {"position": True},
        {"position": "0"},
    ],
    ids=str,
)
def test_a_malformed_change_is_pointed_at(
    client: TestClient, world: World, manager: dict[str, str], body: dict[str, object]
) -> None:
    path = f"{API}/photos/{told(add(client, world, manager), 201)['id']}"
    (name,) = body
    assert pointers(client.patch(path, json=body, headers=manager | {"If-Match": "1"})) == {
        f"/{name}"
    }


def test_a_malformed_caption_is_pointed_at(
    client: TestClient, world: World, manager: dict[str, str]
) -> None:
    assert pointers(add(client, world, manager, caption="字" * 121)) == {"/query/caption"}


def test_a_closed_site_gets_no_more_photos(
    client: TestClient, world: World, manager: dict[str, str]
) -> None:
    world.site.status = SiteStatus.CLOSED
    refused(add(client, world, manager), 409, "site-closed")


def test_strangers_are_told_nothing(client: TestClient, session: Session, world: World) -> None:
    photo = make_photo(session, world)
    stranger = signed_in(session, make_world(session).manager)
    refused(add(client, world, stranger), 404, "site-not-found")
    path = f"{API}/photos/{photo.id}"
    refused(client.delete(path, headers=stranger), 404, "photo-not-found")
    refused(client.delete(f"{API}/photos/{NOBODY}", headers=stranger), 404, "photo-not-found")
    overseer = signed_in(session, world.town_staff)
    refused(client.delete(path, headers=overseer), 403, "not-in-scope")
    refused(add(client, world, {}), 401, "unauthenticated")


def test_a_store_that_is_away_is_a_503(
    client: TestClient,
    world: World,
    manager: dict[str, str],
    tmp_path: Path,
    session: Session,
) -> None:
    class Away(Folder):
        def get(self, key: str) -> bytes | None:
            raise StorageUnavailable

        def put(self, key: str, content: bytes) -> None:
            raise StorageUnavailable

    url = told(add(client, world, manager), 201)["url"]
    app = client.app
    app.dependency_overrides[door.get_storage] = lambda: Away(tmp_path)  # type: ignore[attr-defined]
    reply = client.get(url)
    refused(reply, 503, "storage-unavailable")
    assert reply.headers["retry-after"]
    refused(add(client, world, manager, a_picture(colour=BLUE)), 503, "storage-unavailable")
    assert len(told(client.get(f"{API}/sites/{world.site.id}"))["photos"]) == 1
    refused(client.get(f"{API}/sites/{world.site.id}/poster.png"), 503, "storage-unavailable")


def test_an_import_s_size_is_taken_and_no_more(
    client: TestClient, world: World, manager: dict[str, str]
) -> None:
    refused(add(client, world, manager, b"x" * 400_000), 422, "photo-unreadable")
    refused(add(client, world, manager, b"x" * 11_000_000), 413, "body-too-large")
