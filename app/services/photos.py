"""Photos of sites: taken in, put in order, let go, and shown.

The store is written before the database, and cleared after it: so a photo that is told of is there,
and at worst there is one that nobody is told of.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from app.errors import Conflict, NotFound, Stale
from app.models import DroppedPhoto, Site, SitePhoto, SiteStatus
from app.services import pictures, site_scope
from app.services.access import Actor
from app.services.sites import SiteNotFound
from app.storage import Storage

MOST_PHOTOS = 20
"""Photos of one site."""
CLEARED_AT_ONCE = 100


class PhotoNotFound(NotFound):
    """There is no such photo, or it is not yours to see."""

    zh = "照片不存在"


class TooManyPhotos(Conflict):
    """The site has as many photos as a site may have."""

    zh = "照片数量已达上限，请先删除旧照片"
    detail_en = "At most {limit} photos"
    detail_zh = "每个阵地最多 {limit} 张照片"


class Changes(TypedDict, total=False):
    """What becomes different; what is absent stays. A `position` past the end is the end."""

    caption: str
    position: int


def full_key(digest: str) -> str:
    """Return where the store has the whole picture."""
    return f"{digest}.webp"


def thumb_key(digest: str) -> str:
    """Return where the store has the small one."""
    return f"{digest}-thumb.webp"


def add(
    session: Session,
    *,
    actor: Actor,
    site_id: UUID,
    data: bytes,
    caption: str,
    storage: Storage,
) -> tuple[SitePhoto, bool]:
    """Add a photo behind the others; return it, and whether it is new to the site.

    Args:
        session: open transaction.
        actor: who adds it.
        site_id: to which site.
        data: the uploaded file.
        caption: what it shows; empty for nothing.
        storage: where pictures are kept.

    Raises:
        SiteNotFound: there is none, or it is outside the actor's scope.
        NotInScope: the actor sees the site, but does not change it.
        SiteClosed: it was closed for good.
        PhotoUnreadable: the file is no whole picture of a known format.
        PhotoAnimated: it moves.
        PhotoTooLarge: it has too many pixels.
        TooManyPhotos: the site has enough.
        StorageUnavailable: it could not be kept.
    """
    site = site_scope.get(session, actor=actor, site_id=site_id)
    site_scope.require(session, actor=actor, site=site)
    picture = pictures.read(data)
    if len(of(session, site_id=site_id)) >= MOST_PHOTOS:  # before anything is kept for nothing
        _require_known(session, site_id, picture.digest)
    # Until the transaction ends nobody clears this picture out of the store.
    session.exec(select(func.pg_advisory_xact_lock(_lock_of(picture.digest)))).one()
    storage.put(thumb_key(picture.digest), picture.thumb)
    storage.put(full_key(picture.digest), picture.full)
    site_scope.hold(session, actor=actor, site_id=site_id)
    there = of(session, site_id=site_id)
    same = [photo for photo in there if photo.digest == picture.digest]
    if same:
        return same[0], False
    if len(there) >= MOST_PHOTOS:
        raise TooManyPhotos(limit=MOST_PHOTOS)
    photo = SitePhoto(
        site_id=site_id,
        position=len(there),
        digest=picture.digest,
        width=picture.width,
        height=picture.height,
        caption=caption,
    )
    session.add(photo)
    session.flush()
    return photo, True


def of(session: Session, *, site_id: UUID) -> Sequence[SitePhoto]:
    """Return the photos of a site in their order, whatever its state."""
    in_order = (col(SitePhoto.position), col(SitePhoto.id))
    return session.exec(select(SitePhoto).filter_by(site_id=site_id).order_by(*in_order)).all()


def change(
    session: Session, *, actor: Actor, photo_id: UUID, version: int, changes: Changes
) -> SitePhoto:
    """Change what a photo says, or its place among the others.

    Args:
        session: open transaction.
        actor: who changes it.
        photo_id: which.
        version: the one that was read.
        changes: what is to be otherwise.

    Raises:
        PhotoNotFound: there is none, or its site is outside the actor's scope.
        NotInScope: the actor sees the site, but does not change it.
        SiteClosed: the site was closed for good.
        Stale: it has another version by now.
    """
    photo = _hold(session, actor, photo_id)
    if photo.version != version:
        raise Stale
    photo.caption = changes.get("caption", photo.caption)
    if "position" in changes:
        others = [one for one in of(session, site_id=photo.site_id) if one.id != photo.id]
        others.insert(changes["position"], photo)
        _number(others)
    photo.version += 1
    session.flush()
    return photo


def remove(session: Session, *, actor: Actor, photo_id: UUID) -> None:
    """Take a photo from its site; a job takes it from the store.

    Args:
        session: open transaction.
        actor: who does.
        photo_id: which.

    Raises:
        PhotoNotFound: there is none, or its site is outside the actor's scope.
        NotInScope: the actor sees the site, but does not change it.
        SiteClosed: the site was closed for good.
    """
    photo = _hold(session, actor, photo_id)
    left = [one for one in of(session, site_id=photo.site_id) if one.id != photo.id]
    session.delete(photo)
    _number(left)
    session.flush()
    session.exec(insert(DroppedPhoto).values(digest=photo.digest).on_conflict_do_nothing())


def is_public(session: Session, *, digest: str) -> bool:
    """Tell whether a picture is of a published site, and may be kept by anybody.

    One of a draft or of a suspended site is shown as well, to whoever knows its 256 bits: they are
    told to those alone who work on the site, and a page cannot sign in for a picture.

    Raises:
        PhotoNotFound: no site has it that is not closed for good.
    """
    states = session.exec(
        select(Site.status)
        .join(SitePhoto, col(SitePhoto.site_id) == Site.id)
        .where(SitePhoto.digest == digest, Site.status != SiteStatus.CLOSED)
    ).all()
    if not states:
        raise PhotoNotFound
    return SiteStatus.PUBLISHED in states


def stored(storage: Storage, *, digest: str, small: bool) -> bytes:
    """Return a picture that `is_public` knows of, as WebP.

    Raises:
        PhotoNotFound: it has just been cleared away, or the store lost it.
        StorageUnavailable: the store does not answer.
    """
    content = storage.get(thumb_key(digest) if small else full_key(digest))
    if content is None:
        raise PhotoNotFound
    return content


def clear_dropped(session: Session, _: datetime, *, storage: Storage) -> int:
    """Take out of the store what sites let go and none has; return how many; a job.

    A failure undoes the whole turn, and the next one begins anew: what is gone already may be
    deleted once more.
    """
    oldest_first = (col(DroppedPhoto.created_at), col(DroppedPhoto.digest))
    waiting = select(DroppedPhoto).order_by(*oldest_first).limit(CLEARED_AT_ONCE)
    cleared = 0
    for dropped in session.exec(waiting.with_for_update(skip_locked=True)).all():
        free = func.pg_try_advisory_xact_lock(_lock_of(dropped.digest))
        if not session.exec(select(free)).one():
            continue  # somebody is adding it again
        if not session.exec(select(SitePhoto.id).filter_by(digest=dropped.digest)).first():
            storage.delete(full_key(dropped.digest))
            storage.delete(thumb_key(dropped.digest))
        session.delete(dropped)
        cleared += 1
    session.flush()
    return cleared


def _lock_of(digest: str) -> int:
    """Return the number of the lock on a picture: as many of its bits as such a number has."""
    return int.from_bytes(bytes.fromhex(digest[:16]), signed=True)


def _require_known(session: Session, site_id: UUID, digest: str) -> None:
    same = select(SitePhoto.id).filter_by(site_id=site_id, digest=digest)
    if session.exec(same).first() is None:
        raise TooManyPhotos(limit=MOST_PHOTOS)


def _hold(session: Session, actor: Actor, photo_id: UUID) -> SitePhoto:
    """Return a photo whose site is locked for the actor.

    Raises:
        PhotoNotFound: there is none, not any more, or its site is outside the actor's scope.
    """
    found = session.get(SitePhoto, photo_id)
    if found is None:
        raise PhotoNotFound
    try:
        site_scope.hold(session, actor=actor, site_id=found.site_id)
    except SiteNotFound as absence:
        raise PhotoNotFound from absence
    again = select(SitePhoto).filter_by(id=photo_id).execution_options(populate_existing=True)
    photo = session.exec(again).one_or_none()
    if photo is None:  # somebody else was quicker
        raise PhotoNotFound
    return photo


def _number(photos: Sequence[SitePhoto]) -> None:
    for position, photo in enumerate(photos):
        photo.position = position
