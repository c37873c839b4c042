"""Photos of sites."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, ClassVar, cast
from uuid import UUID

from fastapi import Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.datastructures import UploadFile

from app.api.caching import NOT_MODIFIED, IfNoneMatch, has, not_modified, tagged
from app.api.deps import ActorDep, SessionDep, VersionDep
from app.api.headers import A_YEAR
from app.api.once import OnceDep
from app.api.problems import MalformedRequest, problems
from app.api.router import Router
from app.errors import Stale, Unauthenticated
from app.models import SitePhoto
from app.services import idempotency, photos, pictures, sites, tokens
from app.services.access import NotInScope
from app.storage import Storage, StorageUnavailable

router = Router(tags=["sites"])

DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
Caption = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=120, pattern=r"^[^\x00-\x1f\x7f]*$"),
]
"""Text of one line; empty for none."""
WEBP = "image/webp"
FOR_GOOD = f"public, max-age={A_YEAR}, immutable"
NOT_YET = "private, no-store"
FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "string",
                            "contentMediaType": "application/octet-stream",
                            "description": "JPEG, PNG or WebP, at most 10 MB and 25 million"
                            " pixels; told by its content, not by its name",
                        }
                    },
                }
            }
        },
    }
}


def address(digest: str, size: str) -> str:
    """Return where a picture is served."""
    return f"/api/v1/photos/{digest}.webp?size={size}"


EXAMPLE: dict[str, Any] = {
    "id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f31",
    "url": address(DIGEST, "full"),
    "thumb_url": address(DIGEST, "thumb"),
    "width": 1600,
    "height": 1200,
    "caption": "宣誓墙",
    "version": 1,
}


class PhotoPublic(BaseModel):
    """A photo: at most 1600 pixels wide and high, and its small copy, at most 480."""

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra={"example": EXAMPLE})

    id: UUID
    url: str
    thumb_url: str
    width: int
    height: int
    caption: str
    version: int


class PhotoChange(BaseModel):
    """What becomes different; what is absent stays. `position` counts from 0."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"caption": "宣誓墙", "position": 0}}
    )

    caption: Caption | None = None
    position: int | None = Field(default=None, ge=0, le=1000, strict=True)

    def changes(self) -> photos.Changes:
        """Return what was said."""
        return cast("photos.Changes", self.model_dump(exclude_none=True))


class Size(StrEnum):
    """Which of the two."""

    THUMB = "thumb"
    FULL = "full"


async def get_storage(request: Request) -> Storage:
    """Give the store of photos."""
    storage: Storage = request.app.state.storage
    return storage


StorageDep = Annotated[Storage, Depends(get_storage)]


async def get_picture(request: Request) -> bytes:
    """Give the bytes of the uploaded file; read by hand, as those of an import are.

    Raises:
        MalformedRequest: the form has no file of that name.
    """
    await request.body()
    async with request.form(max_files=1, max_fields=1) as form:
        file = form.get("file")
        if isinstance(file, UploadFile):
            return await file.read()
    raise MalformedRequest(faults=1, errors=[{"pointer": "/file", "detail": "Field required"}])


REFUSALS = (Unauthenticated, tokens.InvalidToken, NotInScope, sites.SiteClosed)


@router.post(
    "/sites/{site_id}/photos",
    status_code=201,
    operation_id="addPhoto",
    summary="Add a photo to a site",
    response_model=PhotoPublic,
    responses={
        200: {"model": PhotoPublic, "description": "The site has this very photo already"},
        **problems(
            *REFUSALS,
            sites.SiteNotFound,
            pictures.PhotoUnreadable,
            pictures.PhotoAnimated,
            pictures.PhotoTooLarge,
            photos.TooManyPhotos,
            StorageUnavailable,
            idempotency.IdempotencyKeyReused,
        ),
    },
    openapi_extra=FORM,
)
def add_photo(
    site_id: UUID,
    file: Annotated[bytes, Depends(get_picture)],
    actor: ActorDep,
    once: OnceDep,
    storage: StorageDep,
    caption: Annotated[Caption, Query(description="What it shows")] = "",
) -> Response:
    """Keep the pixels alone, upright, and nothing of what the camera wrote beside them."""
    photo, new = photos.add(
        once.session, actor=actor, site_id=site_id, data=file, caption=caption, storage=storage
    )
    return once.answer(201 if new else 200, shown(photo))


@router.patch(
    "/photos/{photo_id:uuid}",
    operation_id="changePhoto",
    summary="Change what a photo says, or its place among the others",
    responses=problems(*REFUSALS, photos.PhotoNotFound, Stale),
)
def change_photo(
    photo_id: UUID,
    wanted: PhotoChange,
    actor: ActorDep,
    session: SessionDep,
    version: VersionDep,
    response: Response,
) -> PhotoPublic:
    """Change what is said; the first photo stands for the site."""
    photo = photos.change(
        session, actor=actor, photo_id=photo_id, version=version, changes=wanted.changes()
    )
    response.headers["ETag"] = f'"{photo.version}"'
    return shown(photo)


@router.delete(
    "/photos/{photo_id:uuid}",
    status_code=204,
    operation_id="removePhoto",
    summary="Take a photo from its site",
    responses=problems(*REFUSALS, photos.PhotoNotFound),
)
def remove_photo(photo_id: UUID, actor: ActorDep, session: SessionDep) -> None:
    """Take it away; the others move up."""
    photos.remove(session, actor=actor, photo_id=photo_id)


@router.get(
    "/photos/{digest}.webp",
    operation_id="getPhoto",
    summary="A picture",
    response_class=Response,
    responses={
        200: {"content": {WEBP: {"schema": {"type": "string", "format": "binary"}}}},
        **NOT_MODIFIED,
        **problems(photos.PhotoNotFound, StorageUnavailable),
    },
)
def get_photo(
    digest: Annotated[str, Path(pattern="^[0-9a-f]{64}$", examples=[DIGEST])],
    session: SessionDep,
    storage: StorageDep,
    size: Size = Size.FULL,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Answer it to everybody who knows its address; it never changes."""
    kept = FOR_GOOD if photos.is_public(session, digest=digest) else NOT_YET
    tag = f"{digest[:32]}-{size}"
    if has(if_none_match, tag):
        return not_modified(tag, cache_control=kept)
    content = photos.stored(storage, digest=digest, small=size is Size.THUMB)
    return tagged(content, tag=tag, cache_control=kept, media_type=WEBP)


def shown(photo: SitePhoto) -> PhotoPublic:
    """Return what is told of a photo."""
    return PhotoPublic(
        id=photo.id,
        url=address(photo.digest, "full"),
        thumb_url=address(photo.digest, "thumb"),
        width=photo.width,
        height=photo.height,
        caption=photo.caption,
        version=photo.version,
    )


def shown_all(found: Sequence[SitePhoto]) -> list[PhotoPublic]:
    """Return what is told of photos, in their order."""
    return [shown(photo) for photo in found]
