"""People on the pages: accounts made, roles given and taken, codes handed out, by who may."""

from collections.abc import Iterator
from datetime import UTC, datetime

import httpx2
import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import URL
from sqlmodel import Session, col, select

from app.db import create_engine
from app.models import Account, Grant, Role
from tests.conftest import database, plain
from tests.live import Live, served
from tests.makers import make_account, make_world
from tests.web.conftest import DESK, PHONE, OpenPage, picture
from tests.web.steps import account, go, log_in
from tests.web.test_claims import enlist
from tests.web.test_webhooks import agree, close

NEW_PASSWORD = "quiet-River-42-lantern"  # noqa: S105


@pytest.fixture(scope="module")
def live(server: URL, template: str) -> Iterator[Live]:
    """A server of a district with one branch, one site and those who look after them."""
    with database(server, template) as url:
        engine = create_engine(plain(url))
        with Session(engine) as session, session.begin():
            world = make_world(session)
            world.branch.name = "示例社区党支部"
            li = make_account(session, Role.MEMBER, at=world.branch, name="李四")
            li.organisation_id = world.branch.id
            people = [
                enlist(session, Role.DISTRICT_STAFF, world.district, "13600000001"),
                enlist(session, Role.AUDITOR, world.district, "13600000002"),
                enlist(session, Role.MEMBER, world.branch, "13600000003"),
            ]
        with served(url) as address:
            yield Live(address, people, engine)
        engine.dispose()


def open_people(page: Page, live: Live, role: Role) -> None:
    go(page, live, "/people")
    log_in(page, account(live, role))


def open_person(page: Page, name: str) -> None:
    page.get_by_label("姓名或手机号").fill(name)
    page.get_by_role("button", name="查找").click()
    rows = page.locator("a.row")
    expect(rows).to_have_count(1)
    rows.click()
    expect(page.get_by_role("region", name="角色")).to_be_visible()


def test_a_person_is_enlisted_and_told_a_code(live: Live, open_page: OpenPage) -> None:
    page = open_page(PHONE)
    go(page, live, "/login")
    log_in(page, account(live, Role.DISTRICT_STAFF))
    go(page, live, "/me")
    page.get_by_text("人员", exact=True).click()
    expect(page.get_by_text("支部管理员 · 示例社区党支部")).to_be_visible()
    picture(page, "people")
    page.get_by_role("button", name="新建").click()
    form = page.get_by_role("dialog", name="新建人员")
    form.get_by_label("姓名").fill("王五")
    form.get_by_label("手机号").fill("123")
    form.get_by_label("所在党组织").fill("示例社区")
    form.get_by_label("所在党组织").press("Enter")
    # Found alone, it is chosen.
    expect(form.get_by_label("示例社区党支部")).to_be_checked()
    form.get_by_role("button", name="新建").click()
    expect(form.get_by_role("alert")).to_contain_text("手机号")
    # Refused, and nothing that was typed is lost.
    expect(form.get_by_label("姓名")).to_have_value("王五")
    expect(form.get_by_label("示例社区党支部")).to_be_checked()
    picture(page, "person-refused")
    form.get_by_label("手机号").fill("13700000009")
    form.get_by_role("button", name="新建").click()
    told = page.get_by_role("dialog", name="一次性验证码")
    expect(told).to_contain_text("王五")
    code = told.get_by_label("验证码", exact=True).input_value()
    picture(page, "person-code")
    close(told)
    expect(page.get_by_text("王五")).to_be_visible()
    said = {"phone": "13700000009", "code": code, "new_password": NEW_PASSWORD}
    assert httpx2.post(f"{live.url}/api/v1/auth/password", json=said).status_code == 204


