"""What did not go out and what jobs cannot get done, as staff of the district see it."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import expect
from sqlalchemy import URL
from sqlmodel import Session, select

from app import clock
from app.db import create_engine
from app.models import Delivery, JobBeat, JobRow, Notification, Role
from tests.conftest import database, plain
from tests.live import Live, served
from tests.makers import make_booking, make_delivery, make_job_row, make_world
from tests.web.conftest import DESK, PHONE, OpenPage, picture
from tests.web.steps import account, go, log_in
from tests.web.test_claims import enlist


@pytest.fixture(scope="module")
def live(server: URL, template: str) -> Iterator[Live]:
    """A server with a letter that failed, one that was missed, and two jobs, one of them late."""
    with database(server, template) as url:
        engine = create_engine(plain(url))
        now = clock.now()
        with Session(engine) as session, session.begin():
            world = make_world(session)
            booking = make_booking(session, world)
            about = select(Notification).where(Notification.booking_id == booking.id)
            message = session.exec(about).all()[0]
            make_delivery(session, message, district=world.district)
            missed = {"channel": "email", "status": "missed", "reason": "too-late"}
            make_delivery(session, message, district=world.district, **missed)
            since = now - timedelta(days=1)
            for job, ago in (("mark-no-shows", timedelta()), ("remind", timedelta(hours=3))):
                beat = JobBeat(job=job, seconds=3600, touched=7, failed=8, known_since=since)
                beat.last_started_at, beat.last_ok_at = now, now - ago
                session.add(beat)
            make_job_row(session)
            people = [
                enlist(session, Role.DISTRICT_STAFF, world.district, "13600000001"),
                enlist(session, Role.TOWN_STAFF, world.town, "13600000002"),
            ]
        with served(url) as address:
            yield Live(address, people, engine)
        engine.dispose()


def test_a_letter_that_failed_is_sent_again(live: Live, open_page: OpenPage) -> None:
    page = open_page(PHONE)
    go(page, live, "/login")
    log_in(page, account(live, Role.DISTRICT_STAFF))
    go(page, live, "/me")
    page.get_by_text("发件箱").click()
    rows = page.get_by_role("article")
    expect(rows).to_have_count(2)
    failed = rows.filter(has_text="发送失败")
    expect(failed).to_contain_text("新预约待接单")
    expect(failed).to_contain_text("原因：服务商拒绝发送")
    # What would come too late is not sent by anybody.
    missed = rows.filter(has_text="已过时效，不再发送")
    expect(missed.get_by_role("button")).to_have_count(0)
    picture(page, "outbox")
    page.get_by_text("邮件", exact=True).click()
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("已过时效，不再发送")
    page.get_by_role("group", name="方式").get_by_text("全部").click()
    page.get_by_role("group", name="状态").get_by_text("发送失败").click()
    expect(rows).to_have_count(1)
    rows.get_by_role("button", name="再发一次").click()
    expect(page.get_by_text("将随下一批发送")).to_be_visible()
    expect(rows).to_contain_text("等待重试")
    with Session(live.engine) as session:
        kept = session.exec(select(Delivery).where(Delivery.channel == "sms")).one()
        assert (kept.status, kept.attempts) == ("waiting", 0)


def test_a_refusal_is_told_beside_the_letter(live: Live, open_page: OpenPage) -> None:
    with Session(live.engine) as session, session.begin():
        kept = session.exec(select(Delivery).where(Delivery.channel == "sms")).one()
        kept.status, kept.reason, kept.settled_at = "failed", "refused", clock.now()
    page = open_page(DESK)
    go(page, live, "/outbox")
    log_in(page, account(live, Role.DISTRICT_STAFF))
    row = page.get_by_role("article").filter(has_text="发送失败")
    expect(row).to_have_count(1)
    with Session(live.engine) as session, session.begin():
        kept = session.exec(select(Delivery).where(Delivery.channel == "sms")).one()
        kept.status, kept.reason = "delivered", None
    row.get_by_role("button", name="再发一次").click()
    expect(row.get_by_role("alert")).to_contain_text("仅发送失败或待重试的消息可以重发")
    picture(page, "outbox-refused")


def test_late_jobs_and_parked_rows_come_first(live: Live, open_page: OpenPage) -> None:
    page = open_page(PHONE)
    go(page, live, "/jobs")
    log_in(page, account(live, Role.DISTRICT_STAFF))
    jobs = page.get_by_role("article")
    expect(jobs).to_have_count(2)
    expect(jobs.first).to_contain_text(re.compile("写提醒.*迟 (2 小时|120 分钟)"))
    parked = jobs.nth(1)
    expect(parked).to_contain_text("标记爽约")
    expect(parked).to_contain_text("已搁置 · 失败 8 次")
    picture(page, "jobs")
    parked.get_by_role("button", name="重试").click()
    expect(page.get_by_text("下次运行时重试")).to_be_visible()
    expect(parked.get_by_role("button", name="重试")).to_have_count(0)
    with Session(live.engine) as session:
        assert session.exec(select(JobRow)).all() == []


@pytest.mark.parametrize("path", ["/outbox", "/jobs"])
def test_others_are_told_that_it_is_not_theirs(live: Live, open_page: OpenPage, path: str) -> None:
    page = open_page(DESK)
    go(page, live, path)
    log_in(page, account(live, Role.TOWN_STAFF))
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_role("article")).to_have_count(0)
    go(page, live, "/me")
    expect(page.get_by_text("提醒方式")).to_be_visible()
    for entry in ("发件箱", "任务", "回调"):
        expect(page.get_by_text(entry, exact=True)).to_have_count(0)
