"""Photos of sites, and what becomes of their files."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select
from uuid_utils.compat import uuid7

from app.models import DroppedPhoto, SitePhoto, SiteStatus
from app.services import photos
from app.services.photos import PhotoNotFound, TooManyPhotos, full_key, thumb_key
from app.storage import Folder, StorageUnavailable
from tests.conftest import NOW
from tests.makers import World, actor, make_photo, make_world
from tests.pictures import a_picture, opened
from tests.races import at_once, replaced_sql, until_somebody_waits


@pytest.fixture
def storage(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def files(storage: Folder) -> set[str]:
    """Every file of the store, half-written ones too."""
    return {path.name for path in storage.root.rglob("*") if path.is_file()}


def kept(*digests: str) -> set[str]:
    return {key(digest) for digest in digests for key in (full_key, thumb_key)}


def colours() -> Iterator[bytes]:
    """Ever new pictures."""
    return (a_picture(colour=(red, 90, 90)) for red in range(0, 250, 5))


def digests(session: Session, world: World) -> list[str]:
    return [photo.digest for photo in photos.of(session, site_id=world.site.id)]


def clear(session: Session, storage: Folder) -> int:
    return photos.clear_dropped(session, NOW, storage=storage)


def remove(session: Session, world: World, photo: SitePhoto) -> None:
    photos.remove(session, actor=actor(session, world.manager), photo_id=photo.id)


def test_a_photo_is_kept_in_two_sizes_under_its_digest(session: Session, storage: Folder) -> None:
    world = make_world(session)
    photo = make_photo(session, world, storage=storage)
    assert (photo.width, photo.height, photo.position, photo.version) == (64, 48, 0, 1)
    assert files(storage) == kept(photo.digest)
    for small in (True, False):
        content = photos.stored(storage, digest=photo.digest, small=small)
        assert opened(content).size == (64, 48)


def test_the_same_picture_twice_is_one_photo(session: Session, storage: Folder) -> None:
    world = make_world(session)
    first = make_photo(session, world, storage=storage)
    again = make_photo(session, world, storage=storage)
    assert again is first
    assert len(digests(session, world)) == 1


def test_photos_are_put_in_order(session: Session, storage: Folder) -> None:
    world = make_world(session)
    sent = colours()
    one, two, three = (
        make_photo(session, world, storage=storage, data=next(sent)) for _ in range(3)
    )
    who = actor(session, world.manager)

    def move(photo: SitePhoto, position: int) -> list[str]:
        changes = photos.Changes(position=position)
        version = photo.version
        photos.change(session, actor=who, photo_id=photo.id, version=version, changes=changes)
        assert photo.version == version + 1
        return digests(session, world)

    assert move(three, 0) == [three.digest, one.digest, two.digest]
    assert move(three, 1) == [one.digest, three.digest, two.digest]
    assert move(one, 1000) == [three.digest, two.digest, one.digest]
    remove(session, world, two)
    assert [photo.position for photo in photos.of(session, site_id=world.site.id)] == [0, 1]


def test_a_site_has_no_more_than_so_many(
    session: Session, storage: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photos, "MOST_PHOTOS", 2)
    world = make_world(session)
    sent = colours()
    first = next(sent)
    make_photo(session, world, storage=storage, data=first)
    make_photo(session, world, storage=storage, data=next(sent))
    before = files(storage)
    with pytest.raises(TooManyPhotos) as refusal:
        make_photo(session, world, storage=storage, data=next(sent))
    assert refusal.value.facts == {"limit": 2}
    assert files(storage) == before
    make_photo(session, world, storage=storage, data=first)  # which it has


def test_the_file_goes_after_the_photo(session: Session, storage: Folder) -> None:
    world = make_world(session)
    photo = make_photo(session, world, storage=storage)
    remove(session, world, photo)
    assert files(storage) == kept(photo.digest)
    assert clear(session, storage) == 1
    assert files(storage) == set()
    assert clear(session, storage) == 0


def test_what_another_site_shows_stays(session: Session, storage: Folder) -> None:
    ours, theirs = make_world(session), make_world(session)
    photo = make_photo(session, ours, storage=storage)
    same = make_photo(session, theirs, storage=storage)
    assert same.digest == photo.digest
    remove(session, ours, photo)
    clear(session, storage)
    assert files(storage) == kept(same.digest)
    remove(session, theirs, same)
    clear(session, storage)
    assert files(storage) == set()


def test_what_was_added_again_stays(session: Session, storage: Folder) -> None:
    world = make_world(session)
    photo = make_photo(session, world, storage=storage)
    remove(session, world, photo)
    make_photo(session, world, storage=storage)
    assert clear(session, storage) == 1
    assert files(storage) == kept(photo.digest)


def test_a_store_that_is_away_loses_no_work(session: Session, storage: Folder) -> None:
    class Away(Folder):
        def delete(self, key: str) -> None:
            raise StorageUnavailable

    world = make_world(session)
    remove(session, world, make_photo(session, world, storage=storage))
    with pytest.raises(StorageUnavailable), session.begin_nested():
        clear(session, Away(storage.root))
    assert session.exec(select(DroppedPhoto)).all()
    assert clear(session, storage) == 1


def test_nothing_is_told_of_what_could_not_be_kept(session: Session, tmp_path: Path) -> None:
    class Full(Folder):
        def put(self, key: str, content: bytes) -> None:
            raise StorageUnavailable

    world = make_world(session)
    with pytest.raises(StorageUnavailable):
        make_photo(session, world, storage=Full(tmp_path))
    assert digests(session, world) == []


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (SiteStatus.PUBLISHED, True),
        (SiteStatus.DRAFT, False),
        (SiteStatus.SUSPENDED, False),
        (SiteStatus.CLOSED, None),
    ],
)
def test_who_may_keep_a_picture_depends_on_the_site(
    session: Session, storage: Folder, status: SiteStatus, shown: bool | None
) -> None:
    world = make_world(session)
    digest = make_photo(session, world, storage=storage).digest
    world.site.status = status
    session.flush()
    if shown is None:
        with pytest.raises(PhotoNotFound):
            photos.is_public(session, digest=digest)
    else:
        assert photos.is_public(session, digest=digest) is shown


def test_a_picture_of_two_sites_is_as_public_as_the_more_public_one(
    session: Session, storage: Folder
) -> None:
    ours, theirs = make_world(session), make_world(session)
    digest = make_photo(session, ours, storage=storage).digest
    make_photo(session, theirs, storage=storage)
    ours.site.status = SiteStatus.CLOSED
    session.flush()
    assert photos.is_public(session, digest=digest)


def test_an_unknown_picture_is_not_there(session: Session, storage: Folder) -> None:
    with pytest.raises(PhotoNotFound):
        photos.is_public(session, digest="0" * 64)
    with pytest.raises(PhotoNotFound):
        photos.stored(storage, digest="0" * 64, small=False)
    nobody = actor(session, make_world(session).manager)
    with pytest.raises(PhotoNotFound):
        photos.remove(session, actor=nobody, photo_id=uuid7())


def test_two_who_add_the_same_at_once_add_one(own_engine: Engine, storage: Folder) -> None:
    with Session(own_engine, expire_on_commit=False) as session, session.begin():
        world = make_world(session)

    def add(_: int) -> str:
        with Session(own_engine) as session, session.begin():
            return make_photo(session, world, storage=storage).digest

    assert len(set(at_once(4, add))) == 1
    with Session(own_engine) as session:
        assert len(digests(session, world)) == 1


def test_two_who_add_the_last_at_once_add_one(
    own_engine: Engine, storage: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photos, "MOST_PHOTOS", 1)
    with Session(own_engine, expire_on_commit=False) as session, session.begin():
        world = make_world(session)
    sent = list(colours())

    def add(number: int) -> bool:
        try:
            with Session(own_engine) as session, session.begin():
                make_photo(session, world, storage=storage, data=sent[number])
        except TooManyPhotos:
            return False
        return True

    assert sorted(at_once(3, add)) == [False, False, True]


def added_while_cleared(engine: Engine, storage: Folder) -> tuple[str, set[str]]:
    """Add a picture anew while it is being cleared away; return its digest and the files left."""
    with Session(engine, expire_on_commit=False) as session, session.begin():
        world = make_world(session)
        photo = make_photo(session, world, storage=storage)
        remove(session, world, photo)

    class Watched(Folder):
        def put(self, key: str, content: bytes) -> None:
            super().put(key, content)
            if key == full_key(photo.digest):  # both are written, and nothing is committed
                with Session(engine) as other, other.begin():
                    clear(other, storage)

    with Session(engine) as session, session.begin():
        make_photo(session, world, storage=Watched(storage.root))
    return photo.digest, files(storage)


def test_clearing_leaves_what_is_being_added(own_engine: Engine, storage: Folder) -> None:
    digest, left = added_while_cleared(own_engine, storage)
    assert left == kept(digest)


def test_without_the_lock_it_would_be_lost(own_engine: Engine, storage: Folder) -> None:
    with replaced_sql(own_engine, "pg_try_advisory_xact_lock(", "0 <= abs("):
        _, left = added_while_cleared(own_engine, storage)
    assert left == set()


def test_who_adds_waits_for_who_clears(own_engine: Engine, storage: Folder) -> None:
    with Session(own_engine, expire_on_commit=False) as session, session.begin():
        world = make_world(session)
        photo = make_photo(session, world, storage=storage)
        remove(session, world, photo)

    cleared = Event()

    def both(number: int) -> None:
        with Session(own_engine) as session, session.begin():
            if number:
                assert cleared.wait(10)
                make_photo(session, world, storage=storage)
            else:
                assert clear(session, storage) == 1
                cleared.set()
                until_somebody_waits(own_engine)

    at_once(2, both)
    assert files(storage) == kept(photo.digest)
