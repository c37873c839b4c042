"""A site's life: shown to everybody, suspended for a while, closed for good."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, exists, or_
from sqlmodel import Session, col, select

from app.errors import Conflict
from app.models import OpeningRule, Site, SiteStatus, Venue, VenueSession
from app.services import policies, sessions, site_scope, sites
from app.services.access import Actor
from app.services.calendar import local_date
from app.services.site_scope import STAFF

_S = SiteStatus


@dataclass(frozen=True)
class Move:
    """A step of a site's life."""

    starts: tuple[SiteStatus, ...]
    ends: SiteStatus


MOVES: dict[str, Move] = {
    "publish": Move((_S.DRAFT, _S.SUSPENDED), _S.PUBLISHED),
    "suspend": Move((_S.PUBLISHED,), _S.SUSPENDED),
    "close": Move((_S.DRAFT, _S.PUBLISHED, _S.SUSPENDED), _S.CLOSED),
}
"""The moves that exist; nothing leads back from closed, nor back to a draft."""
TEXTS = {
    "address": "地址",
    "summary": "一句话简介",
    "contact_name": "联系人",
    "contact_phone": "联系电话",
}
"""Columns that may be empty in a draft, and not on the map."""
NEEDED = TEXTS | {"venue": "启用的场地", "hours": "开放时间或未来场次"}
"""What a site on the map has."""


class SiteStateConflict(Conflict):
    """The site's state does not allow this move."""

    zh = "阵地当前状态不允许此操作"
    detail_en = "It is {current_status}"
    detail_zh = "当前状态：{current_status}"


class SiteNotReady(Conflict):
    """The site lacks what the public needs to know.

    `missing` names what: a column, `venue` (an active hall) or `hours` (weekly hours of one, or a
    session to come).
    """

    zh = "阵地信息不完整，不能发布"

    def __init__(self, missing: list[str]) -> None:
        """Say what is missing, by the keys of `NEEDED`."""
        super().__init__(missing=missing)
        self.missing = missing

    def detail(self, language: str) -> str:
        """Name what is missing."""
        if language == "zh":
            return "缺少：" + "、".join(NEEDED[name] for name in self.missing)
        return "Missing: " + ", ".join(self.missing)


def allowed_moves(status: str) -> list[str]:
    """Return the moves that start at a state."""
    return [name for name, move in MOVES.items() if status in move.starts]


def publish(
    session: Session,
    *,
    actor: Actor,
    site_id: UUID,
    version: int,
    now: datetime,
) -> Site:
    """Show a draft or suspended site to everybody, with sessions to order at once.

    Args:
        session: open transaction.
        actor: who does it.
        site_id: which.
        version: the one the actor saw.
        now: the present instant, aware.

    Raises:
        SiteNotFound: there is none, or it is outside the actor's scope.
        NotInScope: the actor is not staff of its district.
        SiteClosed: it was closed for good.
        Stale: it has another version by now.
        SiteStateConflict: it is on the map already.
        SiteNotReady: something is missing.
    """
    site = _moving(session, actor, site_id, version, "publish")
    missing = _missing(session, site, now)
    if missing:
        raise SiteNotReady(missing)
    sites.publish(session, site=site)
    rules = policies.in_force(session, district_id=site.district_id, now=now).of(site.id)
    until = policies.latest_day(rules, now=now)
    sessions.keep_ahead(session, site_id=site.id, until=until, now=now)
    return site


def withdraw(
    session: Session, *, actor: Actor, site_id: UUID, version: int, name: str, reason: str
) -> Site:
    """Suspend or close a site; its bookings stay, and no new ones come.

    Args:
        session: open transaction.
        actor: who does it.
        site_id: which.
        version: the one the actor saw.
        name: `suspend` or `close`.
        reason: shown to users.

    Raises:
        SiteNotFound: there is none, or it is outside the actor's scope.
        NotInScope: the actor is not staff of its district.
        SiteClosed: it was closed for good.
        Stale: it has another version by now.
        SiteStateConflict: its state does not allow it.
    """
    site = _moving(session, actor, site_id, version, name)
    site.status, site.status_reason = MOVES[name].ends, reason
    site.version += 1
    session.flush()
    return site


def _moving(session: Session, actor: Actor, site_id: UUID, version: int, name: str) -> Site:
    site = site_scope.hold(session, actor=actor, site_id=site_id, version=version, roles=STAFF)
    if site.status not in MOVES[name].starts:
        allowed = allowed_moves(site.status)
        raise SiteStateConflict(current_status=site.status, allowed_moves=allowed)
    return site


def _missing(session: Session, site: Site, now: datetime) -> list[str]:
    found = [name for name in TEXTS if not getattr(site, name).strip()]
    halls = (col(Venue.site_id) == site.id) & col(Venue.active)
    rule_ends = col(OpeningRule.valid_to)
    weekly = exists().where(
        col(OpeningRule.venue_id) == Venue.id,
        or_(rule_ends.is_(None), rule_ends > local_date(now)),
    )
    to_come = exists().where(
        col(VenueSession.venue_id) == Venue.id, col(VenueSession.starts_at) > now
    )
    needs: dict[str, ColumnElement[bool]] = {"venue": halls, "hours": halls & (weekly | to_come)}
    for name, needed in needs.items():
        if session.exec(select(Venue.id).where(needed).limit(1)).first() is None:
            found.append(name)
    return found
