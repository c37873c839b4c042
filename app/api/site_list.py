"""Finding sites: by what is typed, and by what else is wanted of them."""

import json
from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import Depends, Query, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict

from app.api import geo
from app.api.ahead import SessionsAhead
from app.api.deps import (
    CursorDep,
    CursorUnreadable,
    DateDep,
    LimitDep,
    NowDep,
    ReaderDep,
    read_cursor,
    write_cursor,
)
from app.api.problems import problems
from app.api.router import Router
from app.api.sites import CARD, POINT, SiteListed
from app.models import MOST_PEOPLE, Category, Crs, SiteKind
from app.services import coordinates, search, site_cards
from app.services.openings import MOST_RADIUS_M
from app.services.search import Found, SiteSort
from app.services.site_map import Box

router = Router(prefix="/sites", tags=["sites"], dependencies=[SessionsAhead])

MOST_TYPED = 300


class SitePage(BaseModel):
    """One page of sites."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"items": [CARD | {"point": POINT}], "next_cursor": None}}
    )

    items: list[SiteListed]
    next_cursor: str | None


RadiusDep = Annotated[int | None, Query(ge=1, le=MOST_RADIUS_M, description="Metres around `near`")]
NearDep = Annotated[
    str | None, Query(max_length=geo.MOST_LETTERS, description="lon,lat in degrees, in `crs`")
]


async def get_wish(
    q: Annotated[
        str | None,
        Query(
            max_length=MOST_TYPED,
            description="Words of the name, the address, the town or the menu; or the name's pinyin"
            " or initials, or a mixture. One slip is forgiven",
        ),
    ] = None,
    category: Category | None = None,
    kind: SiteKind | None = None,
    town_id: Annotated[UUID | None, Query(description="Only those of this town")] = None,
    near: NearDep = None,
    radius_m: RadiusDep = None,
    bbox: Annotated[
        str | None,
        Query(
            max_length=geo.MOST_LETTERS,
            description="minx,miny,maxx,maxy (west, south, east, north), degrees, in `crs`",
        ),
    ] = None,
    open_on: Annotated[
        DateDep | None,
        Query(description="Only those with a session that `people` people could order on this day"),
    ] = None,
    people: Annotated[
        int | None, Query(ge=1, le=MOST_PEOPLE, description="See `open_on`; 1 if absent")
    ] = None,
    crs: Crs = Crs.WGS84,
) -> search.Wish:
    """Give what sites are looked for; `async`, so that it costs no thread.

    Raises:
        RequestValidationError: a place is none, or something is missing that another thing needs.
    """
    place, box = geo.read_place("near", near), geo.read_box("bbox", bbox)
    if radius_m is not None and place is None:
        raise RequestValidationError(_missing("near", "radius_m"))
    if people is not None and open_on is None:
        raise RequestValidationError(_missing("open_on", "people"))
    return search.Wish(
        typed=q,
        category=category,
        kind=kind,
        town_id=town_id,
        near=coordinates.to_wgs84(*place, crs) if place else None,
        radius_m=radius_m,
        box=_box_in_wgs84(box, crs) if box else None,
        open_on=open_on,
        people=people or 1,
    )


def _missing(parameter: str, for_: str) -> list[dict[str, object]]:
    said = f"is needed by `{for_}`"
    return [{"type": "missing", "loc": ("query", parameter), "msg": said}]


def _box_in_wgs84(box: Box, crs: Crs) -> Box:
    corners = coordinates.to_wgs84(box.west, box.south, crs), (box.east, box.north)
    return Box(*corners[0], *coordinates.to_wgs84(*corners[1], crs))


@router.get(
    "",
    operation_id="listSites",
    summary="Published sites, searched and filtered",
    response_model=SitePage,
    responses=problems(CursorUnreadable),
)
def list_sites(
    reader: ReaderDep,
    now: NowDep,
    wish: Annotated[search.Wish, Depends(get_wish)],
    sort: Annotated[
        SiteSort,
        Query(
            description="By default as well as they fit `q`, or else as they were entered; by name"
            " is by pinyin; by distance needs `near`"
        ),
    ] = SiteSort.DEFAULT,
    crs: Crs = Crs.WGS84,
    limit: LimitDep = 50,
    cursor: CursorDep = None,
) -> Response:
    """List sites that are all that is wanted of them.

    Raises:
        CursorUnreadable: it is of another order.
        RequestValidationError: by distance of nothing.
    """
    if sort is SiteSort.DISTANCE and wish.near is None:
        raise RequestValidationError(_missing("near", "sort"))
    after = read_cursor(cursor, SiteSort, _small, _small, UUID)
    if after and after[0] is not sort:
        raise CursorUnreadable
    found = search.find(
        reader,
        wish=wish,
        sort=sort,
        after=Found(*after[1:]) if after else None,
        limit=limit + 1,
        now=now,
    )
    shown = found[:limit]
    sites = site_cards.listed(reader, ids=[one.id for one in shown], crs=crs, now=now)
    cursor_after = json.dumps(_cursor(sort, shown[-1]) if len(found) > limit else None)
    return Response(
        b'{"items":%s,"next_cursor":%s}' % (sites, cursor_after.encode()),
        media_type="application/json",
        headers={"Cache-Control": "public, max-age=15"},
    )


def _small(given: str) -> int:
    number = int(given)
    if not 0 <= number <= 1000:
        raise ValueError("out of range")
    return number


def _cursor(sort: SiteSort, last: Found) -> str:
    return write_cursor(sort, str(int(last.tier)), str(last.closeness), last.id)
