"""What visitors say of a site's place on the map, and what its keepers answer."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar
from uuid_utils.compat import uuid7

from app.errors import Conflict, NotFound
from app.models import Crs, LocationReport, ReportStatus, Site
from app.services import coordinates, notifications, site_editing, site_scope, sites
from app.services.access import Actor
from app.services.coordinates import Place
from app.services.idempotency import IdempotencyKeyReused
from app.services.locations import Typed

MOST_OPEN = 100
"""Reports of one site that may wait at once; whoever sends more says nothing new."""
SOURCE = "访客反馈"
"""Where a point was read off that a visitor suggested."""


class LocationReportNotFound(NotFound):
    """There is no such report, or it is not yours to see."""

    zh = "未找到该位置反馈"


class LocationReportAnswered(Conflict):
    """The report has been answered already."""

    zh = "该位置反馈已处理"
    detail_en = "It is {current_status}"
    detail_zh = "当前状态：{current_status}"


class TooManyLocationReports(Conflict):
    """So many reports of this site wait already that one more says nothing new."""

    zh = "该阵地已有大量位置反馈待处理"
    detail_en = "{limit} wait for an answer"
    detail_zh = "已有 {limit} 条待处理"


def report(
    session: Session,
    *,
    site_id: UUID,
    suggested: Place | None,
    note: str,
    key: UUID | None,
    now: datetime,
) -> tuple[UUID, bool]:
    """Write down that a site is elsewhere; return the report's id, and whether it is new.

    Its managers are told of the first one that waits, staff of the district where it has none; who
    sends more reports sends no more messages.

    Args:
        session: open transaction.
        site_id: a published site.
        suggested: where it is, WGS-84; None where that is not said.
        note: whatever else.
        key: the sender's number for it; sent again it is the same report.
        now: the present instant, aware.

    Raises:
        SiteNotFound: there is no such site on the map.
        IdempotencyKeyReused: another report of this site came with the key.
        TooManyLocationReports: `MOST_OPEN` wait already.
    """
    site = sites.published(session, site_id=site_id)
    sent = {"suggested": suggested and coordinates.point(suggested), "note": note}
    known = _same(session, site_id, key, suggested, note)
    if known is not None:
        return known, False
    waiting = _waiting(session, site_id)
    if waiting >= MOST_OPEN:
        raise TooManyLocationReports(limit=MOST_OPEN)
    row = insert(LocationReport).values(
        id=uuid7(), site_id=site_id, request_key=key, status=ReportStatus.OPEN, **sent
    )
    once = row.on_conflict_do_nothing(constraint="location_report_once")
    written: UUID | None = session.execute(once.returning(col(LocationReport.id))).scalar()
    if written is None:  # the same one came in between
        known = _same(session, site_id, key, suggested, note)
        assert known is not None  # noqa: S101
        return known, False
    if not waiting:
        _tell(session, site, now)
    return written, True


def _same(
    session: Session, site_id: UUID, key: UUID | None, suggested: Place | None, note: str
) -> UUID | None:
    """Return the report that came with a key before.

    Raises:
        IdempotencyKeyReused: it says something else.
    """
    if key is None:
        return None
    of_site = LocationReport.site_id == site_id
    sent = select(LocationReport).where(of_site, LocationReport.request_key == key)
    found = session.exec(sent).one_or_none()
    if found is None:
        return None
    if (_place(found), found.note) != (suggested, note):
        raise IdempotencyKeyReused
    return found.id


def _waiting(session: Session, site_id: UUID) -> int:
    waiting = select(func.count()).select_from(LocationReport)
    is_open = col(LocationReport.status) == ReportStatus.OPEN
    return session.exec(waiting.where(LocationReport.site_id == site_id, is_open)).one()


def _tell(session: Session, site: Site, now: datetime) -> None:
    for to in (notifications.managers_of(site.id), notifications.staff_of(site.district_id)):
        facts = {"site": site.name}
        if notifications.owe(
            session, to=to, kind="location-reported", booking_id=None, facts=facts, due_at=now
        ):
            return


def reports(
    *, site_id: UUID, status: ReportStatus | None, after: UUID | None, limit: int
) -> SelectOfScalar[LocationReport]:
    """Return the query for one page of a site's reports, the newest first.

    Args:
        site_id: a site that the reader may see.
        status: only those.
        after: id of the last of the page before.
        limit: most rows.
    """
    wanted = select(LocationReport).where(LocationReport.site_id == site_id)
    if status is not None:
        wanted = wanted.where(col(LocationReport.status) == status)
    if after is not None:
        wanted = wanted.where(col(LocationReport.id) < after)
    return wanted.order_by(col(LocationReport.id).desc()).limit(limit)


def accept(
    session: Session,
    *,
    actor: Actor,
    site_id: UUID,
    report_id: UUID,
    version: int,
    confirmed_outside: bool,
    now: datetime,
) -> LocationReport:
    """Agree with a report: the site moves to the point it suggests, if it suggests one.

    A gate of its own stays where it is.

    Args:
        session: open transaction.
        actor: who agrees.
        site_id: which site.
        report_id: which report.
        version: the site's, as the actor saw it.
        confirmed_outside: the actor, who is staff, says that the point is meant even outside the
            outline.
        now: the present instant, aware.

    Raises:
        SiteNotFound: there is none, or it is outside the actor's scope.
        NotInScope: they may not move it, or not confirm that it lies outside.
        SiteClosed: it was closed for good.
        Stale: it has another version by now.
        LocationReportNotFound: the site has no such report.
        LocationReportAnswered: it was answered before.
        OutsideDistrict: the point is outside the district, and nobody says that it is meant.
    """
    site = site_scope.hold(session, actor=actor, site_id=site_id, version=version)
    found = _waiting_one(session, site_id, report_id)
    suggested = _place(found)
    if suggested is not None:
        gate = None
        if site.gate_longitude is not None:
            gate = coordinates.place(site.navigation_point)
        site_editing.relocate(
            session,
            actor=actor,
            site_id=site_id,
            version=version,
            typed=Typed(suggested, Crs.WGS84, gate, SOURCE),
            confirmed_outside=confirmed_outside,
        )
    return _answered(session, found, ReportStatus.ACCEPTED, actor, now)


def dismiss(
    session: Session, *, actor: Actor, site_id: UUID, report_id: UUID, now: datetime
) -> LocationReport:
    """Disagree with a report: the site stays where it is.

    Raises:
        SiteNotFound: there is no such site, or it is outside the actor's scope.
        NotInScope: they may not say so.
        SiteClosed: it was closed for good.
        LocationReportNotFound: the site has no such report.
        LocationReportAnswered: it was answered before.
    """
    site_scope.hold(session, actor=actor, site_id=site_id)
    found = _waiting_one(session, site_id, report_id)
    return _answered(session, found, ReportStatus.DISMISSED, actor, now)


def _waiting_one(session: Session, site_id: UUID, report_id: UUID) -> LocationReport:
    """Return a report that waits; the site is locked, so that nobody else answers it.

    Raises:
        LocationReportNotFound: the site has no such report.
        LocationReportAnswered: it was answered before.
    """
    found = session.get(LocationReport, report_id, populate_existing=True)
    if found is None or found.site_id != site_id:
        raise LocationReportNotFound
    if found.status != ReportStatus.OPEN:
        raise LocationReportAnswered(current_status=found.status)
    return found


def _answered(
    session: Session, found: LocationReport, status: ReportStatus, actor: Actor, now: datetime
) -> LocationReport:
    found.status, found.answered_at, found.answered_by = status, now, actor.account_id
    session.flush()
    return found


def _place(found: LocationReport) -> Place | None:
    return coordinates.place(found.suggested) if found.suggested is not None else None
