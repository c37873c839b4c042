"""Bookings for people's own calendar programs."""

from typing import Any, ClassVar
from uuid import UUID

from fastapi import Response
from pydantic import AwareDatetime, BaseModel, ConfigDict

from app.api.caching import NOT_MODIFIED, IfNoneMatch, has, not_modified, tagged
from app.api.deps import ActorDep, NowDep, SessionDep
from app.api.posters import BaseDep
from app.api.problems import problems
from app.api.router import Router
from app.errors import Unauthenticated
from app.services import bookings, calendar_feeds, calendars, ics
from app.services.codes import code_of

router = Router(tags=["calendars"])

CALENDAR = "text/calendar; charset=utf-8"
# Asked for again each time; the tag spares the sending of what has not changed.
KEPT = "private, no-cache"
FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "text/calendar": {"schema": {"type": "string"}, "example": "BEGIN:VCALENDAR\r\n…"}
        }
    },
    **NOT_MODIFIED,
}
ADDRESS = "https://map.example.cn/api/v1/calendars/wVbz…kI8.ics"


class MyCalendar(BaseModel):
    """Where calendar programs read my bookings; both null while there is no such address."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {"address": ADDRESS, "made_at": "2026-11-25T09:00:00+08:00"},
        }
    )

    address: str | None
    made_at: AwareDatetime | None


def _mine(feed: calendar_feeds.Feed | None, base: str) -> MyCalendar:
    if feed is None:
        return MyCalendar(address=None, made_at=None)
    address = f"{base}/api/v1/calendars/{feed.token}.ics"
    return MyCalendar(address=address, made_at=feed.made_at)


def _file(shown: list[ics.Appointment], if_none_match: str | None) -> Response:
    tag = calendars.tag(shown)
    if has(if_none_match, tag):
        return not_modified(tag, cache_control=KEPT)
    content = calendars.written(shown)
    return tagged(content, tag=tag, cache_control=KEPT, media_type=CALENDAR)


@router.get(
    "/bookings/{booking_id}/calendar.ics",
    operation_id="getBookingCalendar",
    summary="One booking as a file for a calendar",
    response_class=Response,
    responses={**FILE, **problems(Unauthenticated, bookings.BookingNotFound)},
)
def get_booking_calendar(
    booking_id: UUID,
    actor: ActorDep,
    session: SessionDep,
    now: NowDep,
    base: BaseDep,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Answer iCalendar (RFC 5545); taken in again after a change it replaces what was there."""
    booking = bookings.get(session, actor=actor, booking_id=booking_id)
    shown = calendars.one(session, actor=actor, booking=booking, base=base, now=now)
    answer = _file(shown, if_none_match)
    name = f"{code_of(booking.number or 0)}.ics"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


@router.get(
    "/calendars/{token}.ics",
    operation_id="getCalendar",
    summary="A person's bookings, for calendar programs to subscribe to",
    response_class=Response,
    responses={**FILE, **problems(calendar_feeds.CalendarNotFound)},
)
def get_calendar(
    token: str,
    session: SessionDep,
    now: NowDep,
    base: BaseDep,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Answer what the address's owner goes to or receives; the address is all that is asked for."""
    actor = calendar_feeds.reader_of(session, token=token, now=now)
    return _file(calendars.feed(session, actor=actor, base=base, now=now), if_none_match)


@router.get(
    "/me/calendar",
    operation_id="getMyCalendar",
    summary="The address of my calendar",
    responses=problems(Unauthenticated),
)
def get_my_calendar(actor: ActorDep, session: SessionDep, base: BaseDep) -> MyCalendar:
    """Show the address, if there is one."""
    return _mine(calendar_feeds.mine(session, account_id=actor.account_id), base)


@router.post(
    "/me/calendar",
    status_code=201,
    operation_id="renewMyCalendar",
    summary="Give my calendar an address, in place of the one it has",
    responses=problems(Unauthenticated),
)
def renew_my_calendar(
    actor: ActorDep, session: SessionDep, now: NowDep, base: BaseDep
) -> MyCalendar:
    """Make an address; the one before shows nothing from now on.

    Without an Idempotency-Key, for kept answers are not secret: sent twice, the last one is good.
    """
    return _mine(calendar_feeds.renew(session, account_id=actor.account_id, now=now), base)


@router.delete(
    "/me/calendar",
    status_code=204,
    operation_id="endMyCalendar",
    summary="Take my calendar's address away",
    responses=problems(Unauthenticated),
)
def end_my_calendar(actor: ActorDep, session: SessionDep) -> Response:
    """End it; it shows nothing from now on."""
    calendar_feeds.end(session, account_id=actor.account_id)
    return Response(status_code=204)
