"""Rules of ordering at the desk, and what a branch has against it, for it and for its staff."""

from datetime import timedelta

from playwright.sync_api import expect
from sqlmodel import Session, select

from app import clock
from app.models import Organisation, Policy, Role, Suspension
from tests.live import Live
from tests.web.conftest import DESK, PHONE, OpenPage, picture
from tests.web.steps import account, go, log_in


def test_the_district_writes_a_new_version(live: Live, open_page: OpenPage) -> None:
    page = open_page(PHONE)
    go(page, live, "/rules")
    log_in(page, account(live, Role.DISTRICT_STAFF))
    save = page.get_by_role("button", name="保存为新版本")
    expect(save).to_be_disabled()
    page.get_by_label("一般提前量").fill("9")
    save.click()
    expect(page.get_by_role("alert")).to_contain_text("大团队至少提前 9 个工作日")
    page.get_by_label("一般提前量").fill("3")
    page.get_by_label("线路行进速度").fill("31")
    picture(page, "rules")
    save.click()
    versions = page.get_by_role("list", name="历次版本").get_by_role("listitem")
    expect(versions).to_have_count(2)
    expect(versions.first).to_contain_text("执行中")
    expect(versions.first).to_contain_text("线路行进速度：30 → 31 公里/小时")
    expect(versions.last).to_contain_text("已被新版本替代")


def test_a_site_has_its_own_and_follows_the_district_again(live: Live, open_page: OpenPage) -> None:
    with Session(live.engine) as session:
        own = session.exec(select(Policy.site_id)).all()
    managers = (one for one in live.accounts if one.role == Role.SITE_MANAGER)
    manager = next(one for one in managers if one.site_id not in own)
    path = f"/desk/{manager.site_id}/rules"
    page = open_page(DESK)
    go(page, live, path)
    log_in(page, account(live, Role.DISTRICT_STAFF))
    expect(page.get_by_role("status")).to_contain_text("按全区规则执行")
    page.get_by_label("候补确认时限").fill("36")
    page.get_by_role("button", name="保存为新版本").click()
    expect(page.get_by_role("status")).to_contain_text("有单独的规则")

    theirs = open_page(PHONE)
    go(theirs, live, path)
    log_in(theirs, manager)
    expect(theirs.get_by_role("form", name="规则")).to_contain_text("36小时")
    expect(theirs.get_by_role("button", name="保存为新版本")).to_have_count(0)
    picture(theirs, "rules-of-a-site")

    page.get_by_role("button", name="改回全区规则").click()
    page.get_by_role("dialog").get_by_role("button", name="改回全区规则").click()
    expect(page.get_by_role("status")).to_contain_text("按全区规则执行")
    expect(page.get_by_role("list", name="历次版本")).to_contain_text("已撤销")


def test_a_suspension_is_seen_by_the_branch_and_lifted_by_staff(
    live: Live, open_page: OpenPage
) -> None:
    who = account(live, Role.ORGANISER, 2)
    assert who.organisation_id
    now = clock.now()
    with Session(live.engine) as session, session.begin():
        branch = session.get_one(Organisation, who.organisation_id)
        session.add(
            Suspension(
                district_id=branch.district_id,
                organisation_id=who.organisation_id,
                starts_at=now,
                ends_at=now + timedelta(days=90),
            )
        )
    theirs = open_page(PHONE)
    go(theirs, live, "/bookings")
    log_in(theirs, who)
    go(theirs, live, "/me")
    standing = theirs.get_by_role("region", name="违约记录")
    expect(standing).to_contain_text("暂停新预约至")
    expect(standing.get_by_role("button", name="解除暂停")).to_have_count(0)
    name = standing.get_by_role("heading").inner_text()
    picture(theirs, "standing")

    page = open_page(DESK)
    go(page, live, "/branches")
    log_in(page, account(live, Role.DISTRICT_STAFF))
    page.get_by_placeholder("支部名称").fill(name)
    page.get_by_role("button", name="查找").click()
    page.get_by_role("button", name=name, exact=True).click()
    page.get_by_role("button", name="解除暂停").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="原因").fill("因暴雨未能到场")
    dialog.get_by_role("button", name="解除暂停").click()
    expect(page.get_by_role("region", name="违约记录")).not_to_contain_text("暂停新预约至")
    picture(page, "standing-lifted")
