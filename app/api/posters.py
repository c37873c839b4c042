"""Passing a site on: its share card, and its QR code alone."""

import re
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request, Response

from app.api.caching import NOT_MODIFIED, IfNoneMatch, answer, has, not_modified, tagged
from app.api.config import SettingsDep
from app.api.deps import SessionDep
from app.api.photos import StorageDep
from app.api.problems import MalformedRequest, problems
from app.api.router import Router
from app.services import photos, posters, sites
from app.storage import StorageUnavailable

router = Router(prefix="/sites", tags=["sites"])

KEPT = "public, max-age=300"
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.-]{1,253})(:[0-9]{1,5})?")


class Page(StrEnum):
    """Where a code leads: to the site, or straight to the way there."""

    SITE = "sites"
    GO = "go"


async def get_base(request: Request, settings: SettingsDep) -> str:
    """Give where people find the pages: as the settings say, else where they asked.

    Raises:
        MalformedRequest: they asked at no host.
    """
    if settings.public_url:
        return settings.public_url
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        raise MalformedRequest(faults=1, errors=[{"pointer": "host", "detail": "is no host"}])
    return f"{request.scope['scheme']}://{host}"


BaseDep = Annotated[str, Depends(get_base)]


def _image(media_type: str) -> dict[int | str, dict[str, Any]]:
    content = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    return {200: {"content": content}, **NOT_MODIFIED}


@router.get(
    "/{site_id:uuid}/poster.png",
    operation_id="getPoster",
    summary="A site's share card, with a QR code",
    response_class=Response,
    responses={
        **_image("image/png"),
        **problems(sites.SiteNotFound, posters.PosterUnavailable, StorageUnavailable),
    },
)
def get_poster(
    site_id: UUID,
    session: SessionDep,
    storage: StorageDep,
    settings: SettingsDep,
    base: BaseDep,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Answer a picture of 1080 by 1440 pixels, to be sent around or printed."""
    card = posters.card(session, site_id=site_id, base=base)
    tag = card.tag()
    if has(if_none_match, tag):
        return not_modified(tag, cache_control=KEPT)
    photo = photos.stored(storage, digest=card.photo, small=False) if card.photo else None
    content = posters.draw(card, photo=photo, font=settings.font)
    return tagged(content, tag=tag, cache_control=KEPT, media_type="image/png")


@router.get(
    "/{site_id:uuid}/qr.svg",
    operation_id="getQr",
    summary="The QR code of a site's page",
    response_class=Response,
    responses={**_image("image/svg+xml"), **problems(sites.SiteNotFound)},
)
def get_qr(
    site_id: UUID,
    session: SessionDep,
    base: BaseDep,
    page: Page = Page.SITE,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Answer a code to go on with on the telephone."""
    sites.published(session, site_id=site_id)
    return answer(
        posters.qr_svg(f"{base}/#/{page}/{site_id}"),
        if_none_match=if_none_match,
        cache_control=KEPT,
        media_type="image/svg+xml",
    )
