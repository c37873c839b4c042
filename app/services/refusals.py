"""What an order can be refused for: one class a rule."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.errors import Conflict


@dataclass(frozen=True)
class Want:
    """What there was no room for: a group of so many people, at a site from an aware instant."""

    site_id: UUID
    starts_at: datetime
    people: int


class Refused(Conflict):
    """The rules do not allow this order.

    `want` tells what there was no room for, where that is why.
    """

    zh = "不符合预约规则"
    want: Want | None = None


class OrganisationInactive(Refused):
    """The branch is not active."""

    zh = "该党组织已停用"


class BranchSuspended(Refused):
    """The branch may make no new bookings for a while."""

    zh = "该党组织暂停预约"
    detail_en = "Until {until}, after {limit} strikes"
    detail_zh = "因累计达到 {limit} 次违约，暂停新预约至 {until}"


class SiteNotOpen(Refused):
    """The site takes no orders at present."""

    zh = "该阵地暂不接受预约"


class SessionsNotConsecutive(Refused):
    """The sessions do not follow one another in one venue on one day."""

    zh = "所选场次须为同一场地、同一天的连续场次"


class SessionClosed(Refused):
    """The session was closed."""

    zh = "该场次已临时闭馆"
    detail_en = "Closed: {reason}"
    detail_zh = "闭馆原因：{reason}"


class LeadTimeTooShort(Refused):
    """Orders must be made earlier."""

    zh = "预约时间过晚"
    detail_en = "At least {limit} working days ahead; the first day is {earliest_day}"
    detail_zh = "须至少提前 {limit} 个工作日预约，最早可约 {earliest_day}"


class BeyondHorizon(Refused):
    """Orders cannot be made so far ahead."""

    zh = "超出可预约范围"
    detail_en = "At most {limit} days ahead; the last day is {latest_day}"
    detail_zh = "最多可提前 {limit} 天预约，最晚可约 {latest_day}"


class TooManyOpenBookings(Refused):
    """The branch has as many open bookings at the site as it may."""

    zh = "该党组织在此阵地的未完成预约已达上限"
    detail_en = "At most {limit} at a time"
    detail_zh = "同一党组织在同一阵地最多 {limit} 个未完成预约"


class ProgrammeNotOffered(Refused):
    """The site does not offer that menu item."""

    zh = "该阵地没有所选菜单项"


class PartyTooLarge(Refused):
    """Too many people for what was chosen."""

    zh = "人数超出上限"
    detail_en = "At most {limit} people"
    detail_zh = "最多 {limit} 人"


class SessionFull(Refused):
    """The session has no room for another group of this size."""

    zh = "该场次名额不足"


class GuideNotFree(Refused):
    """No guide of the site is free then."""

    zh = "该时段没有空闲的讲解员"


SHORT_OF_ROOM = (SessionFull, GuideNotFree)
"""Refusals that more places or guides would have spared."""
REFUSALS = tuple(Refused.__subclasses__())
"""Every rule an order can break."""
