"""Users and their roles over HTTP."""

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import Engine
from sqlmodel import Session, col, select

from app.models import AuditEvent, Grant, Role
from tests.api.replies import NOBODY, Body, done_once, pointers, refused, told, walked
from tests.makers import make_account, signed_in
from tests.services.people import Cast, make_cast

PATH = "/api/v1/users"
PHONE = "13800001234"
SHAPE = {
    "id",
    "name",
    "phone_masked",
    "organisation",
    "active",
    "grants",
    "version",
    "created_at",
}


@pytest.fixture
def cast(session: Session) -> Cast:
    return make_cast(session)


@pytest.fixture
def staff(session: Session, cast: Cast) -> dict[str, str]:
    return signed_in(session, cast.town_staff)


@pytest.fixture
def security(session: Session, cast: Cast) -> dict[str, str]:
    return signed_in(session, cast.security)


def test_a_person_is_shown_with_home_and_roles_and_a_masked_phone(
    client: TestClient, cast: Cast, staff: dict[str, str]
) -> None:
    shown = told(client.get(f"{PATH}/{cast.organiser.id}", headers=staff))
    branch = {"id": str(cast.branch.id), "name": cast.branch.name}
    assert set(shown) == SHAPE
    assert shown["phone_masked"].startswith("139****")
    assert shown["organisation"] == branch
    (grant,) = shown["grants"]
    assert set(grant) == {"id", "role", "organisation", "site", "ends_at"}
    assert (grant["role"], grant["organisation"], grant["site"]) == ("organiser", branch, None)


def test_pages_lose_nobody(client: TestClient, session: Session, cast: Cast) -> None:
    who = signed_in(session, cast.district_staff)
    ids = walked(client, PATH, who, 2)
    assert len(ids) == len(set(ids)) == 7
    assert walked(client, PATH, who, 3, role="site_manager") == [str(cast.manager.id)]


@pytest.mark.parametrize("path", [PATH, f"{PATH}/{NOBODY}"])
def test_a_stranger_signs_in_first(client: TestClient, path: str) -> None:
    refused(client.get(path), 401, "unauthenticated")


def test_lists_are_for_who_keeps_or_watches_accounts(
    client: TestClient, session: Session, cast: Cast
) -> None:
    answer = client.get(PATH, headers=signed_in(session, cast.member))
    assert "organiser" in refused(answer, 403, "not-in-scope")["roles"]
    refused(
        client.get(f"{PATH}?cursor=x", headers=signed_in(session, cast.auditor)),
        422,
        "cursor-unreadable",
    )


def test_a_foreign_account_is_not_there(
    client: TestClient, session: Session, cast: Cast, staff: dict[str, str]
) -> None:
    path = f"{PATH}/{cast.stranger.id}"
    held = session.exec(select(Grant.id).where(Grant.account_id == cast.stranger.id)).one()
    grant = {"role": "member", "organisation_id": str(cast.branch.id)}
    for answer in (
        client.get(path, headers=staff),
        client.patch(path, json={"name": "x"}, headers=staff | {"If-Match": "1"}),
        client.post(f"{path}/code", headers=staff),
        client.post(f"{path}/grants", json=grant, headers=staff),
        client.delete(f"{path}/grants/{held}", headers=staff),
        client.delete(path, headers=staff),
    ):
        refused(answer, 404, "user-not-found")


def new(cast: Cast, **more: object) -> Body:
    return {"name": "新人", "phone": PHONE, "organisation_id": str(cast.branch.id)} | more


def test_a_new_person_sets_a_password_with_the_code(
    client: TestClient, cast: Cast, staff: dict[str, str]
) -> None:
    made = done_once(client, PATH, staff, new(cast), 201)
    assert made["user"]["phone_masked"] == "138****1234"
    assert made["user"]["grants"] == []
    password = "示例-Password-2026"  # noqa: S105
    first = {"phone": PHONE, "code": made["one_time_code"]["code"], "new_password": password}
    assert client.post("/api/v1/auth/password", json=first).status_code == 204
    told(client.post("/api/v1/auth/token", data={"username": PHONE, "password": password}))


def test_what_cannot_be_made_is_told(
    client: TestClient, session: Session, cast: Cast, staff: dict[str, str]
) -> None:
    def asked(**more: object) -> Response:
        return client.post(PATH, json=new(cast, **more), headers=staff)

    refused(asked(phone="12"), 422, "invalid-phone")
    elsewhere = str(cast.other_branch.id)
    refused(asked(organisation_id=elsewhere), 404, "organisation-not-found")
    refused(asked(organisation_id=None), 403, "not-in-scope")
    assert pointers(asked(name="")) == {"/name"}
    assert pointers(asked(name="字" * 41)) == {"/name"}
    told(asked(), 201)
    refused(asked(), 409, "phone-taken")


def test_a_change_names_the_version_it_was_made_to(
    client: TestClient, cast: Cast, staff: dict[str, str]
) -> None:
    path = f"{PATH}/{cast.member.id}"
    match = staff | {"If-Match": '"1"'}
    assert pointers(client.patch(path, json={}, headers=staff)) == {"/header/If-Match"}
    after = told(client.patch(path, json={"name": "改名", "phone": None}, headers=match))
    assert (after["name"], after["version"], after["active"]) == ("改名", 2, True)
    assert after["organisation"]["id"] == str(cast.branch.id)
    refused(client.patch(path, json={"name": "再改"}, headers=match), 412, "stale")


