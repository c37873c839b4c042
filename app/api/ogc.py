"""OGC API - Features, read-only: the sites as QGIS and its kin open them."""

import json
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Path, Request, Response
from fastapi.responses import JSONResponse

from app.api import ogc_documents as documents
from app.api import ogc_parameters as parameters
from app.api.caching import NOT_MODIFIED, GeoJSONResponse, IfNoneMatch, answer
from app.api.deps import NowDep, ReaderDep
from app.api.ogc_parameters import OgcParameterInvalid
from app.api.posters import BaseDep
from app.api.problems import problems
from app.api.router import Router
from app.services import ogc
from app.services.sites import SiteNotFound

router = Router(prefix="/ogc", tags=["ogc"], responses=problems(OgcParameterInvalid))

SELDOM = "public, max-age=3600"
SOON = "public, max-age=15"
ITEMS = f"{documents.PATH}/collections/sites/items"


def _document(
    request: Request, told: dict[str, Any], media_type: str = "application/json"
) -> Response:
    parameters.read_none(request.query_params)
    return JSONResponse(told, headers={"Cache-Control": SELDOM}, media_type=media_type)


def _replies(
    example: dict[str, Any], kind: str = documents.JSON
) -> dict[int | str, dict[str, Any]]:
    told = {"schema": {"type": "object", "required": [*example]}, "example": example}
    return {200: {"content": {kind: told}}}


_HERE = "https://example.org"


class DefinitionResponse(JSONResponse):
    """A definition in OpenAPI 3.0."""

    media_type = documents.OPENAPI


@router.get(
    "/",
    operation_id="getOgcLandingPage",
    summary="OGC API - Features: where to begin",
    response_class=JSONResponse,
    responses=_replies(documents.landing(_HERE)),
)
def get_landing_page(request: Request, base: BaseDep) -> Response:
    """Answer the links to everything else."""
    return _document(request, documents.landing(base))


@router.get(
    "/api",
    operation_id="getOgcDefinition",
    summary="OGC API - Features: its definition in OpenAPI 3.0",
    response_class=DefinitionResponse,
    responses=_replies(documents.definition(_HERE), documents.OPENAPI),
)
def get_definition(request: Request, base: BaseDep) -> Response:
    """Answer the definition that clients of the standard can read."""
    return _document(request, documents.definition(base), documents.OPENAPI)


@router.get(
    "/conformance",
    operation_id="getOgcConformance",
    summary="OGC API - Features: what it conforms to",
    response_class=JSONResponse,
    responses=_replies(documents.conformance()),
)
def get_conformance(request: Request) -> Response:
    """Answer the conformance classes."""
    return _document(request, documents.conformance())


@router.get(
    "/collections",
    operation_id="listOgcCollections",
    summary="OGC API - Features: collections",
    response_class=JSONResponse,
    responses=_replies(documents.collections(_HERE)),
)
def list_collections(request: Request, base: BaseDep) -> Response:
    """Answer the one collection there is."""
    return _document(request, documents.collections(base))


@router.get(
    "/collections/sites",
    operation_id="getOgcSites",
    summary="OGC API - Features: the collection of sites",
    response_class=JSONResponse,
    responses=_replies(documents.collection(_HERE)),
)
def get_collection(request: Request, base: BaseDep) -> Response:
    """Answer what the collection holds, and in which CRSs."""
    return _document(request, documents.collection(base))


_EMPTY: dict[str, Any] = {
    "type": "FeatureCollection",
    "numberMatched": 0,
    "numberReturned": 0,
    "links": [],
    "features": [],
}


@router.get(
    "/collections/sites/items",
    operation_id="listOgcItems",
    summary="OGC API - Features: a page of sites",
    response_class=GeoJSONResponse,
    responses={**_replies(_EMPTY, documents.GEOJSON), **NOT_MODIFIED},
    openapi_extra={"parameters": documents.PARAMETERS},
)
def list_items(
    request: Request,
    reader: ReaderDep,
    now: NowDep,
    base: BaseDep,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Answer sites in the order of their ids, with a link to the next page."""
    asked = parameters.read_page(request.query_params)
    page = ogc.page(reader, query=asked.query, after=asked.after, limit=asked.limit, now=now)
    told = _EMPTY | {
        "numberMatched": page.matched,
        "numberReturned": len(page.features),
        "links": _links(request, base, page),
    }
    features = ",".join(ogc.in_system(asked.crs, feature) for feature in page.features)
    head = json.dumps(told | {"features": []}, ensure_ascii=False).removesuffix("]}")
    return _located(f"{head}{features}]}}", asked.crs, if_none_match)


def _links(request: Request, base: str, page: ogc.Page) -> list[dict[str, str]]:
    given = dict(request.query_params)
    here = f"{base}{ITEMS}"
    links = [
        documents.link("self", f"{here}?{urlencode(given)}" if given else here, documents.GEOJSON),
        documents.link("collection", f"{base}{documents.PATH}/collections/sites"),
    ]
    if page.last:
        following = urlencode(given | {"cursor": str(page.last)})
        links.append(documents.link("next", f"{here}?{following}", documents.GEOJSON))
    return links


@router.get(
    "/collections/sites/items/{site_id}",
    operation_id="getOgcItem",
    summary="OGC API - Features: one site",
    response_class=GeoJSONResponse,
    responses={
        **_replies({"type": "Feature", "id": "", "geometry": {}}, documents.GEOJSON),
        **NOT_MODIFIED,
        **problems(SiteNotFound),
    },
    openapi_extra={"parameters": documents.OF_ITEM},
)
def get_item(
    site_id: Annotated[str, Path(json_schema_extra={"format": "uuid"})],
    request: Request,
    reader: ReaderDep,
    now: NowDep,
    base: BaseDep,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Answer one site.

    Raises:
        SiteNotFound: no published site has this id.
    """
    crs = parameters.read_item(request.query_params)
    try:
        key = UUID(site_id)
    except ValueError as exc:
        raise SiteNotFound from exc
    found = ogc.item(reader, site_id=key, now=now)
    here = f"{base}{ITEMS}/{key}"
    links = [
        documents.link("self", here, documents.GEOJSON),
        documents.link("collection", f"{base}{documents.PATH}/collections/sites"),
    ]
    feature = ogc.in_system(crs, found).removesuffix("}")
    return _located(f'{feature},"links":{json.dumps(links)}}}', crs, if_none_match)


def _located(body: str, crs: str, if_none_match: str | None) -> Response:
    """Answer features, and say in which CRS their coordinates are."""
    reply = answer(
        body,
        if_none_match=if_none_match,
        cache_control=SOON,
        media_type=GeoJSONResponse.media_type,
    )
    reply.headers["Content-Crs"] = f"<{crs}>"
    return reply
