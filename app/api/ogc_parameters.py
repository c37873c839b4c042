"""Query parameters as OGC API - Features has them: what is not understood is a 400, never a 422."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from starlette.datastructures import QueryParams

from app.api.ogc_documents import MOST_ITEMS, OF_ITEM, PARAMETERS, USUAL_ITEMS
from app.errors import Unreadable
from app.models import Category
from app.services import ogc
from app.services.site_map import WORLD, Box

_NUMBER = re.compile(r"[+-]?[0-9]{1,12}(\.[0-9]{0,20})?([eE][+-]?[0-9]{1,2})?")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d))?", re.ASCII)
_OPEN = ("", "..")
_TOWN_LETTERS = 40


class OgcParameterInvalid(Unreadable):
    """A query parameter is unknown, or its value is not one of its values."""

    zh = "查询参数无效"
    detail_en = "Parameter {parameter}"
    detail_zh = "参数 {parameter}"


class Asked(NamedTuple):
    """What a page of features was asked for."""

    query: ogc.Query
    crs: str
    limit: int
    after: UUID | None


def read_none(given: QueryParams) -> None:
    """Refuse every parameter.

    Raises:
        OgcParameterInvalid: there is one.
    """
    _known(given, ())


def read_item(given: QueryParams) -> str:
    """Return the CRS of the answer.

    Raises:
        OgcParameterInvalid: a parameter is unknown, or the CRS is.
    """
    _known(given, (parameter["name"] for parameter in OF_ITEM))
    return _system(given, "crs")


def read_page(given: QueryParams) -> Asked:
    """Return what is asked for.

    Raises:
        OgcParameterInvalid: a parameter is unknown or given twice, or its value cannot be meant.
    """
    _known(given, (parameter["name"] for parameter in PARAMETERS))
    _time(given)
    boxes: tuple[Box, ...] = (WORLD,)
    if "bbox" in given:
        boxes = ogc.boxes(_system(given, "bbox-crs"), _corners(given))
    else:
        _system(given, "bbox-crs")
    return Asked(
        ogc.Query(boxes, _category(given), _town(given)),
        _system(given, "crs"),
        _limit(given),
        _cursor(given),
    )


def _known(given: QueryParams, names: Iterable[str]) -> None:
    known = set(names)
    for name in given:
        if name not in known or len(given.getlist(name)) > 1:
            raise OgcParameterInvalid(parameter=name)


def _system(given: QueryParams, name: str) -> str:
    uri = given.get(name, ogc.CRS84)
    if uri not in ogc.SYSTEMS:
        raise OgcParameterInvalid(parameter=name)
    return uri


def _corners(given: QueryParams) -> tuple[float, float, float, float]:
    """Read four numbers; of six, the heights are left out.

    Raises:
        OgcParameterInvalid: they are not numbers, or the latitudes run backwards.
    """
    parts = given["bbox"].split(",")
    if len(parts) not in {4, 6} or not all(map(_NUMBER.fullmatch, parts)):
        raise OgcParameterInvalid(parameter="bbox")
    half = len(parts) // 2
    x1, y1, x2, y2 = (float(parts[place]) for place in (0, 1, half, half + 1))
    geographic = given.get("bbox-crs", ogc.CRS84)
    # Only longitudes may run backwards: across the date line.
    upwards = x1 <= x2 if ogc.SYSTEMS[geographic].read(0, 1).lon else y1 <= y2
    if not upwards:
        raise OgcParameterInvalid(parameter="bbox")
    return x1, y1, x2, y2


def _limit(given: QueryParams) -> int:
    limit = given.get("limit", str(USUAL_ITEMS))
    if not re.fullmatch(r"[0-9]{1,9}", limit) or int(limit) < 1:
        raise OgcParameterInvalid(parameter="limit")
    return min(int(limit), MOST_ITEMS)


def _time(given: QueryParams) -> None:
    """Read an instant or an interval, only to refuse what is neither.

    Raises:
        OgcParameterInvalid: it is neither, or runs backwards.
    """
    ends = given.get("datetime", "../..").split("/")
    instants = [_instant(end) for end in ends if len(ends) == 1 or end not in _OPEN]
    if len(ends) > 2 or instants != sorted(instants):
        raise OgcParameterInvalid(parameter="datetime")


def _instant(written: str) -> datetime:
    try:
        if not _INSTANT.fullmatch(written):
            raise ValueError(written)  # noqa: TRY301
        return datetime.fromisoformat(written if len(written) > 10 else f"{written}T00Z")
    except ValueError as exc:
        raise OgcParameterInvalid(parameter="datetime") from exc


def _category(given: QueryParams) -> Category | None:
    try:
        return Category(given["category"]) if "category" in given else None
    except ValueError as exc:
        raise OgcParameterInvalid(parameter="category") from exc


def _town(given: QueryParams) -> str | None:
    town = given.get("town")
    if town is not None and ("\x00" in town or len(town) > _TOWN_LETTERS):
        raise OgcParameterInvalid(parameter="town")
    return town


def _cursor(given: QueryParams) -> UUID | None:
    try:
        return UUID(given["cursor"]) if "cursor" in given else None
    except ValueError as exc:
        raise OgcParameterInvalid(parameter="cursor") from exc
