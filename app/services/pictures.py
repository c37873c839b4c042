"""Pictures that people send: read with distrust, and written anew.

What is kept has pixels of the sender's alone: nothing a camera, a telephone or a programme wrote
beside them, and nothing that only looks like a picture.
"""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from math import ceil
from threading import Lock

from PIL import ExifTags, Image

from app.errors import Malformed, TooLarge, Unavailable

FORMATS = ("JPEG", "PNG", "WEBP")
MOST_PIXELS = 25_000_000
"""As many as the telephones of today take; a small file can claim any number."""
FULL, THUMB = 1600, 480
"""The longer side of what is kept, pixels."""
QUALITY = 82
PATIENCE = 10
"""Seconds to wait for other pictures to be done."""
_TURNS: dict[object, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What sets a picture upright that was taken with the camera held like this (EXIF, 1 to 8)."""
# What the library raises at broken files, found by breaking them.
_BROKEN = (OSError, SyntaxError, ValueError, ArithmeticError, LookupError, EOFError, TypeError)
_DAMAGED = (*_BROKEN, struct.error, zlib.error)
_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)

# One at a time: a picture takes a hundred megabytes while it is read.
_turn = Lock()


class PhotoUnreadable(Malformed):
    """The file is no whole picture in JPEG, PNG or WebP."""

    zh = "文件不是完整的 JPEG、PNG 或 WebP 图片"


class PhotoAnimated(Malformed):
    """A picture that moves is not taken."""

    zh = "不支持动态图片，请上传静态照片"


class PhotoTooLarge(TooLarge):
    """The picture has too many pixels."""

    zh = "图片像素过多，请缩小后再上传"
    detail_en = "At most {limit} pixels"
    detail_zh = "最多 {limit} 像素"


@dataclass(frozen=True)
class Picture:
    """A picture as it is kept: WebP, whole and small; `digest` is the SHA-256 of the whole one."""

    digest: str
    width: int
    height: int
    full: bytes
    thumb: bytes


def read(data: bytes) -> Picture:
    """Return what is kept of an uploaded file.

    Raises:
        PhotoUnreadable: it is no such picture, whatever its name says, or a broken one.
        PhotoAnimated: it moves.
        PhotoTooLarge: it has too many pixels.
        Unavailable: too many pictures are waiting.
    """
    with one_at_a_time(_turn):
        picture = _decoded(data)
        full = _webp(picture)
        width, height = picture.size
        picture.thumbnail((THUMB, THUMB))
        return Picture(sha256(full).hexdigest(), width, height, full, _webp(picture))


@contextmanager
def one_at_a_time(turn: Lock) -> Iterator[None]:
    """Wait for the turn, but not for ever.

    Raises:
        Unavailable: too many pictures are waiting.
    """
    if not turn.acquire(timeout=PATIENCE):
        raise Unavailable
    try:
        yield
    finally:
        turn.release()


def _decoded(data: bytes) -> Image.Image:
    """Return a picture upright, opaque, of at most `FULL`, without anything beside its pixels.

    Raises:
        PhotoUnreadable: it is none, or broken.
        PhotoAnimated: it moves.
        PhotoTooLarge: it has too many pixels.
    """
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as opened:
            _require_fit(opened)
            wanted = min(1, FULL / max(opened.size))
            # JPEG alone can be read at a half, a quarter or an eighth of its size.
            opened.draft("RGB", (ceil(opened.width * wanted), ceil(opened.height * wanted)))
            colours = opened.convert("RGBA" if opened.has_transparency_data else "RGB")
            turn = _TURNS.get(opened.getexif().get(ExifTags.Base.Orientation))
    except _BOMB as bomb:
        raise PhotoTooLarge(limit=MOST_PIXELS) from bomb
    except _DAMAGED as damage:
        raise PhotoUnreadable from damage
    colours.thumbnail((FULL, FULL))
    plain = Image.new("RGB", colours.size, "white")
    plain.paste(colours, mask=colours.getchannel("A") if colours.mode == "RGBA" else None)
    return plain if turn is None else plain.transpose(turn)


def _require_fit(opened: Image.Image) -> None:
    """Judge a picture of which no more than the head was read.

    Raises:
        PhotoAnimated: it moves.
        PhotoTooLarge: it has too many pixels.
    """
    if opened.width * opened.height > MOST_PIXELS:
        raise PhotoTooLarge(limit=MOST_PIXELS)
    # A telephone's JPEG may hold a second picture, for depth or brightness; it stands still.
    if opened.format != "MPO" and getattr(opened, "is_animated", False):
        raise PhotoAnimated


def _webp(picture: Image.Image) -> bytes:
    kept = BytesIO()
    picture.save(kept, "WEBP", quality=QUALITY)
    return kept.getvalue()
