"""What OGC API - Features says of itself: conformance, the collection, and its definition.

The definition is one of OpenAPI 3.0, for that is what clients of the standard read; the contract of
the whole service is 3.1.
"""

from typing import Any

from app.models import Category
from app.services import ogc

PATH = "/api/v1/ogc"
GEOJSON = "application/geo+json"
JSON = "application/json"
OPENAPI = "application/vnd.oai.openapi+json;version=3.0"
MOST_ITEMS = 1000
USUAL_ITEMS = 100

CONFORMS_TO = (
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30",
    "http://www.opengis.net/spec/ogcapi-features-2/1.0/conf/crs",
)
CHINA = [73.0, 3.0, 136.0, 54.0]
"""Around the mainland and its seas; exact enough for a first look."""


def _parameter(name: str, told: str, schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": told, "schema": schema, **more}


_CRS = _parameter("crs", "CRS of the answer", {"type": "string", "enum": [*ogc.SYSTEMS]})
PARAMETERS: list[dict[str, Any]] = [
    _parameter(
        "bbox",
        "Corners of a window, the lower one first, in the order of the axes of `bbox-crs`",
        {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 6},
        style="form",
        explode=False,
    ),
    _parameter("bbox-crs", "CRS of `bbox`", {"type": "string", "enum": [*ogc.SYSTEMS]}),
    _CRS,
    _parameter(
        "limit",
        f"Most features on a page; more than {MOST_ITEMS} means {MOST_ITEMS}",
        {"type": "integer", "minimum": 1, "default": USUAL_ITEMS},
    ),
    _parameter(
        "datetime",
        "An instant, or an interval; sites have no time of their own, so all of them match",
        {"type": "string"},
    ),
    _parameter("category", "Only these", {"type": "string", "enum": [*Category]}),
    _parameter("town", "Only those of the town of this name", {"type": "string"}),
    _parameter("cursor", "Id that ended the page before", {"type": "string", "format": "uuid"}),
]
OF_ITEM = [_CRS]


def link(rel: str, href: str, type_: str = JSON, title: str = "") -> dict[str, str]:
    """Return one link of a document."""
    return {"rel": rel, "href": href, "type": type_} | ({"title": title} if title else {})


def landing(base: str) -> dict[str, Any]:
    """Return the landing page."""
    here = base + PATH
    return {
        "title": "党建地图 Party-Building Map",
        "description": "已开放的党建阵地，只读。Published sites, read-only.",
        "links": [
            link("self", f"{here}/"),
            link("service-desc", f"{here}/api", OPENAPI, "OpenAPI 3.0"),
            link("service-doc", f"{base}/docs", "text/html"),
            link("conformance", f"{here}/conformance"),
            link("data", f"{here}/collections"),
        ],
    }


def conformance() -> dict[str, Any]:
    """Return the classes that are conformed to."""
    return {"conformsTo": [*CONFORMS_TO]}


def collections(base: str) -> dict[str, Any]:
    """Return the one collection there is, in a list."""
    return {
        "links": [link("self", f"{base}{PATH}/collections")],
        "crs": [*ogc.SYSTEMS],
        "collections": [collection(base)],
    }


def collection(base: str) -> dict[str, Any]:
    """Return what the collection of sites is."""
    here = f"{base}{PATH}/collections/sites"
    return {
        "id": "sites",
        "title": "阵地 Sites",
        "description": "已开放的阵地，含下一个可约场次。Published sites, and what is free next.",
        "itemType": "feature",
        "extent": {"spatial": {"bbox": [CHINA], "crs": ogc.CRS84}},
        "crs": [*ogc.SYSTEMS],
        "storageCrs": ogc.CRS84,
        "links": [link("self", here), link("items", f"{here}/items", GEOJSON)],
    }


def _operation(name: str, told: str, kind: str = JSON, **more: Any) -> dict[str, Any]:
    reply = {"description": told, "content": {kind: {"schema": {"type": "object"}}}}
    problem = {"schema": {"type": "object"}}
    refusal = {"description": "Refused", "content": {"application/problem+json": problem}}
    responses = {"200": reply, "default": refusal}
    return {"get": {"operationId": name, "summary": told, "responses": responses, **more}}


def definition(base: str) -> dict[str, Any]:
    """Return this part of the service as OpenAPI 3.0 has it."""
    where = {"name": "featureId", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "openapi": "3.0.3",
        "info": {"title": "党建地图 Party-Building Map", "version": "1.0.0"},
        "servers": [{"url": base + PATH}],
        "paths": {
            "/": _operation("getLandingPage", "The landing page"),
            "/conformance": _operation("getConformance", "Conformance classes"),
            "/collections": _operation("getCollections", "The collections"),
            "/collections/sites": _operation("describeSites", "The collection of sites"),
            "/collections/sites/items": _operation(
                "getSites", "Sites", GEOJSON, parameters=PARAMETERS
            ),
            "/collections/sites/items/{featureId}": _operation(
                "getSite", "One site", GEOJSON, parameters=[where, *OF_ITEM]
            ),
        },
    }
