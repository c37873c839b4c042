"""The font that posters are written in."""

import os
import shutil

from app import debian, fonts
from app.machine import Refusal, say

PACKAGE = "fonts-wqy-microhei"
REMEDY = (
    "The posters need a Chinese font and there is none here: "
    f"install one (`apt-get install {PACKAGE}`), then run this again."
)


def get() -> None:
    """See to it that there is one, unless the environment names it.

    Raises:
        Refusal: There is none, and none can be got.
    """
    if os.environ.get("APP_FONT") or fonts.find():
        return
    if debian.may_install():
        debian.install(PACKAGE)
    elif shutil.which("apt-get"):
        say("no Chinese font and no right to install one: unpacking it")
        shutil.rmtree(fonts.OWN, ignore_errors=True)
        try:
            debian.unpack(fonts.OWN, PACKAGE)
        except Refusal as error:
            raise Refusal(REMEDY) from error
    if not fonts.find():
        raise Refusal(REMEDY)