def test_a_role_is_given_until_a_day_and_taken(live: Live, open_page: OpenPage) -> None:
    page = open_page(PHONE)
    open_people(page, live, Role.DISTRICT_STAFF)
    open_person(page, "李四")
    roles = page.get_by_role("region", name="角色")
    expect(roles).to_contain_text("党员 · 示例社区党支部长期")
    roles.get_by_role("button", name="授予角色").click()
    form = page.get_by_role("dialog", name="授予角色")
    # Only what staff of a district give.
    expect(form.get_by_label("区委组织部")).to_have_count(0)
    form.get_by_text("支部管理员", exact=True).click()
    expect(form.get_by_role("button", name="授予", exact=True)).to_be_disabled()
    form.get_by_text("示例社区党支部").click()
    form.get_by_label("最后一天").fill("2031-03-31")
    picture(page, "grant")
    form.get_by_role("button", name="授予", exact=True).click()
    expect(roles).to_contain_text("支部管理员 · 示例社区党支部到 2031年4月1日 周二 00:00 为止")
    picture(page, "person")
    with Session(live.engine) as session:
        held = select(Grant).join(Account, col(Account.id) == Grant.account_id)
        given = session.exec(held.where(Account.name == "李四", Grant.role == "organiser")).one()
        assert given.ends_at == datetime(2031, 3, 31, 16, tzinfo=UTC)

    roles.get_by_role("button", name="授予角色").click()
    form.get_by_text("支部管理员", exact=True).click()
    form.get_by_text("示例社区党支部").click()
    form.get_by_role("button", name="授予", exact=True).click()
    expect(form.get_by_role("alert")).to_contain_text("该人员已有此角色")
    form.get_by_text("阵地管理员", exact=True).click()
    # The only site is chosen by itself.
    form.get_by_role("button", name="授予", exact=True).click()
    expect(roles).to_contain_text("阵地管理员 · ")
    roles.get_by_role("button", name="收回支部管理员").click()
    agree(page)
    expect(roles.get_by_role("listitem")).to_have_count(2)
    expect(roles.get_by_text("支部管理员")).to_have_count(0)
    with Session(live.engine) as session:
        assert session.get(Grant, given.id) is None


def test_an_account_is_stopped_and_given_a_new_code(live: Live, open_page: OpenPage) -> None:
    page = open_page(DESK)
    open_people(page, live, Role.DISTRICT_STAFF)
    open_person(page, "李四")
    with Session(live.engine) as session, session.begin():
        session.exec(select(Account).where(Account.name == "李四")).one().version += 1
    page.get_by_role("button", name="停用账号").click()
    agree(page)
    # Somebody else has changed it meanwhile: it is read anew, and nothing is done.
    expect(page.get_by_role("alert")).to_contain_text("内容已被他人修改")
    expect(page.get_by_text("已停用")).to_have_count(0)
    page.get_by_role("button", name="停用账号").click()
    agree(page)
    expect(page.get_by_role("button", name="启用账号")).to_be_visible()
    page.get_by_role("button", name="启用账号").click()
    agree(page)
    expect(page.get_by_role("button", name="停用账号")).to_be_visible()
    page.get_by_role("button", name="发放一次性验证码").click()
    agree(page)
    told = page.get_by_role("dialog", name="一次性验证码")
    expect(told.get_by_label("验证码", exact=True)).not_to_have_value("")
    picture(page, "person-code")


def test_nobody_does_it_for_themselves(live: Live, open_page: OpenPage) -> None:
    page = open_page(DESK)
    open_people(page, live, Role.DISTRICT_STAFF)
    open_person(page, account(live, Role.DISTRICT_STAFF).phone)
    expect(page.get_by_text("不得为本人办理")).to_be_visible()
    for name in ("授予角色", "停用账号", "发放一次性验证码", "收回"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)


def test_an_auditor_only_looks_and_others_do_not(live: Live, open_page: OpenPage) -> None:
    auditor = open_page(DESK)
    open_people(auditor, live, Role.AUDITOR)
    expect(auditor.get_by_role("button", name="新建")).to_have_count(0)
    auditor.get_by_label("角色").select_option("member")
    expect(auditor.locator("a.row")).to_have_count(2)
    picture(auditor, "people-auditor")
    open_person(auditor, "李四")
    for name in ("授予角色", "停用账号", "发放一次性验证码", "收回"):
        expect(auditor.get_by_role("button", name=name)).to_have_count(0)

    other = open_page(DESK)
    open_people(other, live, Role.MEMBER)
    expect(other.get_by_role("alert")).to_be_visible()
    expect(other.locator("a.row")).to_have_count(0)
    go(other, live, "/me")
    expect(other.get_by_text("提醒方式")).to_be_visible()
    expect(other.get_by_text("人员", exact=True)).to_have_count(0)
