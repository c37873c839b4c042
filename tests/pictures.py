"""Pictures to upload, sound and unsound."""

from io import BytesIO
from typing import Any

from PIL import Image, ImageDraw

RED, BLUE = (192, 21, 47), (44, 101, 159)


def drawn(size: tuple[int, int] = (64, 48), colour: tuple[int, int, int] = RED) -> Image.Image:
    """A white picture whose upper left quarter has the colour."""
    picture = Image.new("RGB", size, "white")
    ImageDraw.Draw(picture).rectangle((0, 0, size[0] // 2 - 1, size[1] // 2 - 1), fill=colour)
    return picture


def written(picture: Image.Image, form: str = "JPEG", **options: Any) -> bytes:
    """The picture as a file."""
    file = BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def a_picture(form: str = "JPEG", colour: tuple[int, int, int] = RED) -> bytes:
    """A small sound file."""
    return written(drawn(colour=colour), form)


def opened(data: bytes) -> Image.Image:
    """What is in a file, read whole."""
    picture = Image.open(BytesIO(data))
    picture.load()
    return picture
