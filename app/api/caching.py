"""Answers that need not be sent twice."""

from hashlib import sha256
from typing import Annotated, Any

from fastapi import Header, Response
from fastapi.responses import JSONResponse

IfNoneMatch = Annotated[
    str | None, Header(max_length=1000, description="`ETag` of the copy at hand; 304 if it is good")
]
NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "The copy at hand is good"}}


class GeoJSONResponse(JSONResponse):
    """GeoJSON (RFC 7946)."""

    media_type = "application/geo+json"


def answer(
    body: str, *, if_none_match: str | None, cache_control: str, media_type: str
) -> Response:
    """Answer `body` under a strong ETag made of its bytes, or 304 to whoever has it.

    Args:
        body: the answer.
        if_none_match: the request's header.
        cache_control: what a cache may keep; said with a 304 too.
        media_type: of the body.
    """
    content = body.encode()
    etag = f'"{sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": cache_control, "Vary": "Authorization"}
    if _has(if_none_match, etag):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=media_type)


def _has(if_none_match: str | None, etag: str) -> bool:
    tags = {tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")}
    return etag in tags or "*" in tags
