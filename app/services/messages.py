"""What notifications say, in Chinese and English; the facts fill the gaps."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

Kind = Literal[
    "booking-pending",
    "booking-changed",
    "booking-escalated",
    "booking-approved",
    "booking-rejected",
    "booking-expired",
    "booking-cancelled",
    "booking-no-show",
    "booking-completed",
    "branch-suspended",
    "suspension-lifted",
    "site-closed",
    "waitlist-offered",
    "waitlist-expired",
    "waitlist-lapsed",
    "waitlist-closed",
    "location-reported",
    "visit-in-days",
    "visit-tomorrow",
    "visit-soon",
    "visits-today",
    "answer-due",
    "review-due",
    "claims-unsubmitted",
    "claims-unreviewed",
    "suspension-ended",
    "holidays-missing",
    "records-differ",
]


class Message(NamedTuple):
    """A title and a body, ready to be read."""

    title: str
    body: str


class _Template(NamedTuple):
    zh: Message
    en: Message


TEMPLATES: dict[str, _Template] = {
    "booking-pending": _Template(
        Message(
            "新预约待接单", "{branch} 预约 {site} {when}，{people} 人，请在 {respond_by} 前答复。"
        ),
        Message("A booking awaits you", "{branch} at {site}, {when}, {people} people."),
    ),
    "booking-changed": _Template(
        Message(
            "预约有改动，待接单",
            "{branch} 改为预约 {site} {when}，{people} 人（{code}），请在 {respond_by} 前答复。",
        ),
        Message(
            "A booking was changed and awaits you",
            "{branch} at {site}, {when}, {people} people ({code}).",
        ),
    ),
    "booking-escalated": _Template(
        Message("预约转接", "{site} 未在时限内答复 {branch} {when} 的预约，请代为处理。"),
        Message("A booking was passed to you", "{site} did not answer {branch}, {when}."),
    ),
    "booking-approved": _Template(
        Message("预约已接单", "{site} 已接受 {branch} {when} 的预约（{code}）。"),
        Message("Booking approved", "{site} expects {branch}, {when} ({code})."),
    ),
    "booking-rejected": _Template(
        Message("预约被拒", "{site} 未能接受 {when} 的预约：{reason}"),
        Message("Booking rejected", "{site}, {when}: {reason}"),
    ),
    "booking-expired": _Template(
        Message("预约已超时", "{site} {when} 的预约未获答复，名额已释放，请另选场次。"),
        Message("Booking expired", "{site}, {when}: nobody answered; please choose again."),
    ),
    "booking-cancelled": _Template(
        Message("预约已取消", "{branch} 在 {site} {when} 的预约已取消。{reason}"),
        Message("Booking cancelled", "{branch} at {site}, {when}. {reason}"),
    ),
    "booking-no-show": _Template(
        Message("预约爽约", "{branch} 未按约到访 {site}（{when}）。"),
        Message("No-show", "{branch} did not come to {site}, {when}."),
    ),
    "booking-completed": _Template(
        Message("活动已完成", "{site} {when} 的活动已完成，欢迎评价。"),
        Message("Visit completed", "{site}, {when}: tell what you thought of it."),
    ),
    "branch-suspended": _Template(
        Message(
            "暂停新预约",
            "{branch} 在 {months} 个月内累计违约 {points} 次（最近一次：预约 {code}），"
            "{until} 前不能新增预约；已有预约不受影响。",
        ),
        Message(
            "No new bookings for a while",
            "{branch} has {points} strikes within {months} months, the last for {code}: no new"
            " bookings until {until}. Those it has are not touched.",
        ),
    ),
    "suspension-lifted": _Template(
        Message("恢复预约", "{branch} 可以重新预约了：{reason}"),
        Message("New bookings are possible again", "{branch} may book again: {reason}"),
    ),
    "site-closed": _Template(
        Message(
            "预约时段临时闭馆",
            "{site} 因{reason}临时闭馆，{when} 的预约（{code}）受影响。可改约：{alternatives}",
        ),
        Message(
            "Closed at the time of your booking",
            "{site}: {reason}; your booking {code}, {when}. Still free: {alternatives}",
        ),
    ),
    "waitlist-offered": _Template(
        Message(
            "候补有名额了",
            "{site} {when} 的场次有名额，已为 {branch} 保留 {people} 人，"
            "请在 {confirm_by} 前确认。",
        ),
        Message(
            "Places came free",
            "{site}, {when}: {people} places are held for {branch}; confirm by {confirm_by}.",
        ),
    ),
    "waitlist-expired": _Template(
        Message("候补名额已过期", "{site} {when} 为 {branch} 保留的名额未在时限内确认，已顺延。"),
        Message("Your places were passed on", "{site}, {when}: {branch} did not confirm in time."),
    ),
    "waitlist-lapsed": _Template(
        Message("未候到名额", "{site} {when} 的场次已开始，{branch} 的候补未候到名额。"),
        Message("Nothing came free", "{site}, {when}: no places came free for {branch}."),
    ),
    "waitlist-closed": _Template(
        Message(
            "候补场次取消",
            "{site} {when} 的场次不再开放（{reason}），{branch} 的候补已结束。",
        ),
        Message("No more places to wait for", "{site}, {when} is shut: {reason} ({branch})."),
    ),
    "location-reported": _Template(
        Message("位置有误反馈", "有访客反映 {site} 的地图位置有误，请核实并答复。"),
        Message("A position was called wrong", "A visitor found {site} elsewhere: please check."),
    ),
    "visit-in-days": _Template(
        Message(
            "活动临近", "{branch} 预约了 {site} {when}，{people} 人；如有变动请尽早改约或取消。"
        ),
        Message(
            "Your visit is near",
            "{branch} at {site}, {when}, {people} people; if plans have changed, say so soon.",
        ),
    ),
    "visit-tomorrow": _Template(
        Message("明日活动提醒", "{branch} 明日到访 {site}：{when}，{people} 人。"),
        Message("Your visit is tomorrow", "{branch} at {site}, {when}, {people} people."),
    ),
    "visit-soon": _Template(
        Message("活动即将开始", "{branch} 在 {site} 的活动将于 {when} 开始。"),
        Message("Your visit begins soon", "{branch} at {site}, {when}."),
    ),
    "visits-today": _Template(
        Message("今日接待", "{day}：接待 {visits} 场，待答复 {waiting} 单。{list}"),
        Message("Today at your sites", "{day}: {visits} visits, {waiting} to answer. {list}"),
    ),
    "answer-due": _Template(
        Message("预约即将超时", "{branch} 预约 {site} {when}，请在 {respond_by} 前答复。"),
        Message("A booking awaits you still", "{branch} at {site}, {when}: by {respond_by}."),
    ),
    "review-due": _Template(
        Message("请评价活动", "{branch} 在 {site} {when} 的活动还没有评价。"),
        Message("Tell what you thought of it", "{branch} at {site}, {when}: no review yet."),
    ),
    "claims-unsubmitted": _Template(
        Message("补单待提交", "有 {claims} 张补单尚未提交：{list}"),
        Message("Claims to submit", "{claims} claims are not submitted yet: {list}"),
    ),
    "claims-unreviewed": _Template(
        Message("补单待审核", "有 {claims} 张补单待审核：{list}"),
        Message("Claims to review", "{claims} claims wait for review: {list}"),
    ),
    "suspension-ended": _Template(
        Message("暂停预约已结束", "{branch} 可以重新预约了。"),
        Message("New bookings are possible again", "The suspension of {branch} has ended."),
    ),
    "holidays-missing": _Template(
        Message("缺少节假日安排", "{year} 年的节假日安排尚未导入，工作日暂按周末推算。"),
        Message("A list of holidays is missing", "That of {year}; weekends decide until it is."),
    ),
    "records-differ": _Template(
        Message("对账发现差异", "{day} 夜间对账发现 {findings} 处差异，请查看对账报告。"),
        Message("Records differ", "The reconciliation of {day} found {findings} differences."),
    ),
}


GATHERED = "gathered"
"""Stands for the kind of a letter that holds several messages."""
ORDERS = frozenset({"booking-pending", "booking-changed"})
MOST_TOLD = 10
"""Messages told in full in a letter of several."""


def gathered(kinds: Sequence[str], told: Sequence[Message], language: str) -> Message:
    """Return one message for several, in `zh` or `en`.

    Args:
        kinds: of the messages.
        told: themselves, the oldest first.
        language: of them, and of what is said around them.
    """
    count, orders = len(told), ORDERS.issuperset(kinds)
    lines = [f"{one.title}：{one.body}" for one in told[:MOST_TOLD]]
    if language == "zh":
        title = f"{count} 件待接单" if orders else f"{count} 条新消息"
        more = f"……另有 {count - MOST_TOLD} 条，请登录查看。"
    else:
        title = f"{count} bookings await you" if orders else f"{count} new messages"
        more = f"... and {count - MOST_TOLD} more: please sign in."
    return Message(title, "\n".join([*lines, more] if count > MOST_TOLD else lines))


def written(kind: str, facts: dict[str, str], language: str) -> Message:
    """Return the message of `kind` in `zh` or `en`."""
    template = TEMPLATES[kind].zh if language == "zh" else TEMPLATES[kind].en
    return Message(template.title.format(**facts), template.body.format(**facts))