def test_a_home_is_cleared_by_null_alone(
    client: TestClient, session: Session, cast: Cast, staff: dict[str, str]
) -> None:
    path, match = f"{PATH}/{cast.member.id}", {"If-Match": "1"}
    null = {"organisation_id": None}
    refused(client.patch(path, json=null, headers=staff | match), 403, "not-in-scope")
    admin = signed_in(session, cast.sysadmin) | match
    assert told(client.patch(path, json=null, headers=admin))["organisation"] is None


def test_a_deactivated_person_is_out_at_once(
    client: TestClient, session: Session, cast: Cast, staff: dict[str, str]
) -> None:
    theirs = signed_in(session, cast.member)
    told(client.get("/api/v1/me", headers=theirs))
    path, match = f"{PATH}/{cast.member.id}", staff | {"If-Match": "1"}
    assert told(client.patch(path, json={"active": False}, headers=match))["active"] is False
    refused(client.get("/api/v1/me", headers=theirs), 401, "unauthenticated")


def test_the_last_administrator_stays(client: TestClient, session: Session, cast: Cast) -> None:
    admin = signed_in(session, cast.sysadmin)
    path = f"{PATH}/{cast.security.id}"
    gone = client.patch(path, json={"active": False}, headers=admin | {"If-Match": "1"})
    assert refused(gone, 409, "last-of-its-office")["role"] == "security_admin"
    refused(client.delete(path, headers=admin), 409, "last-of-its-office")
    refused(client.delete(f"{PATH}/{cast.sysadmin.id}", headers=admin), 403, "not-for-oneself")


def test_a_reset_answers_one_code(client: TestClient, cast: Cast, staff: dict[str, str]) -> None:
    code = done_once(client, f"{PATH}/{cast.member.id}/code", staff, None, 201)
    assert set(code) == {"code", "expires_at"}


def test_a_role_is_given_and_taken(
    client: TestClient, session: Session, cast: Cast, staff: dict[str, str]
) -> None:
    path = f"{PATH}/{cast.member.id}/grants"
    wanted = {
        "role": "site_manager",
        "site_id": str(cast.site.id),
        "ends_at": "2026-12-31T00:00:00+08:00",
    }
    given = done_once(client, path, staff, wanted, 201)
    assert given["site"] == {"id": str(cast.site.id), "name": cast.site.name}
    assert given["ends_at"] == "2026-12-30T16:00:00Z"
    kept = session.exec(select(Grant).where(col(Grant.site_id) == cast.site.id)).all()
    assert cast.town_staff.id in {grant.granted_by for grant in kept}
    refused(client.post(path, json=wanted, headers=staff), 409, "already-granted")
    assert client.delete(f"{path}/{given['id']}", headers=staff).status_code == 204
    refused(client.delete(f"{path}/{given['id']}", headers=staff), 404, "grant-not-found")


@pytest.mark.parametrize(
    ("wanted", "status", "code"),
    [
        ({"role": "auditor"}, 422, "scope-unfit"),
        ({"role": "organiser", "organisation_id": NOBODY}, 404, "place-not-found"),
        ({"role": "site_manager", "site_id": NOBODY}, 404, "place-not-found"),
        ({"role": "system_admin", "ends_at": "2026-01-01T00:00:00Z"}, 422, "ends-in-the-past"),
        ({"role": "system_admin", "ends_at": "9999-12-31T23:59:59-12:00"}, 422, None),
        ({"role": "system_admin", "ends_at": "0001-01-01T00:00:00+12:00"}, 422, "ends-in-the-past"),
        ({"role": "queen"}, 422, None),
    ],
)
def test_what_cannot_be_given_is_told(
    client: TestClient,
    cast: Cast,
    security: dict[str, str],
    wanted: Body,
    status: int,
    code: str | None,
) -> None:
    answer = client.post(f"{PATH}/{cast.member.id}/grants", json=wanted, headers=security)
    refused(answer, status, code or "malformed-request")


def test_the_three_offices_are_apart(
    client: TestClient, session: Session, cast: Cast, security: dict[str, str]
) -> None:
    path = f"{PATH}/{cast.auditor.id}/grants"
    answer = client.post(path, json={"role": "system_admin"}, headers=security)
    refused(answer, 409, "offices-apart")
    own = f"{PATH}/{cast.security.id}/grants"
    answer = client.post(own, json={"role": "system_admin"}, headers=security)
    refused(answer, 403, "not-for-oneself")


def test_who_looks_at_accounts_is_written_down(own_client: TestClient, own_engine: Engine) -> None:
    with Session(own_engine, expire_on_commit=False) as session, session.begin():
        cast = make_cast(session)
        who = signed_in(session, cast.town_staff)
    told(own_client.get(PATH, params={"q": "13800009999"}, headers=who))
    told(own_client.get(f"{PATH}/{cast.member.id}", headers=who))
    with Session(own_engine) as session:
        noted = select(AuditEvent).where(AuditEvent.noun == "account", AuditEvent.action == "read")
        search, look = session.exec(noted.order_by(col(AuditEvent.number))).all()
    assert search.after == {"count": 0, "searched": True, "ids": []}
    assert (look.row_id, look.actor_id) == (str(cast.member.id), cast.town_staff.id)
    assert (look.actor_role, look.district_id) == ("town_staff", cast.district.id)


def test_an_account_without_a_home_is_shown(client: TestClient, session: Session) -> None:
    admin = make_account(session, Role.SYSTEM_ADMIN)
    shown = told(client.get(f"{PATH}/{admin.id}", headers=signed_in(session, admin)))
    assert shown["organisation"] is None
