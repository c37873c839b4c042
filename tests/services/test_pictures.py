"""What is taken for a picture, and what is kept of it."""

import zipfile
from io import BytesIO
from struct import pack
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from app.errors import DomainError, Unavailable
from app.services import pictures
from app.services.pictures import PhotoAnimated, PhotoTooLarge, PhotoUnreadable
from tests.pictures import BLUE, RED, a_picture, drawn, opened, written

SECRET = b"canary-of-the-camera"
NORTH, EAST = (36.0, 38.0, 24.0), (117.0, 58.0, 12.0)


def with_gps(orientation: int = 1) -> Image.Exif:
    """What a telephone writes beside a picture: where it was, whose it is, how it was held."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Artist] = SECRET.decode()
    place = exif.get_ifd(ExifTags.IFD.GPSInfo)
    place[ExifTags.GPS.GPSLatitudeRef], place[ExifTags.GPS.GPSLatitude] = "N", NORTH
    place[ExifTags.GPS.GPSLongitudeRef], place[ExifTags.GPS.GPSLongitude] = "E", EAST
    return exif


def is_like(pixel: object, colour: tuple[int, int, int]) -> bool:
    assert isinstance(pixel, tuple)
    return all(abs(one - other) < 40 for one, other in zip(pixel, colour, strict=True))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_picture_is_kept_as_webp_in_two_sizes(form: str) -> None:
    kept = pictures.read(written(drawn((2000, 1000)), form))
    assert (kept.width, kept.height) == (1600, 800)
    full, thumb = opened(kept.full), opened(kept.thumb)
    assert (full.format, full.size) == ("WEBP", (1600, 800))
    assert (thumb.format, thumb.size) == ("WEBP", (480, 240))
    for picture in (full, thumb):
        assert is_like(picture.getpixel((picture.width // 4, picture.height // 4)), RED)


def test_a_small_picture_is_not_blown_up() -> None:
    kept = pictures.read(written(drawn((64, 48))))
    assert opened(kept.full).size == opened(kept.thumb).size == (64, 48)


def test_nothing_of_what_the_camera_wrote_is_kept() -> None:
    sent = written(
        drawn((800, 600)), exif=with_gps(), icc_profile=SECRET, comment=SECRET, xmp=SECRET
    )
    read = opened(sent).getexif()
    assert tuple(read.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude]) == NORTH
    assert sent.count(SECRET) == 4

    kept = pictures.read(sent)
    for content in (kept.full, kept.thumb):
        picture = opened(content)
        assert not picture.getexif()
        assert {"exif", "xmp", "icc_profile", "comment"}.isdisjoint(picture.info)
        assert SECRET not in content
        assert b"EXIF" not in content


@pytest.mark.parametrize(
    ("form", "options"), [("PNG", {}), ("WEBP", {"exif": with_gps(), "xmp": SECRET})]
)
def test_nor_of_what_other_formats_have_room_for(form: str, options: dict[str, object]) -> None:
    sent = written(drawn(), form, **options)
    if form == "PNG":
        sent = with_chunk(sent, b"tEXt", b"Author\0" + SECRET)
    assert SECRET in sent
    assert SECRET not in pictures.read(sent).full


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_upright(orientation: int) -> None:
    """The corner that is red on the telephone is red in what is kept."""
    turned = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    held = drawn((640, 480))
    if orientation in turned:
        held = held.transpose(turned[orientation])
    kept = pictures.read(written(held, exif=with_gps(orientation)))
    assert (kept.width, kept.height) == (640, 480)
    full = opened(kept.full)
    assert is_like(full.getpixel((100, 100)), RED)
    assert is_like(full.getpixel((540, 380)), (255, 255, 255))


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "I;16"])
def test_every_kind_of_pixels_is_read(mode: str) -> None:
    assert pictures.read(written(drawn().convert(mode), "PNG")).width == 64


def test_a_printer_s_colours_are_read() -> None:
    assert pictures.read(written(drawn().convert("CMYK"))).width == 64


def test_what_is_transparent_becomes_white() -> None:
    clear = Image.new("RGBA", (64, 64), (*BLUE, 0))
    full = opened(pictures.read(written(clear, "PNG")).full)
    assert is_like(full.getpixel((32, 32)), (255, 255, 255))


def test_the_same_file_is_the_same_picture_and_another_is_not() -> None:
    assert pictures.read(a_picture()) == pictures.read(a_picture())
    assert pictures.read(a_picture()).digest != pictures.read(a_picture(colour=BLUE)).digest


def test_a_second_picture_within_a_jpeg_is_no_motion() -> None:
    sent = written(drawn(), "MPO", save_all=True, append_images=[drawn(colour=BLUE)])
    full = opened(pictures.read(sent).full)
    assert is_like(full.getpixel((10, 10)), RED)


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_what_moves_is_refused(form: str) -> None:
    sent = written(drawn(), form, save_all=True, append_images=[drawn(colour=BLUE)], duration=100)
    with pytest.raises(PhotoAnimated):
        pictures.read(sent)


def zipped(before: bytes = b"") -> bytes:
    file = BytesIO(before)
    file.seek(len(before))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("a.html", SECRET)
    return file.getvalue()


NO_PICTURES = {
    "nothing": b"",
    "a picture's name only": b"\xff\xd8\xff\xe0",
    "words": "红色基地.jpg".encode(),
    "a drawing that can run": b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>",
    "a page": b"<!doctype html><script>alert(1)</script>",
    "a page before a picture": b"<script>alert(1)</script>" + a_picture(),
    "a document before a picture": b"%PDF-1.4\n" + a_picture(),
    "an archive": zipped(),
    "a PostScript programme": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
    "a GIF": written(drawn(), "GIF"),
    "a TIFF": written(drawn(), "TIFF"),
    "a BMP": written(drawn(), "BMP"),
    "an icon": written(drawn(), "ICO"),
    "a telephone's HEIC": b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(500),
    "half a JPEG": written(drawn((900, 900)))[:4000],
    "a PNG without its end": written(drawn((900, 900)), "PNG")[:-40],
    "half a WebP": written(drawn((900, 900)), "WEBP")[:300],
    "a PNG with wrong sums": a_picture("PNG").replace(b"IDAT", b"IDAT\x00", 1),
}


@pytest.mark.parametrize("case", NO_PICTURES)
def test_what_is_no_picture_is_refused(case: str) -> None:
    with pytest.raises(PhotoUnreadable):
        pictures.read(NO_PICTURES[case])


def test_what_hangs_behind_a_picture_is_lost() -> None:
    """Telephones hang films there, so it is no reason to refuse the picture."""
    sent = zipped(a_picture())
    assert zipfile.is_zipfile(BytesIO(sent))
    kept = pictures.read(sent)
    assert kept == pictures.read(a_picture())
    assert not zipfile.is_zipfile(BytesIO(kept.full))


def chunk(name: bytes, content: bytes) -> bytes:
    return pack(">I", len(content)) + name + content + pack(">I", crc32(name + content))


def with_chunk(png: bytes, name: bytes, content: bytes) -> bytes:
    """Put a chunk behind the head of a PNG."""
    head = 8 + 25
    return png[:head] + chunk(name, content) + png[head:]


def claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is so large."""
    header = chunk(b"IHDR", pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(5001, 5000), (10_000, 9_000), (60_000, 60_000), (2**31 - 1, 9)])
