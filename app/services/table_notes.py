"""What an export says of itself, and how it calls things."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlmodel import Session, col, select

from app.models import Category, FundAccount, Organisation, Sector
from app.services.access import OVERSEERS, Actor
from app.services.calendar import spoken

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
ACCOUNTS: dict[str, str] = {
    FundAccount.SOURCE: "拨入",
    FundAccount.AVAILABLE: "可用",
    FundAccount.RESERVED: "已预留",
    FundAccount.PAYABLE: "应付",
    FundAccount.PAID: "已支付",
}


@dataclass(frozen=True)
class Asked:
    """What is to be counted: days `[since, until)`, as of the aware instant `now`."""

    since: date
    until: date
    now: datetime


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
