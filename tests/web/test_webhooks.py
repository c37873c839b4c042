"""Webhooks on the pages: made with a secret that is shown once, tried, turned, deleted."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import URL
from sqlmodel import Session, select

from app import clock
from app.channels.webhook import shown
from app.db import create_engine
from app.models import DeliveryState, Grant, Role, Webhook, WebhookAttempt, WebhookDelivery
from app.services import privacy
from tests.conftest import database, plain
from tests.live import Live, served
from tests.makers import make_world
from tests.web.conftest import DESK, PHONE, OpenPage, picture
from tests.web.steps import account, go, log_in
from tests.web.test_claims import enlist

PUBLIC = "https://8.8.8.8/hook"
"""Nobody is asked there: an address is looked up when it is saved, and called by a job alone."""


@pytest.fixture(scope="module")
def live(server: URL, template: str) -> Iterator[Live]:
    """A server of a district without webhooks."""
    with database(server, template) as url:
        engine = create_engine(plain(url))
        with Session(engine) as session, session.begin():
            world = make_world(session)
            people = [
                enlist(session, Role.DISTRICT_STAFF, world.district, "13600000001"),
                enlist(session, Role.AUDITOR, world.district, "13600000002"),
            ]
        with served(url) as address:
            yield Live(address, people, engine)
        engine.dispose()


def kept_secret(live: Live) -> str:
    """The secret of the only webhook, as its receiver is told it."""
    with Session(live.engine) as session:
        return shown(privacy.unseal_bytes(session.exec(select(Webhook)).one().secret_sealed))


def give_up(live: Live) -> None:
    """Have the only delivery fail for good, as a job does after three days."""
    with Session(live.engine) as session, session.begin():
        owed = session.exec(select(WebhookDelivery)).one()
        owed.state, owed.status, owed.attempts = DeliveryState.FAILED, 500, 1
        owed.ended_at = owed.first_tried_at = now = clock.now()
        session.add(WebhookAttempt(delivery_id=owed.id, number=1, at=now, status=500))


def agree(page: Page) -> None:
    page.get_by_role("dialog").get_by_role("button", name="确认", exact=True).click()


def close(sheet: Locator) -> None:
    sheet.locator(".van-popup__close-icon").click()
    expect(sheet).to_have_count(0)


def test_a_webhook_from_its_making_to_its_end(live: Live, open_page: OpenPage) -> None:
    page = open_page(PHONE)
    go(page, live, "/login")
    log_in(page, account(live, Role.DISTRICT_STAFF))
    go(page, live, "/me")
    page.get_by_text("回调", exact=True).click()
    page.get_by_role("button", name="新建").click()
    form = page.get_by_role("dialog", name="新建回调")
    address = form.get_by_label("接收地址")
    address.fill("https://10.0.0.8/hook")
    form.get_by_text("全部补单事件").click()
    form.get_by_role("button", name="新建").click()
    expect(form.get_by_role("alert")).to_contain_text("不允许使用该回调地址")
    # Refused, and nothing that was typed is lost.
    expect(address).to_have_value("https://10.0.0.8/hook")
    expect(form.get_by_label("全部补单事件")).not_to_be_checked()
    picture(page, "webhook-refused")
    address.fill(PUBLIC)
    form.get_by_role("button", name="新建").click()

    told = page.get_by_role("dialog", name="签名密钥")
    secret = told.get_by_label("密钥", exact=True)
    expect(secret).to_be_visible()
    expect(secret).to_have_value(kept_secret(live))
    picture(page, "webhook-secret")
    first = secret.input_value()
    close(told)
    card = page.get_by_role("article", name=PUBLIC)
    expect(card).to_contain_text("全部预约事件")
    expect(page.get_by_text(first)).to_have_count(0)
    picture(page, "webhooks")

    card.get_by_role("button", name="更换密钥").click()
    agree(page)
    expect(secret).to_be_visible()
    assert secret.input_value() != first
    expect(secret).to_have_value(kept_secret(live))
    close(told)

    card.get_by_role("button", name="发送测试").click()
    expect(page.get_by_text("已排队，结果见投递记录")).to_be_visible()
    give_up(live)
    card.get_by_role("button", name="投递记录").click()
    log = page.get_by_role("article", name="测试")
    expect(log).to_contain_text("已放弃")
    expect(log).to_contain_text("HTTP 500")
    picture(page, "webhook-log")
    log.get_by_role("button", name="再发一次").click()
    expect(log).to_contain_text("等待发送")
    # The attempts that were made stay on record.
    expect(log).to_contain_text("HTTP 500")

    page.get_by_role("button", name="返回").click()
    card.get_by_role("button", name="删除").click()
    agree(page)
    expect(page.get_by_text("还没有回调")).to_be_visible()
    with Session(live.engine) as session:
        assert session.exec(select(Webhook)).all() == []


def test_an_auditor_reads_only(live: Live, open_page: OpenPage) -> None:
    with Session(live.engine) as session, session.begin():
        staff = session.exec(select(Grant).where(Grant.role == Role.DISTRICT_STAFF)).all()[-1]
        assert staff.organisation_id
        made = Webhook(
            district_id=staff.organisation_id,
            url=f"{PUBLIC}/read",
            secret_sealed=privacy.seal_bytes(b"secret"),
            events=["booking.*"],
            created_by=staff.account_id,
        )
        session.add(made)
    page = open_page(DESK)
    go(page, live, "/webhooks")
    log_in(page, account(live, Role.AUDITOR))
    card = page.get_by_role("article", name=f"{PUBLIC}/read")
    expect(card.get_by_role("button")).to_have_text(["投递记录"])
    expect(page.get_by_role("button", name="新建")).to_have_count(0)
    picture(page, "webhooks-auditor")
    card.get_by_role("button", name="投递记录").click()
    expect(page.get_by_text("30 天内没有投递")).to_be_visible()
