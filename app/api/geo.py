"""Places in requests and answers."""

import re
from typing import ClassVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict

from app.models import Crs
from app.services import coordinates
from app.services.coordinates import Place
from app.services.site_map import Box

MOST_LETTERS = 100
# Plain decimals only: what float() takes besides (nan, inf, 1e999) is no place.
_DEGREES = re.compile(r"\s*[+-]?[0-9]{1,3}(\.[0-9]{0,20})?\s*")
_RANGE = "longitude is within 180, latitude within 90 degrees"


class Point(BaseModel):
    """A place in the CRS it names: degrees, WGS-84 is EPSG:4326."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"lon": 117.97, "lat": 36.64, "crs": "wgs84"}}
    )

    lon: float
    lat: float
    crs: Crs


def point(wgs84: Place, crs: Crs) -> Point:
    """Answer a WGS-84 place in `crs`."""
    return labelled(coordinates.from_wgs84(*wgs84, crs), crs)


def labelled(place: Place, crs: Crs) -> Point:
    """Answer a place of `crs`; six decimals are a tenth of a metre."""
    return Point(lon=round(place.lon, 6), lat=round(place.lat, 6), crs=crs)


def read_place(parameter: str, given: str | None) -> Place | None:
    """Read `lon,lat` of a query parameter; None where it is absent.

    Raises:
        RequestValidationError: it is not a place on earth.
    """
    if given is None:
        return None
    lon, lat = _numbers(parameter, given, "lon,lat")
    if not _on_earth(lon, lat):
        raise RequestValidationError(_fault(parameter, given, _RANGE))
    return Place(lon, lat)


def read_box(parameter: str, given: str | None) -> Box | None:
    """Read `minx,miny,maxx,maxy` (west, south, east, north); None where it is absent.

    Raises:
        RequestValidationError: it is not a box on earth.
    """
    if given is None:
        return None
    box = Box(*_numbers(parameter, given, "minx,miny,maxx,maxy"))
    if not (_on_earth(box.west, box.south) and _on_earth(box.east, box.north)):
        raise RequestValidationError(_fault(parameter, given, _RANGE))
    if box.west > box.east or box.south > box.north:
        raise RequestValidationError(
            _fault(parameter, given, "minx must not exceed maxx, nor miny maxy")
        )
    return box


def _numbers(parameter: str, given: str, form: str) -> list[float]:
    parts = given.split(",")
    if len(parts) != len(form.split(",")) or not all(map(_DEGREES.fullmatch, parts)):
        raise RequestValidationError(_fault(parameter, given, f"should be {form} in degrees"))
    return [float(part) for part in parts]


def _on_earth(lon: float, lat: float) -> bool:
    return -180 <= lon <= 180 and -90 <= lat <= 90


def _fault(parameter: str, given: str, why: str) -> list[dict[str, object]]:
    return [{"type": "value_error", "loc": ("query", parameter), "msg": why, "input": given}]
