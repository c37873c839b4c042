"""The share card of a site (一键共享): one picture to send around, with a code that leads here."""

import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from io import BytesIO
from itertools import count
from pathlib import Path
from threading import Lock
from uuid import UUID

import segno
from PIL import Image, ImageDraw, ImageFont, ImageOps
from sqlmodel import Session

from app import fonts
from app.errors import Unavailable
from app.models import Category, Organisation
from app.services import photos, sites
from app.services.pictures import one_at_a_time

WIDTH, HEIGHT = 1080, 1440
MARGIN = 60
PICTURE = 720
"""Height of the photo, or of what stands for one."""
CODE = 300
"""Side of the QR code with the white around it, at most."""
NAME_SIZE, TEXT_SIZE, SMALL_SIZE = 66, 36, 28
NAME_TOP = PICTURE + 50
PAPER, INK, PALE, RED = "#fffdf9", "#2a2521", "#6b625a", "#c0152f"
NAMES = {
    Category.RURAL: ("农村党建", "#3b7a4b"),
    Category.URBAN: ("城市党建", "#2c659f"),
    Category.TWO_NEW: ("“两新”党建", "#a8620f"),
    Category.GENERAL: ("党建综合", "#c0152f"),
}
WHAT_FOR = "扫码看场次、约活动、找路线"
WHAT_FOR_EN = "Scan for sessions, booking and the way"
DESIGN = 1
"""To be counted up when the card looks different, so that nobody keeps the old one."""
_NOWHERE = "\U0010fffd"  # no font has it
_PIECES = re.compile(r"[!-~]+|\s|.")

# One at a time: it takes half a second of the machine, and a face is no thread's but one's.
_turn = Lock()


class PosterUnavailable(Unavailable):
    """The server has no font to write a poster with."""

    zh = "服务器缺少中文字体，暂时无法生成海报"


@dataclass(frozen=True)
class Card:
    """What a poster shows."""

    name: str
    address: str
    category: Category
    district: str
    photo: str | None
    link: str

    def tag(self) -> str:
        """Return what changes with the picture, and only then."""
        return sha256(f"{DESIGN} {self!r}".encode()).hexdigest()[:32]


def card(session: Session, *, site_id: UUID, base: str) -> Card:
    """Return what the poster of a published site shows.

    Args:
        session: open transaction.
        site_id: which.
        base: where people find the pages.

    Raises:
        SiteNotFound: there is none, or it is not published.
    """
    site = sites.published(session, site_id=site_id)
    district = session.get_one(Organisation, site.district_id)
    shown = photos.of(session, site_id=site_id)
    return Card(
        name=site.name,
        address=site.address,
        category=Category(site.category),
        district=district.place or district.name,
        photo=shown[0].digest if shown else None,
        link=f"{base}/#/sites/{site_id}",
    )


def draw(card: Card, *, photo: bytes | None, font: Path | None) -> bytes:
    """Return the poster as PNG.

    Args:
        card: what it shows.
        photo: the picture that `card.photo` names.
        font: its file; without it, the best one here.

    Raises:
        PosterUnavailable: there is no such font.
        Unavailable: too many pictures are waiting.
    """
    with one_at_a_time(_turn):
        poster = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
        _picture(poster, card, photo)
        _write(poster, card, font)
        _code(poster, card.link)
        file = BytesIO()
        poster.save(file, "PNG", compress_level=6)
        return file.getvalue()


def qr_svg(link: str) -> str:
    """Return the QR code of an address alone, as SVG."""
    file = BytesIO()
    segno.make(link, error="m", micro=False).save(
        file, kind="svg", border=4, xmldecl=False, light="white"
    )
    return file.getvalue().decode()


def _picture(poster: Image.Image, card: Card, photo: bytes | None) -> None:
    size = (WIDTH, PICTURE)
    if photo:
        poster.paste(ImageOps.fit(Image.open(BytesIO(photo)).convert("RGB"), size))
        return
    _, tone = NAMES[card.category]
    wash = Image.new("RGB", size, tone)
    hills = Image.new("L", size, 216)
    pen = ImageDraw.Draw(hills)
    pen.ellipse((760, 130, 900, 270), fill=245)
    for shade, ridge in (
        (170, ((0, 520), (230, 300), (380, 420), (570, 220), (800, 440), (930, 350), (1080, 480))),
        (90, ((0, 640), (260, 500), (520, 610), (780, 480), (1080, 620))),
    ):
        pen.polygon((*ridge, (WIDTH, PICTURE), (0, PICTURE)), fill=shade)
    poster.paste(Image.composite(Image.new("RGB", size, "white"), wash, hills))