def test_more_pixels_than_are_taken_are_refused_before_they_are_unpacked(
    size: tuple[int, int],
) -> None:
    with pytest.raises(PhotoTooLarge) as refusal:
        pictures.read(claiming(*size))
    assert refusal.value.facts == {"limit": 25_000_000}


def test_as_many_as_are_taken_are_read() -> None:
    """Which the refusal above must not forbid: it is the data that is missing here."""
    with pytest.raises(PhotoUnreadable):
        pictures.read(claiming(5000, 5000))
    kept = pictures.read(written(Image.new("L", (5000, 5000)), "PNG"))
    assert (kept.width, kept.height) == (1600, 1600)


@pytest.mark.filterwarnings("ignore::UserWarning")  # told of what a camera wrote
@settings(max_examples=100, deadline=None)
@given(
    form=st.sampled_from(["JPEG", "PNG", "WEBP"]),
    at=st.floats(0, 1),
    junk=st.binary(min_size=1, max_size=30),
    cut=st.booleans(),
)
def test_no_damage_is_worse_than_a_refusal(form: str, at: float, junk: bytes, cut: bool) -> None:
    whole = SOUND[form]
    place = int(at * len(whole))
    damaged = whole[:place] + junk + (b"" if cut else whole[place + len(junk) :])
    try:
        kept = pictures.read(damaged)
    except DomainError:
        return
    assert opened(kept.full).format == "WEBP"


SOUND = {
    "JPEG": written(drawn(), exif=with_gps(6), icc_profile=SECRET),
    "PNG": with_chunk(a_picture("PNG"), b"tEXt", b"a\0b"),
    "WEBP": written(drawn(), "WEBP", exif=with_gps(6)),
}


def test_who_waits_too_long_is_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "PATIENCE", 0.01)
    with pictures._turn, pytest.raises(Unavailable):
        pictures.read(a_picture())
    assert pictures.read(a_picture())
