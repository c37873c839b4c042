"""Who may do what: one line an operation. `tests/test_permissions.py` sends them all.

Roles by their letters:

    m member        o organiser     s site_manager   t town_staff      d district_staff
    f fund_officer  p fund_approver a auditor        x system_admin    z security_admin

Answers, each sent to the actor's own row, to the same row of another district, and by somebody
whose grant has ended:

    PUBLIC     everybody, without signing in
    SIGNED_IN  everybody who is signed in; what they get is their own
    ROLE       `may` are answered, all others get 403, wherever they are
    ROW        `may` are answered; who `sees` the row, but may not, gets 403; to all others it is
               not there (404), and so it is in a foreign district, but to those `everywhere`
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from app.models import Role
from tests.pictures import a_picture

LETTERS = {
    "m": Role.MEMBER,
    "o": Role.ORGANISER,
    "s": Role.SITE_MANAGER,
    "t": Role.TOWN_STAFF,
    "d": Role.DISTRICT_STAFF,
    "f": Role.FUND_OFFICER,
    "p": Role.FUND_APPROVER,
    "a": Role.AUDITOR,
    "x": Role.SYSTEM_ADMIN,
    "z": Role.SECURITY_ADMIN,
}


class Reach(StrEnum):
    """How far an operation's answer depends on who asks."""

    PUBLIC = "public"
    SIGNED_IN = "signed in"
    ROLE = "role"
    ROW = "row"


PUBLIC, SIGNED_IN, ROLE, ROW = Reach


@dataclass(frozen=True)
class Ground:
    """The ids of one district's rows, by their names in paths and bodies."""

    ids: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.ids[name]


EXPORT = {"table": "bookings", "media": "csv", "from": "2026-01-01", "to": "2026-12-31"}
Body = Callable[[Ground], dict[str, Any]]


@dataclass(frozen=True)
class Rule:
    """One line of the table, and a request that nothing but permission speaks against."""

    reach: Reach
    may: str = ""
    sees: str = ""
    everywhere: str = ""
    json: Body | None = None
    form: Body | None = None
    files: Body | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


def order(ground: Ground) -> dict[str, Any]:
    return {
        "session_ids": [ground["session_id"]],
        "programme_ids": [ground["programme_id"]],
        "organisation_id": ground["organisation_id"],
        "people_expected": 5,
        "purpose": "theme_party_day",
        "contact_name": "王组织",
        "contact_phone": "13800000000",
    }


def route(ground: Ground) -> dict[str, Any]:
    """Both stops are the same session, which no rule allows."""
    terms = order(ground)
    stop = {"session_ids": terms.pop("session_ids"), "programme_ids": terms.pop("programme_ids")}
    return {"kind": "route", **terms, "stops": [stop, stop], "on_conflict": "skip"}


def wish(ground: Ground) -> dict[str, Any]:
    return {name: value for name, value in order(ground).items() if name != "session_ids"}


def newcomer(ground: Ground) -> dict[str, Any]:
    return {"name": "新人", "phone": "13700000000", "organisation_id": ground["organisation_id"]}


def membership(ground: Ground) -> dict[str, Any]:
    return {"role": "member", "organisation_id": ground["organisation_id"]}


def request_to_join(ground: Ground) -> dict[str, Any]:
    return {
        "organisation_id": ground["town_id"],
        "name": "区外党支部",
        "home": "邻区",
        "member_count": 9,
        "contact_name": "赵组织",
        "contact_phone": "13700000001",
    }


def new_password(ground: Ground) -> dict[str, Any]:
    return {"current_password": ground["password"], "new_password": "Another-7-horse-farm"}


def sapling(ground: Ground) -> dict[str, Any]:
    return {
        "code": "NEW1",
        "name": "新建党支部",
        "kind": "branch",
        "parent_id": ground["town_id"],
        "member_count": 9,
    }


def hook(ground: Ground) -> dict[str, Any]:
    """An address that nobody has to look up."""
    return {
        "district_id": ground["district_id"],
        "url": "https://93.184.215.14/hook",
        "events": ["booking.*"],
    }


