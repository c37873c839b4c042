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
    body: str | bytes, *, if_none_match: str | None, cache_control: str, media_type: str
) -> Response:
    """Answer `body` under a strong ETag made of its bytes, or 304 to whoever has it.

    Args:
        body: the answer.
        if_none_match: the request's header.
        cache_control: what a cache may keep; said with a 304 too.
        media_type: of the body.
    """
    content = body.encode() if isinstance(body, str) else body
    tag = sha256(content).hexdigest()[:32]
    if has(if_none_match, tag):
        return not_modified(tag, cache_control=cache_control)
    return tagged(content, tag=tag, cache_control=cache_control, media_type=media_type)


def has(if_none_match: str | None, tag: str) -> bool:
    """Tell whether the asker has the answer of this tag."""
    tags = {tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")}
    return f'"{tag}"' in tags or "*" in tags


def not_modified(tag: str, *, cache_control: str) -> Response:
    """Answer 304: the copy at hand is good."""
    return Response(status_code=304, headers=_headers(tag, cache_control))


def tagged(content: bytes, *, tag: str, cache_control: str, media_type: str) -> Response:
    """Answer `content` under a strong ETag."""
    return Response(content, headers=_headers(tag, cache_control), media_type=media_type)


def _headers(tag: str, cache_control: str) -> dict[str, str]:
    return {"ETag": f'"{tag}"', "Cache-Control": cache_control, "Vary": "Authorization"}
