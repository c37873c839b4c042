"""The share card: what is on it can be read, by people and by telephones."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from PIL import Image, ImageChops, ImageFont

from app import fonts
from app.errors import Unavailable
from app.models import Category
from app.services import posters
from app.services.posters import Card, PosterUnavailable
from tests.pictures import BLUE, drawn, opened, written

LINK = "https://map.example.cn/#/sites/019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f30"
CARD = Card(
    name="太河镇红色教育基地",
    address="淄川区太河镇示例路 1 号",
    category=Category.RURAL,
    district="淄川区",
    photo=None,
    link=LINK,
)
NAME = (posters.MARGIN, posters.NAME_TOP, posters.WIDTH, posters.NAME_TOP + 90)
"""Where the first line of the name stands."""
SECOND = (posters.MARGIN, posters.NAME_TOP + 90, posters.WIDTH, posters.NAME_TOP + 180)


def poster(photo: bytes | None = None, **changes: Any) -> Image.Image:
    return opened(posters.draw(replace(CARD, **changes), photo=photo, font=None))


def ink(picture: Image.Image, box: tuple[int, int, int, int]) -> tuple[int, int, int, int] | None:
    """Where within the box something is written."""
    part = picture.crop(box)
    return ImageChops.difference(part, Image.new("RGB", part.size, posters.PAPER)).getbbox()


def same(one: Image.Image, other: Image.Image, box: tuple[int, int, int, int]) -> bool:
    return ImageChops.difference(one.crop(box), other.crop(box)).getbbox() is None


def width_of(text: str) -> float:
    return posters._face(None, posters.NAME_SIZE).getlength(text)


@pytest.mark.parametrize("category", Category)
def test_a_telephone_reads_the_code(category: Category) -> None:
    made = poster(category=category)
    assert made.size == (1080, 1440)
    (code,) = zxingcpp.read_barcodes(made)
    assert code.text == LINK


def test_it_reads_a_small_and_bad_copy_too() -> None:
    """As it is after a few chats."""
    copy = poster(photo=written(drawn((1600, 1200)), "WEBP")).resize((540, 720))
    (code,) = zxingcpp.read_barcodes(opened(written(copy, "JPEG", quality=30)))
    assert code.text == LINK


def test_a_long_address_is_read_as_well() -> None:
    link = LINK.replace("map.example.cn", f"{'a' * 60}.{'b' * 60}.example.cn:12345")
    (code,) = zxingcpp.read_barcodes(poster(link=link))
    assert code.text == link


def test_two_names_look_different_and_one_the_same() -> None:
    one, again, other = poster(), poster(), poster(name="太河镇红色教育墓地")
    assert same(one, again, NAME)
    assert not same(one, other, NAME)


def test_every_letter_of_a_name_is_drawn() -> None:
    """As wide as it should be: neither gaps nor boxes."""
    found = ink(poster(), NAME)
    assert found is not None
    assert found[2] == pytest.approx(width_of(CARD.name), abs=12)


def test_no_letter_is_the_empty_box() -> None:
    face = posters._face(None, posters.NAME_SIZE)
    box = bytes(face.getmask("\U0010fffd"))
    assert all(bytes(face.getmask(letter)) != box for letter in CARD.name + CARD.address.strip())
    assert any(box)


@pytest.mark.parametrize("odd", ["😀", "\U0010fffd", "\u200d", "\ufe0f", "\x07", "👨‍👩‍👧"])
def test_what_the_font_has_not_is_left_out(odd: str) -> None:
    assert same(poster(name=f"太河镇{odd}红色教育基地"), poster(), NAME)


def test_a_name_of_nothing_that_can_be_drawn_leaves_the_rest() -> None:
    made = poster(name="😀😀")
    assert ink(made, NAME) is None
    (code,) = zxingcpp.read_barcodes(made)
    assert code.text == LINK


def test_a_long_name_takes_two_lines_and_an_ellipsis() -> None:
    longer = CARD.name * 10
    made = poster(name=longer, address=longer)
    for box in (NAME, SECOND):
        found = ink(made, box)
        assert found is not None
        assert posters.MARGIN + found[2] <= posters.WIDTH - posters.MARGIN + 4
    face = posters._face(None, posters.NAME_SIZE)
    first, second = posters._lines(longer, face, 2)
    assert longer.startswith(first)
    assert second.endswith("…")
    assert longer.startswith(first + second[:-1])
    (code,) = zxingcpp.read_barcodes(made)
    assert code.text == LINK


def test_a_foreign_word_is_not_broken_where_it_need_not_be() -> None:
    face = posters._face(None, posters.NAME_SIZE)
    first, second = posters._lines("太河镇红色教育基地的 Party School", face, 2)
    assert (first.strip(), second) == ("太河镇红色教育基地的 Party", "School")
    (alone,) = posters._lines("W" * 200, face, 1)
    assert alone.endswith("W…")


def test_the_photo_fills_its_place() -> None:
    made = poster(photo=written(drawn((1600, 400), BLUE), "WEBP"))
    assert made.getpixel((10, 10)) != poster().getpixel((10, 10))
    found = made.getpixel((200, 200))
    assert isinstance(found, tuple)
    assert all(abs(one - other) < 30 for one, other in zip(found, BLUE, strict=True))


def test_the_tag_changes_with_everything_that_is_shown() -> None:
    tags = {CARD.tag(), replace(CARD, name="别处").tag(), replace(CARD, photo="0" * 64).tag()}
    tags |= {replace(CARD, link=LINK + "0").tag(), replace(CARD, category=Category.URBAN).tag()}
    assert len(tags) == 5
    assert replace(CARD).tag() == CARD.tag()


def test_of_a_collection_of_fonts_the_one_for_the_mainland_is_taken() -> None:
    path = fonts.find()
    assert path is not None
    family = posters._face(None, 30).getname()[0]
    known = {ImageFont.truetype(path, 30).getname()[0]}
    known |= {face.getname()[0] for face in posters._others(path, 30)}
    wanted = {name for name in known if name and name.endswith(" SC")}
    assert family in (wanted or known)


def test_a_missing_font_is_a_refusal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    posters._face.cache_clear()
    monkeypatch.setattr(fonts, "find", lambda: None)
    with pytest.raises(PosterUnavailable):
        posters.draw(CARD, photo=None, font=None)
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"no font")
    with pytest.raises(PosterUnavailable):
        posters.draw(CARD, photo=None, font=broken)


def test_who_waits_too_long_is_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.services.pictures.PATIENCE", 0.01)
    with posters._turn, pytest.raises(Unavailable):
        posters.draw(CARD, photo=None, font=None)
