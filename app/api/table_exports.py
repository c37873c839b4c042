"""Tables of statistics as files, while one waits."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, BinaryIO
from urllib.parse import quote

from fastapi import Depends, Query
from fastapi.responses import StreamingResponse

from app.api.deps import ActorDep, DateDep, NowDep, SessionDep
from app.api.problems import problems
from app.api.reach import CircleDep, ReachTwice
from app.api.router import Router
from app.api.statistics import A_YEAR, MOST_DAYS, PeriodTooLong
from app.errors import Unauthenticated
from app.services import exports
from app.services.access import NotInScope
from app.services.calendar import local_date
from app.services.exports import Media
from app.services.table_notes import Asked
from app.services.tables import TableTooLarge
from app.storage import StorageUnavailable

router = Router(prefix="/statistics", tags=["statistics"])

AT_A_TIME = 64 * 1024
MOST_SILENT_DAYS = 3650
TYPES = {
    Media.CSV: "text/csv",
    Media.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def get_asked(
    now: NowDep,
    from_: Annotated[
        DateDep | None, Query(alias="from", description="First day; else a year ago")
    ] = None,
    to: Annotated[DateDep | None, Query(description="Last day, counted too; else today")] = None,
) -> Asked:
    """Give the period that is counted.

    Raises:
        PeriodTooLong: the days are out of order, or more than three years.
    """
    until = (to or local_date(now)) + timedelta(days=1)
    since = from_ or until - A_YEAR
    if not 1 <= (until - since).days <= MOST_DAYS:
        raise PeriodTooLong(limit=MOST_DAYS)
    return Asked(since, until, now)


AskedDep = Annotated[Asked, Depends(get_asked)]


def get_coverage_asked(
    asked: AskedDep, silent_days: Annotated[int, Query(ge=1, le=MOST_SILENT_DAYS)] = 90
) -> Asked:
    """Give the period, and after how many days without a visit a branch is silent."""
    return replace(asked, silent_days=silent_days)


def get_reach_asked(circle: CircleDep, now: NowDep) -> Asked:
    """Give the circle, and the days in which a place must be free."""
    return Asked(circle.since, circle.until, now, radius_m=circle.radius_m, people=circle.people)


ASKED: dict[str, Callable[..., Asked]] = {
    "coverage": get_coverage_asked,
    "reach": get_reach_asked,
}
"""How some tables are asked for; the others by their days alone."""
COUNTED_AT_ONCE = frozenset({"answers", "demand", "satisfaction"})
"""Tables that are not read row by row, so that they have a longest length."""


def headers_of(name: str, ending: str, size: int) -> dict[str, str]:
    """Return the headers of a file that is saved under a Chinese name and kept by nobody."""
    named = quote(f"{name}.{ending}", safe="")
    plain = f'attachment; filename="export.{ending}"'
    return {
        "Content-Disposition": f"{plain}; filename*=UTF-8''{named}",
        "Content-Length": str(size),
        "Cache-Control": "private, no-store",
    }


def _pieces(file: BinaryIO, kept: ExitStack) -> Iterator[bytes]:
    with kept:
        while piece := file.read(AT_A_TIME):
            yield piece


def _endpoint(name: str, media: Media) -> Callable[..., StreamingResponse]:
    def export_table(
        actor: ActorDep,
        session: SessionDep,
        asked: Annotated[Asked, Depends(ASKED.get(name, get_asked))],
    ) -> StreamingResponse:
        """Answer the rows of the reader's scope; the export is an audit event.

        The file is whole before its first byte is sent, for what is not noted is not given.
        """
        with ExitStack() as opened:
            file = opened.enter_context(exports.scratch())
            made = exports.export(
                session, name=name, media=media, actor=actor, asked=asked, file=file
            )
            size = file.tell()
            file.seek(0)
            kept = opened.pop_all()  # whoever sends it closes it
        said = f"{made.title}-{asked.since}-{asked.until - timedelta(days=1)}"
        return StreamingResponse(
            _pieces(file, kept),
            media_type=exports.media_type(media),
            headers=headers_of(said, media, size),
        )

    return export_table


def _offer(name: str, media: Media) -> None:
    content: dict[str, Any] = {TYPES[media]: {"schema": {"type": "string", "format": "binary"}}}
    router.add_api_route(
        f"/{name}.{media}",
        _endpoint(name, media),
        operation_id=f"export{name.title()}{media.title()}",
        summary=f"The table `{name}` as {media.upper()}",
        response_class=StreamingResponse,
        responses={
            200: {"content": content},
            **problems(
                Unauthenticated,
                NotInScope,
                PeriodTooLong,
                *((ReachTwice,) if name == "reach" else ()),
                *((TableTooLarge,) if name in COUNTED_AT_ONCE else ()),
                exports.ExportTooLong,
                StorageUnavailable,
            ),
        },
    )


for _name in exports.TABLES:
    for _media in Media:
        _offer(_name, _media)
