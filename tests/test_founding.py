"""From an empty database to the first person who can sign in."""

import os
import subprocess
import sys

from fastapi.testclient import TestClient
from sqlalchemy import Engine
from sqlmodel import Session, select

from app import clock
from app.main import create_app
from app.models import AuditEvent, Organisation, Role
from app.services import policies
from app.settings import Env, Settings
from tests.api.replies import told

PHONE = "13800001234"
PASSWORD = "Chun-2026-11"  # noqa: S105
DISTRICT = ("found", "district", "370302", "中共淄川区委", "淄川区")


def command(engine: Engine, *words: str) -> subprocess.CompletedProcess[str]:
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    return subprocess.run(  # noqa: S603
        [sys.executable, "-m", "app", *words],
        env=os.environ | {"APP_DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_first_administrator_gets_in(own_engine: Engine) -> None:
    assert command(own_engine, *DISTRICT).returncode == 0
    done = command(own_engine, "found", "appoint", Role.SYSTEM_ADMIN, "张三", PHONE)
    assert done.returncode == 0, done.stderr
    client = TestClient(create_app(own_engine, Settings(env=Env.TEST)))
    body = {"phone": PHONE, "code": done.stdout.strip(), "new_password": PASSWORD}
    assert client.post("/api/v1/auth/password", json=body).status_code == 204
    form = {"username": PHONE, "password": PASSWORD}
    token = told(client.post("/api/v1/auth/token", data=form))["access_token"]
    me = told(client.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"}))
    assert [grant["role"] for grant in me["grants"]] == ["system_admin"]
    with Session(own_engine) as session:
        district = session.exec(select(Organisation)).one()
        assert district.place == "淄川区"
        rules = policies.in_force(session, district_id=district.id, now=clock.now())
        assert rules.district.horizon_days == 60
        made = session.exec(select(AuditEvent).where(AuditEvent.noun == "role_grant")).one()
        assert (made.actor_id, made.actor_role, made.action) == (None, None, "create")


def test_what_cannot_be_is_told_in_a_sentence(own_engine: Engine) -> None:
    assert command(own_engine, *DISTRICT).returncode == 0
    again = command(own_engine, *DISTRICT)
    assert (again.returncode, "党组织代码已存在" in again.stderr) == (1, True)
    nowhere = ("found", "appoint", Role.AUDITOR, "李四", PHONE)
    for more, reason in (
        ((), "角色与授权范围不符"),
        (("--organisation", "NOPE"), "未找到该党组织"),
    ):
        refused = command(own_engine, *nowhere, *more)
        assert (refused.returncode, reason in refused.stderr) == (1, True), refused.stderr
        assert "Traceback" not in refused.stderr
