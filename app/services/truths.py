"""Whether what a message tells is still so: asked again whenever it is about to go out.

The rule of each kind is a row of `RULES`; a kind without one tells of what cannot change.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from app.models import BookingStatus, WaitlistStatus

B, W = BookingStatus, WaitlistStatus


class Why(StrEnum):
    """Why a message did not go out by some way."""

    TOO_LATE = "too-late"
    CANCELLED = "cancelled"
    MOVED = "moved"
    OVERTAKEN = "overtaken"
    QUIET_HOURS = "quiet-hours"
    ACCOUNT_CLOSED = "account-closed"
    NO_ADDRESS = "no-address"
    REFUSED = "refused"
    NO_ANSWER = "no-answer"
    UNWRITABLE = "unwritable"


TEXTS: Mapping[Why, tuple[str, str]] = {
    Why.TOO_LATE: ("已过时效，不再发送", "It would have come too late"),
    Why.CANCELLED: ("预约已取消", "The booking was cancelled"),
    Why.MOVED: ("预约时间已变更", "The booking was moved"),
    Why.OVERTAKEN: ("情况已变化，消息不再成立", "It was no longer true"),
    Why.QUIET_HOURS: (
        "夜间免打扰结束前已过时效",
        "It would have been useless after the quiet hours",
    ),
    Why.ACCOUNT_CLOSED: ("账号已停用", "The account is closed"),
    Why.NO_ADDRESS: ("该渠道没有可用地址", "There is no address for this way"),
    Why.REFUSED: ("服务商拒绝发送", "The provider refused it"),
    Why.NO_ANSWER: ("多次尝试未成功", "No attempt succeeded"),
    Why.UNWRITABLE: ("消息内容无法生成", "Its text could not be written"),
}
"""In Chinese and English."""


class Rule(NamedTuple):
    """When a message is true, by the states of what it is about; empty for whatever state.

    `same_time`: only while the booking is at the time that the fact `when` says. `calls`: it asks
    for something to be done, so once untrue it is not even put into the inbox.
    """

    booking: tuple[BookingStatus, ...] = ()
    waitlist: tuple[WaitlistStatus, ...] = ()
    same_time: bool = False
    calls: bool = False


RULES: Mapping[str, Rule] = {
    "booking-pending": Rule(booking=(B.PENDING,), same_time=True),
    "booking-changed": Rule(booking=(B.PENDING,), same_time=True),
    "booking-escalated": Rule(booking=(B.PENDING,), same_time=True),
    "booking-approved": Rule(booking=(B.APPROVED,), same_time=True),
    "booking-completed": Rule(booking=(B.COMPLETED,)),
    "site-closed": Rule(same_time=True),
    "waitlist-offered": Rule(waitlist=(W.OFFERED,)),
    "visit-in-days": Rule(booking=(B.APPROVED,), same_time=True, calls=True),
    "visit-tomorrow": Rule(booking=(B.APPROVED,), same_time=True, calls=True),
    "visit-soon": Rule(booking=(B.APPROVED,), same_time=True, calls=True),
    "answer-due": Rule(booking=(B.PENDING,), same_time=True, calls=True),
    "review-due": Rule(booking=(B.COMPLETED,), calls=True),
}


def _when(kind: str, rule: Rule) -> Iterator[str]:
    of_kind = f"WHEN n.kind = '{kind}' AND"
    if rule.booking and B.CANCELLED not in rule.booking:
        yield f"{of_kind} b.status = '{B.CANCELLED}' THEN '{Why.CANCELLED}'"
    if rule.same_time:
        spoken = "to_char(b.starts_at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD HH24:MI')"
        yield f"{of_kind} n.facts->>'when' <> {spoken} THEN '{Why.MOVED}'"
    for alias, states in (("b", rule.booking), ("w", rule.waitlist)):
        if states:
            known = ", ".join(f"'{state}'" for state in states)
            yield f"{of_kind} {alias}.status NOT IN ({known}) THEN '{Why.OVERTAKEN}'"


def untrue(*, inbox: bool) -> str:
    """Return the SQL of why a message must not go out at `:now`; null while it may.

    Args:
        inbox: into the inbox, which also keeps what was true when it happened; else by other ways.

    Of the rows `n` of `notification`, `b` of its booking and `w` of its waitlist entry, each of
    which may be null.
    """
    rules = [(kind, rule) for kind, rule in RULES.items() if rule.calls or not inbox]
    cases = [case for kind, rule in rules for case in _when(kind, rule)]
    return " ".join(["CASE", f"WHEN n.useless_at <= :now THEN '{Why.TOO_LATE}'", *cases, "END"])


ABOUT = """
    LEFT JOIN booking b ON b.id = n.booking_id
    LEFT JOIN waitlist_entry w ON w.id = n.waitlist_entry_id"""
"""What `untrue` reads, joined to `notification n`."""


def told(reason: str, language: str) -> str:
    """Return the text of a reason in `zh` or `en`."""
    chinese, english = TEXTS[Why(reason)]
    return chinese if language == "zh" else english
