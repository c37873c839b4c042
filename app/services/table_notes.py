"""What an export says of itself, and how it calls things."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlmodel import Session, col, select

from app.models import Category, FundAccount, Organisation, ProgrammeKind, Sector
from app.services.access import OVERSEERS, Actor
from app.services.calendar import spoken
from app.services.reach import Mode, metres

RADIUS_M = metres(15, Mode.WALK)
"""A quarter of an hour on foot."""
CATEGORIES: dict[str, str] = {
    Category.RURAL: "农村党建",
    Category.URBAN: "城市党建",
    Category.TWO_NEW: "两新党建",
    Category.GENERAL: "党建综合",
}
SECTORS: dict[str, str] = {
    Sector.RURAL: "农村",
    Sector.URBAN: "城市社区",
    Sector.TWO_NEW: "两新",
    Sector.GOVERNMENT: "机关",
    Sector.EDUCATION: "教育",
    Sector.HEALTH: "卫健",
    Sector.STATE_OWNED: "国企",
}
KINDS: dict[str, str] = {
    ProgrammeKind.VISIT: "参观",
    ProgrammeKind.GUIDED_TOUR: "讲解",
    ProgrammeKind.OATH: "重温誓词",
    ProgrammeKind.LECTURE: "党课",
    ProgrammeKind.TRAINING_CASE: "实训案例",
    ProgrammeKind.MEETING: "会议",
    ProgrammeKind.VOLUNTEERING: "志愿服务",
}
ACCOUNTS: dict[str, str] = {
    FundAccount.SOURCE: "拨入",
    FundAccount.AVAILABLE: "可用",
    FundAccount.RESERVED: "已预留",
    FundAccount.PAYABLE: "应付",
    FundAccount.PAID: "已支付",
}


@dataclass(frozen=True)
class Asked:
    """What is to be counted: days `[since, until)`, as of the aware instant `now`.

    Attributes:
        since: First day.
        until: Day after the last.
        now: When it is asked.
        silent_days: Of coverage: who has not come for so long is silent.
        radius_m: Of reach: metres as the crow flies.
        people: Of reach: places that must be free.
    """

    since: date
    until: date
    now: datetime
    silent_days: int = 90
    radius_m: int = RADIUS_M
    people: int = 1


def notes(
    session: Session, *, actor: Actor, asked: Asked, counted: str
) -> tuple[tuple[str, str], ...]:
    """Return what was counted, in which scope and period, when and by whom."""
    theirs = col(Organisation.id).in_(actor.organisations(*OVERSEERS))
    scope = session.exec(select(Organisation.name).where(theirs).order_by(Organisation.path)).all()
    last = asked.until - timedelta(days=1)
    return (
        ("内容 Content", counted),
        ("范围 Scope", "、".join(scope)),
        ("期间 Period", f"{asked.since} 至 {last}"),
        ("时间 Made at", spoken(asked.now)),
        ("导出人 Made by", actor.name),
    )