def location(_: Ground) -> dict[str, Any]:
    return {"lon": 117.97, "lat": 36.64, "crs": "wgs84"}


def new_site(ground: Ground) -> dict[str, Any]:
    return {
        "code": "NEW1",
        "name": "新阵地",
        "short_name": "新阵地",
        "category": "rural",
        "kinds": ["education_base"],
        "town_id": ground["town_id"],
        "address": "示例路 1 号",
        "location": location(ground),
    }


def weekly(_: Ground) -> dict[str, Any]:
    hours = [{"starts": "06:00", "ends": "07:00"}]
    return {"weekdays": [1], "hours": hours, "valid_from": "2026-12-01"}


def spell(hours: int) -> dict[str, Any]:
    begin = datetime(2026, 12, 5, 16, tzinfo=UTC)
    return {
        "starts_at": begin.isoformat(),
        "ends_at": (begin + timedelta(hours=hours)).isoformat(),
    }


def menu_item(_: Ground) -> dict[str, Any]:
    return {"kind": "visit", "name": "参观", "minutes": 30, "people_limit": 30}


def rules(_: Ground) -> dict[str, Any]:
    return {
        "lead_working_days": 3,
        "lead_working_days_large": 5,
        "large_party_people": 50,
        "horizon_days": 60,
        "answer_working_days": 1,
        "free_cancel_working_days": 2,
        "approval_mode": "manual",
        "open_bookings_limit": 2,
        "late_cancel_strikes": 1,
        "no_show_strikes": 2,
        "strikes_limit": 3,
        "strike_months": 12,
        "suspension_days": 90,
        "offer_hours": 24,
        "travel_km_per_hour": 30,
    }


def look(ground: Ground) -> dict[str, Any]:
    return {
        "booking_id": ground["done_id"],
        "kind": "unconfirmed_by_branch",
        "note": "已核实",
    }


def lines(ground: Ground) -> dict[str, Any]:
    return {"booking_ids": [ground["done_id"]], "reason": "因故"}


def subsidy_terms(_: Ground) -> dict[str, Any]:
    return {
        "valid_from": "2026-12-01",
        "base_fen": 10_000,
        "per_head_fen": 500,
        "head_cap": 40,
        "visit_cap_fen": 25_000,
    }


def new_subsidy_rule(ground: Ground) -> dict[str, Any]:
    return subsidy_terms(ground) | {"organisation_id": ground["district_id"], "code": "NEW1"}


def imagined_visit(ground: Ground) -> dict[str, Any]:
    return {
        "organisation_id": ground["district_id"],
        "day": "2026-12-01",
        "people": 9,
        "site_id": ground["site_id"],
        "branch_id": ground["organisation_id"],
    }


def nothing(_: Ground) -> dict[str, Any]:
    return {}


def reason(_: Ground) -> dict[str, Any]:
    return {"reason": "因故"}


