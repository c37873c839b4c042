"""Visitors tell where a site really is, and its keepers answer."""

from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import Body, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictBool
from pydantic.config import JsonDict

from app.api import geo
from app.api.deps import (
    ActorDep,
    CursorDep,
    CursorUnreadable,
    LimitDep,
    NowDep,
    Prose,
    SessionDep,
    VersionDep,
    read_cursor,
    write_cursor,
)
from app.api.once import KeyDep, OnceDep
from app.api.problems import problems
from app.api.router import Router
from app.api.site_locations import REFUSALS, PointIn
from app.errors import Stale, Unauthenticated
from app.models import Crs, LocationReport, ReportStatus
from app.services import (
    coordinates,
    idempotency,
    location_reports,
    locations,
    site_scope,
    sites,
    tokens,
)

router = Router(prefix="/sites/{site_id}/location/reports", tags=["sites"])

ID = "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f40"
EXAMPLE: JsonDict = {
    "id": ID,
    "suggested": {"lon": 118.1061, "lat": 36.5021, "crs": "wgs84"},
    "note": "导航到了后山，正门在村委会对面",
    "status": "open",
    "created_at": "2026-11-22T09:00:00+08:00",
    "answered_at": None,
}


class LocationReportIn(BaseModel):
    """That a site is elsewhere: the right point, if known, and whatever else helps."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {
                "suggested": {"lon": 118.1061, "lat": 36.5021, "crs": "gcj02"},
                "note": "导航到了后山，正门在村委会对面",
            }
        }
    )

    suggested: PointIn | None = None
    note: Prose = Field(default="", max_length=500)


class LocationReceipt(BaseModel):
    """That it has arrived."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"id": ID, "status": "open"}}
    )

    id: UUID
    status: ReportStatus


class AcceptIn(BaseModel):
    """`confirmed_outside` says that the point is meant although outside the district."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"confirmed_outside": False}}
    )

    confirmed_outside: StrictBool = False


class LocationReportPublic(BaseModel):
    """A report; who sent it is not known."""

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra={"example": EXAMPLE})

    id: UUID
    suggested: geo.Point | None
    note: str
    status: ReportStatus
    created_at: AwareDatetime
    answered_at: AwareDatetime | None


class LocationReportPage(BaseModel):
    """One page, the newest first."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"items": [EXAMPLE], "next_cursor": None}}
    )

    items: list[LocationReportPublic]
    next_cursor: str | None


ANSWERING = (
    *(one for one in REFUSALS if one is not Stale),
    location_reports.LocationReportNotFound,
    location_reports.LocationReportAnswered,
    idempotency.IdempotencyKeyReused,
)


@router.post(
    "",
    status_code=202,
    operation_id="reportLocation",
    summary="Say that a site is elsewhere than the map shows",
    responses=problems(
        sites.SiteNotFound,
        location_reports.TooManyLocationReports,
        idempotency.IdempotencyKeyReused,
    ),
)
def report_location(
    site_id: UUID,
    said: LocationReportIn,
    session: SessionDep,
    now: NowDep,
    response: Response,
    key: KeyDep = None,
) -> LocationReceipt:
    """Take it down for the site's managers; nobody needs to sign in, and no sender is kept."""
    point = said.suggested
    id_, is_new = location_reports.report(
        session,
        site_id=site_id,
        suggested=point.wgs84() if point else None,
        note=said.note,
        key=key,
        now=now,
    )
    if not is_new:
        response.headers["Idempotency-Replayed"] = "true"
    return LocationReceipt(id=id_, status=ReportStatus.OPEN)


@router.get(
    "",
    operation_id="listLocationReports",
    summary="What visitors say of a site's place",
    responses=problems(Unauthenticated, tokens.InvalidToken, sites.SiteNotFound, CursorUnreadable),
)
def list_location_reports(
    site_id: UUID,
    actor: ActorDep,
    session: SessionDep,
    status: ReportStatus | None = None,
    crs: Crs = Crs.WGS84,
    limit: LimitDep = 50,
    cursor: CursorDep = None,
) -> LocationReportPage:
    """List the reports of a site I keep or oversee."""
    site_scope.get(session, actor=actor, site_id=site_id)
    after = read_cursor(cursor, UUID)
    wanted = location_reports.reports(
        site_id=site_id, status=status, after=after[0] if after else None, limit=limit + 1
    )
    found = session.exec(wanted).all()
    more = len(found) > limit
    return LocationReportPage(
        items=[_public(row, crs) for row in found[:limit]],
        next_cursor=write_cursor(found[limit - 1].id) if more else None,
    )


@router.post(
    "/{report_id}/accept",
    operation_id="acceptLocationReport",
    summary="Agree with a report, and move the site there",
    response_model=LocationReportPublic,
    responses=problems(*ANSWERING, Stale, locations.OutsideDistrict),
)
def accept_location_report(
    site_id: UUID,
    report_id: UUID,
    actor: ActorDep,
    version: VersionDep,
    once: OnceDep,
    said: Annotated[AcceptIn | None, Body()] = None,
) -> Response:
    """Move the site to the suggested point, if there is one; `If-Match` is the site's version."""
    found = location_reports.accept(
        once.session,
        actor=actor,
        site_id=site_id,
        report_id=report_id,
        version=version,
        confirmed_outside=said is not None and said.confirmed_outside,
        now=once.now,
    )
    return once.answer(200, _public(found))


@router.post(
    "/{report_id}/dismiss",
    operation_id="dismissLocationReport",
    summary="Disagree with a report",
    response_model=LocationReportPublic,
    responses=problems(*ANSWERING),
)
def dismiss_location_report(
    site_id: UUID, report_id: UUID, actor: ActorDep, once: OnceDep
) -> Response:
    """Leave the site where it is."""
    found = location_reports.dismiss(
        once.session, actor=actor, site_id=site_id, report_id=report_id, now=once.now
    )
    return once.answer(200, _public(found))


def _public(row: LocationReport, crs: Crs = Crs.WGS84) -> LocationReportPublic:
    suggested = None if row.suggested is None else coordinates.place(row.suggested)
    return LocationReportPublic(
        id=row.id,
        suggested=geo.point(suggested, crs) if suggested else None,
        note=row.note,
        status=ReportStatus(row.status),
        created_at=row.created_at,
        answered_at=row.answered_at,
    )
