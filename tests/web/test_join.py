"""An outside branch asks in, and the district answers."""

from playwright.sync_api import expect
from sqlmodel import Session, select

from app.models import Organisation, Registration, Role
from tests.live import Live
from tests.web.conftest import PHONE, OpenPage, picture
from tests.web.steps import account, go, log_in


def test_a_branch_asks_in_and_is_let_in(live: Live, open_page: OpenPage) -> None:
    page = open_page(PHONE)
    go(page, live, "/login")
    page.get_by_role("link", name="区外支部申请入驻").click()
    page.get_by_label("受理单位").select_option(index=1)
    page.get_by_role("textbox", name="支部名称").fill("邻区示例党支部")
    page.get_by_role("textbox", name="所在地").fill("邻区示例街道")
    page.get_by_role("textbox", name="党员人数").fill("28")
    page.get_by_role("textbox", name="联系人").fill("孙组织")
    page.get_by_role("textbox", name="手机号").fill("12")
    page.get_by_role("button", name="提交申请").click()
    expect(page.get_by_role("alert").filter(has_text="手机号码有误")).to_be_visible()
    picture(page, "join")
    page.get_by_role("textbox", name="手机号").fill("13777770077")
    page.get_by_role("button", name="提交申请").click()
    expect(page.get_by_text("申请已提交")).to_be_visible()

    go(page, live, "/registrations")
    log_in(page, account(live, Role.DISTRICT_STAFF))
    page.get_by_role("button", name="邻区示例党支部").click()
    expect(page.get_by_text("+8613777770077")).to_be_visible()
    picture(page, "registrations")
    page.get_by_role("button", name="通过", exact=True).click()
    page.get_by_role("button", name="确认").click()
    expect(page.get_by_text("一次性口令")).to_be_visible()
    page.get_by_role("button", name="确认").click()
    expect(page.get_by_role("button", name="邻区示例党支部")).to_contain_text("已通过")

    with Session(live.engine) as session:
        asked = select(Registration).where(Registration.home == "邻区示例街道")
        branch = session.get_one(Organisation, session.exec(asked).one().branch_id)
        assert (branch.outside, branch.member_count) == (True, 28)