RULES: dict[str, Rule] = {
    # signing in
    "signIn": Rule(PUBLIC, form=lambda g: {"username": g["phone"], "password": g["password"]}),
    "refreshToken": Rule(PUBLIC, json=lambda g: {"refresh_token": g["refresh_token"]}),
    "signOut": Rule(PUBLIC, json=lambda g: {"refresh_token": g["refresh_token"]}),
    "setPassword": Rule(PUBLIC, json=lambda g: {"phone": g["phone"], **new_password(g)}),
    "signInByWechat": Rule(PUBLIC, json=lambda _: {"code": "0a3Xyz"}),
    "startOidc": Rule(PUBLIC),
    "signInByOidc": Rule(PUBLIC, json=lambda _: {"code": "Spl", "state": "dF9"}),
    "changeMyPassword": Rule(SIGNED_IN, json=new_password),
    "getMe": Rule(SIGNED_IN),
    "changeMe": Rule(SIGNED_IN, json=lambda _: {"name": "新名"}, headers={"If-Match": "1"}),
    "listMyGrants": Rule(SIGNED_IN),
    # people
    "listUsers": Rule(ROLE, may="otdaxz", everywhere="xz"),
    "getUser": Rule(ROW, may="otdaxz", everywhere="xz"),
    "createUser": Rule(ROW, may="otdx", sees="maz", everywhere="xz", json=newcomer),
    "changeUser": Rule(
        ROW,
        may="otdx",
        sees="az",
        everywhere="xz",
        json=lambda _: {"name": "改名"},
        headers={"If-Match": "1"},
    ),
    "resetUser": Rule(ROW, may="otdx", sees="az", everywhere="xz"),
    "giveRole": Rule(ROW, may="otdz", sees="ax", everywhere="xz", json=membership),
    "takeRole": Rule(ROW, may="otdz", sees="ax", everywhere="xz"),
    "eraseUser": Rule(ROW, may="x", sees="otdaz", everywhere="xz"),
    # organisations
    "listOrganisations": Rule(SIGNED_IN, everywhere="xz"),
    "getOrganisation": Rule(ROW, may="motdaxz", everywhere="xz"),
    "createOrganisation": Rule(ROW, may="td", sees="axz", everywhere="xz", json=sapling),
    "changeOrganisation": Rule(
        ROW,
        may="td",
        sees="moaxz",
        everywhere="xz",
        json=lambda _: {"name": "改名"},
        headers={"If-Match": "1"},
    ),
    "importOrganisations": Rule(
        ROLE, may="td", files=lambda _: {"file": ("a.csv", b"code,name,kind,parent_code")}
    ),
    # rules of ordering, and who broke them
    "listPolicies": Rule(ROW, may="tda", sees="moxz", everywhere="xz"),
    "createPolicy": Rule(
        ROW, may="d", sees="motaxz", everywhere="xz", json=rules, headers={"If-Match": "1"}
    ),
    "listSitePolicies": Rule(ROW, may="stda"),
    "createSitePolicy": Rule(ROW, may="d", sees="sta", json=rules, headers={"If-Match": "1"}),
    "withdrawSitePolicies": Rule(ROW, may="d", sees="sta", headers={"If-Match": "1"}),
    "getStanding": Rule(ROW, may="motda", sees="xz", everywhere="xz"),
    "liftSuspension": Rule(ROW, may="td", sees="moaxz", everywhere="xz", json=reason),
    # outside branches
    "askIn": Rule(PUBLIC, json=request_to_join),
    "listRegistrations": Rule(SIGNED_IN),
    "getRegistration": Rule(ROW, may="tda"),
    "approveRegistration": Rule(ROW, may="td", sees="a"),
    "rejectRegistration": Rule(ROW, may="td", sees="a", json=reason),
    # the map
    "listDays": Rule(PUBLIC, query={"from": "2026-11-01", "to": "2026-11-30"}),
    "getConfig": Rule(PUBLIC),
    "getSiteLayer": Rule(PUBLIC),
    "getClusterLayer": Rule(PUBLIC, query={"zoom": "10"}),
    "getTile": Rule(PUBLIC),
    "getOgcLandingPage": Rule(PUBLIC),
    "getOgcDefinition": Rule(PUBLIC),
    "getOgcConformance": Rule(PUBLIC),
    "listOgcCollections": Rule(PUBLIC),
    "getOgcSites": Rule(PUBLIC),
    "listOgcItems": Rule(PUBLIC),
    "getOgcItem": Rule(PUBLIC),
    "getBoundary": Rule(PUBLIC),
    "listTowns": Rule(PUBLIC),
    "listSites": Rule(PUBLIC),
    "findAvailability": Rule(
        PUBLIC,
        query={"near": "117.97,36.64", "from": "2026-12-02", "to": "2026-12-02", "people": "5"},
    ),
    "getSite": Rule(PUBLIC),
    "listSessions": Rule(PUBLIC),
    "getNavigation": Rule(PUBLIC),
    "getPhoto": Rule(PUBLIC),
    "getPoster": Rule(PUBLIC),
    "getQr": Rule(PUBLIC),
    "addPhoto": Rule(
        ROW, may="sd", sees="ta", files=lambda _: {"file": ("a.png", a_picture("PNG"))}
    ),
    "changePhoto": Rule(
        ROW,
        may="sd",
        sees="ta",
        json=lambda _: {"caption": "宣誓墙"},
        headers={"If-Match": "1"},
    ),
    "removePhoto": Rule(ROW, may="sd", sees="ta"),
    # keeping sites
    "listSitesAtDesk": Rule(SIGNED_IN),
    "createSite": Rule(ROW, may="d", sees="taxz", everywhere="xz", json=new_site),
    "changeSite": Rule(
        ROW, may="sd", sees="ta", json=lambda _: {"summary": "新"}, headers={"If-Match": "1"}
    ),
    "publishSite": Rule(ROW, may="d", sees="sta", headers={"If-Match": "1"}),
    "suspendSite": Rule(ROW, may="d", sees="sta", json=reason, headers={"If-Match": "1"}),
    "closeSite": Rule(ROW, may="d", sees="sta", json=reason, headers={"If-Match": "1"}),
    "confirmPhone": Rule(ROW, may="sd", sees="ta", headers={"If-Match": "1"}),
    "putLocation": Rule(ROW, may="sd", sees="ta", json=location, headers={"If-Match": "1"}),
    "verifyLocation": Rule(ROW, may="sd", sees="ta", headers={"If-Match": "1"}),
    "importSites": Rule(
        ROLE,
        may="d",
        files=lambda _: {
            "file": ("a.csv", b"code,name,town_code,category,kinds,address,lon,lat,crs")
        },
    ),
    "reportLocation": Rule(PUBLIC, json=nothing),
    "listLocationReports": Rule(ROW, may="stda"),
    "acceptLocationReport": Rule(ROW, may="sd", sees="ta", headers={"If-Match": "1"}),
    "dismissLocationReport": Rule(ROW, may="sd", sees="ta"),
    # halls, hours, menu
    "listVenues": Rule(PUBLIC),
    "createVenue": Rule(
        ROW, may="sd", sees="ta", json=lambda _: {"name": "新厅", "people_limit": 9}
    ),
    "changeVenue": Rule(
        ROW, may="sd", sees="ta", json=lambda _: {"name": "改名"}, headers={"If-Match": "1"}
    ),
    "listOpeningRules": Rule(PUBLIC),
    "createOpeningRules": Rule(ROW, may="sd", sees="ta", json=weekly),
    "changeOpeningRule": Rule(
        ROW, may="sd", sees="ta", json=lambda _: {"ends": "20:30"}, headers={"If-Match": "1"}
    ),
    "deleteOpeningRule": Rule(ROW, may="sd", sees="ta"),
    "createSession": Rule(ROW, may="sd", sees="ta", json=lambda _: spell(2)),
    "deleteSession": Rule(ROW, may="sd", sees="ta"),
    "listClosures": Rule(PUBLIC),
    "createClosure": Rule(
        ROW, may="sd", sees="ta", json=lambda _: spell(24) | {"reason": "检修", "notify": True}
    ),
    "deleteClosure": Rule(ROW, may="sd", sees="ta"),
    "listProgrammes": Rule(PUBLIC),
    "createProgramme": Rule(ROW, may="sd", sees="ta", json=menu_item),
    "changeProgramme": Rule(
        ROW, may="sd", sees="ta", json=lambda _: {"name": "改名"}, headers={"If-Match": "1"}
    ),
    "listGuides": Rule(ROW, may="stda"),
    "createGuide": Rule(ROW, may="sd", sees="ta", json=lambda _: {"name": "新讲解"}),
    "changeGuide": Rule(
        ROW, may="sd", sees="ta", json=lambda _: {"active": False}, headers={"If-Match": "1"}
    ),
    # bookings
    "createBooking": Rule(ROW, may="o", sees="mtdaxz", everywhere="xz", json=order),
    "listBookings": Rule(SIGNED_IN),
    "joinWaitlist": Rule(ROW, may="o", sees="mtdaxz", everywhere="xz", json=wish),
    "listWaitlist": Rule(SIGNED_IN),
    "confirmWaitlistEntry": Rule(ROW, may="o", sees="mstda"),
    "withdrawWaitlistEntry": Rule(ROW, may="o", sees="mstda"),
    "getBooking": Rule(ROW, may="mostda"),
    "listBookingEvents": Rule(ROW, may="mostda"),
    "getBookingCalendar": Rule(ROW, may="mostda"),
    "getCalendar": Rule(PUBLIC),
    "getMyCalendar": Rule(SIGNED_IN),
    "renewMyCalendar": Rule(SIGNED_IN),
    "endMyCalendar": Rule(SIGNED_IN),
    "changeBooking": Rule(
        ROW, may="o", sees="mstda", json=lambda _: {"note": "改"}, headers={"If-Match": "1"}
    ),
    "approveBookings": Rule(
        SIGNED_IN, json=lambda g: {"items": [{"id": g["booking_id"], "version": 999}]}
    ),
    "approveBooking": Rule(ROW, may="s", sees="motda", json=nothing),
    "rejectBooking": Rule(ROW, may="s", sees="motda", json=reason),
    "cancelBooking": Rule(ROW, may="os", sees="mtda", json=reason),
    "createBookingGroup": Rule(ROW, may="o", sees="mtdaxz", everywhere="xz", json=route),
    "getBookingGroup": Rule(ROW, may="mostda"),
    "cancelBookingGroup": Rule(ROW, may="os", sees="mtda", json=reason),
    "confirmArrival": Rule(ROW, may="s", sees="motda", json=nothing),
    "completeBooking": Rule(ROW, may="s", sees="motda", json=nothing),
    "markNoShow": Rule(ROW, may="s", sees="motda", json=nothing),
    "reviewBooking": Rule(
        ROW,
        may="mo",
        sees="stda",
        json=lambda _: {"content": 5, "reception": 5, "facilities": 5, "text": "好"},
    ),
    # the fund
    "listFunds": Rule(SIGNED_IN),
    "openFund": Rule(
        ROW,
        may="d",
        sees="motaxz",
        everywhere="xz",
        json=lambda g: {
            "organisation_id": g["organisation_id"],
            "fiscal_year": 2031,
            "name": "专项经费",
            "when_exhausted": "refuse",
        },
    ),
    "getFund": Rule(ROW, may="dfpa"),
    "appropriate": Rule(
        ROW, may="d", sees="fpa", json=lambda _: {"amount_fen": 1, "document": "示例 9 号"}
    ),
    "closeFundMonth": Rule(ROW, may="f", sees="dpa", json=lambda _: {"month": "2026-01"}),
    "reconcileFund": Rule(ROW, may="dfpa"),
    "getFundStatement": Rule(ROW, may="dfpa"),
    "listTransactions": Rule(ROW, may="dfpa"),
    "listReversals": Rule(ROW, may="dfpa"),
    "reverseTransaction": Rule(ROW, may="f", sees="dpa", json=reason),
    "confirmReversal": Rule(ROW, may="p", sees="dfa"),
    "refuseReversal": Rule(ROW, may="p", sees="dfa"),
    "listExceptions": Rule(ROW, may="dfpa"),
    "lookAtException": Rule(ROW, may="fp", sees="da", json=look),
    "listSubsidyRules": Rule(SIGNED_IN),
    "createSubsidyRule": Rule(ROW, may="f", sees="tdpa", json=new_subsidy_rule),
    "getSubsidyRule": Rule(ROW, may="tdfpa"),
    "listSubsidyRuleVersions": Rule(ROW, may="tdfpa"),
    "reviseSubsidyRule": Rule(
        ROW, may="f", sees="tdpa", json=subsidy_terms, headers={"If-Match": "1"}
    ),
    "previewSubsidy": Rule(ROW, may="dfpa", sees="t", json=imagined_visit),
    "listClaims": Rule(SIGNED_IN),
    "getClaim": Rule(ROW, may="stdfpa"),
    "listClaimLines": Rule(ROW, may="stdfpa"),
    "getClaimSheet": Rule(ROW, may="stdfpa"),
    "getClaimPaper": Rule(ROW, may="stdfpa"),
    "submitClaim": Rule(ROW, may="s", sees="tdfpa"),
    "reviewClaim": Rule(ROW, may="f", sees="stdpa"),
    "returnClaim": Rule(ROW, may="fp", sees="stda", json=reason),
    "returnClaimLines": Rule(ROW, may="fp", sees="stda", json=lines),
    "approveClaim": Rule(ROW, may="p", sees="stdfa"),
    "payClaim": Rule(ROW, may="p", sees="stdfa", json=lambda _: {"voucher_number": "2026-1"}),
    # messages and figures
    "listNotifications": Rule(SIGNED_IN),
    "listMyWechatGrants": Rule(SIGNED_IN),
    "recordMyWechatGrants": Rule(SIGNED_IN, json=lambda _: {"answers": {"nobody-s": "reject"}}),
    "markNotificationsRead": Rule(SIGNED_IN, json=lambda g: {"ids": [g["notification_id"]]}),
    "getMyChannels": Rule(SIGNED_IN),
    "chooseMyChannels": Rule(
        SIGNED_IN, json=lambda _: {"channels": [{"channel": "sms", "enabled": True}]}
    ),
    "listOutbox": Rule(ROLE, may="d"),
    "retryDelivery": Rule(ROW, may="d"),
    "getOverview": Rule(ROLE, may="tda"),
    "getUsage": Rule(ROLE, may="tda"),
    "getDemand": Rule(ROLE, may="tda"),
    "getPublicFigures": Rule(PUBLIC),
    "getAnswers": Rule(ROLE, may="tda"),
    "getSatisfaction": Rule(ROLE, may="tda"),
    "getCoverage": Rule(ROLE, may="tda"),
    "listCoverage": Rule(ROLE, may="tda", query={"state": "never"}),
    # webhooks
    "listWebhooks": Rule(ROLE, may="da"),
    "createWebhook": Rule(ROW, may="d", sees="a", json=hook),
    "deleteWebhook": Rule(ROW, may="d", sees="a"),
    "pingWebhook": Rule(ROW, may="d", sees="a"),
    "rotateWebhookSecret": Rule(ROW, may="d", sees="a"),
    "listWebhookDeliveries": Rule(ROW, may="da"),
    "resendWebhookDelivery": Rule(ROW, may="d", sees="a"),
    "exportAnswersCsv": Rule(ROLE, may="tda"),
    "exportAnswersXlsx": Rule(ROLE, may="tda"),
    "exportSatisfactionCsv": Rule(ROLE, may="tda"),
    "exportSatisfactionXlsx": Rule(ROLE, may="tda"),
    "exportBookingsCsv": Rule(ROLE, may="tda"),
    "exportBookingsXlsx": Rule(ROLE, may="tda"),
    "exportOverviewCsv": Rule(ROLE, may="tda"),
    "exportOverviewXlsx": Rule(ROLE, may="tda"),
    "exportCoverageCsv": Rule(ROLE, may="tda"),
    "exportCoverageXlsx": Rule(ROLE, may="tda"),
    "exportDemandCsv": Rule(ROLE, may="tda"),
    "exportDemandXlsx": Rule(ROLE, may="tda"),
    "exportReachCsv": Rule(ROLE, may="tda"),
    "exportReachXlsx": Rule(ROLE, may="tda"),
    "exportUsageCsv": Rule(ROLE, may="tda"),
    "exportUsageXlsx": Rule(ROLE, may="tda"),
    "getReach": Rule(ROLE, may="tda"),
    "exportUnreached": Rule(ROLE, may="tda"),
    "getBulletin": Rule(ROLE, may="tda", query={"month": "2026-12"}),
    "createExport": Rule(ROLE, may="tda", json=lambda _: EXPORT),
    "listExports": Rule(SIGNED_IN),
    "getExport": Rule(ROW, may="d"),
    "getExportFile": Rule(ROW, may="d"),
    # the audit log
    "listAuditEvents": Rule(ROLE, may="a"),
    "exportAuditEvents": Rule(ROLE, may="a"),
    # the system
    "listReconciliationReports": Rule(ROLE, may="da"),
    "listJobs": Rule(ROLE, may="dx"),
    "retryJobRow": Rule(ROLE, may="dx"),
    "getProblem": Rule(PUBLIC),
    "isAlive": Rule(PUBLIC),
    "isReady": Rule(PUBLIC),
}