def _write(poster: Image.Image, card: Card, font: Path | None) -> None:
    big, text, small = (_face(font, size) for size in (NAME_SIZE, TEXT_SIZE, SMALL_SIZE))
    pen = ImageDraw.Draw(poster)
    category, tone = NAMES[card.category]
    right = MARGIN + pen.textlength(category, text) + 56
    pen.rounded_rectangle((MARGIN, PICTURE - 38, right, PICTURE + 30), 34, tone, "white", 4)
    pen.text((MARGIN + 28, PICTURE - 5), category, "white", text, anchor="lm")
    down = NAME_TOP
    for line in _lines(card.name, big, 2):
        pen.text((MARGIN, down), line, INK, big, stroke_width=1)
        down += NAME_SIZE * 4 // 3
    down += 16
    for line in _lines(card.address, text, 2):
        pen.text((MARGIN, down), line, PALE, text)
        down += TEXT_SIZE * 4 // 3
    left, foot = MARGIN, HEIGHT - MARGIN
    pen.text((left, foot - 170), WHAT_FOR, INK, text, stroke_width=1)
    pen.text((left, foot - 112), WHAT_FOR_EN, PALE, small)
    whose = _cut(_known(f"党建地图 · {card.district}", small), small, WIDTH - 3 * MARGIN - CODE)
    pen.text((left, foot - 60), whose, RED, small)


def _code(poster: Image.Image, link: str) -> None:
    code = segno.make(link, error="m", micro=False)
    side = int(code.symbol_size(border=4)[0])
    scale = CODE // side
    rows = code.matrix_iter(scale=scale, border=4)
    dots = bytes(0 if dark else 255 for row in rows for dark in row)
    printed = Image.frombytes("L", (side * scale, side * scale), dots)
    foot = HEIGHT - MARGIN + 4 * scale  # the white around it may stand beyond the line
    poster.paste(printed, (WIDTH - MARGIN - side * scale, foot - side * scale))


@lru_cache(maxsize=8)
def _face(chosen: Path | None, size: int) -> ImageFont.FreeTypeFont:
    """Return a font in a size: of those in its file, the one for mainland China.

    Raises:
        PosterUnavailable: there is none, or it cannot be read.
    """
    path = chosen or fonts.find()
    if path is None:
        raise PosterUnavailable
    try:
        first = ImageFont.truetype(path, size)
    except OSError as error:
        raise PosterUnavailable from error
    fitting = (face for face in _others(path, size) if (face.getname()[0] or "").endswith(" SC"))
    return next(fitting, first)


def _others(path: Path, size: int) -> Iterator[ImageFont.FreeTypeFont]:
    with suppress(OSError):  # past the last one
        for index in count(1):
            yield ImageFont.truetype(path, size, index=index)


def _lines(text: str, font: ImageFont.FreeTypeFont, most: int) -> list[str]:
    """Break a text into so many lines; what is too much becomes an ellipsis."""
    width = WIDTH - 2 * MARGIN
    lines, line = [], ""
    for piece in _PIECES.findall(_known(text, font)):
        if font.getlength(line + piece) > width and line:
            lines.append(line)
            line = ""
        line += piece if line or not piece.isspace() else ""
    lines.append(line)
    kept = lines[:most]
    if len(lines) > most:
        kept[-1] += "".join(lines[most:])
    return [_cut(one, font, width) for one in kept]


def _cut(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """Return a line that fits, with an ellipsis where it was too long."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def _known(text: str, font: ImageFont.FreeTypeFont) -> str:
    """Leave out what the font has no letter for: better a gap than an empty box."""
    return "".join(letter for letter in text if _has(font, letter))


@lru_cache(maxsize=4096)
def _has(font: ImageFont.FreeTypeFont, letter: str) -> bool:
    if unicodedata.category(letter)[0] in "CM":  # controls, joiners, signs that vary another
        return False
    return letter.isspace() or bytes(font.getmask(letter)) != bytes(font.getmask(_NOWHERE))
