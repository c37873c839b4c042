"""A font with Chinese in it, among those that the machine has.

Standard library only: this runs before the Python environment exists.
"""

from pathlib import Path

from app.machine import CHECKOUT

OWN = CHECKOUT / ".data" / "font"
"""Where the set-up unpacks one that it may not install."""
FOLDERS = (
    Path("/usr/share/fonts"),
    Path("/usr/local/share/fonts"),
    Path.home() / ".local/share/fonts",
    Path.home() / ".fonts",
    Path("/System/Library/Fonts"),
    Path("/Library/Fonts"),
    Path.home() / "Library/Fonts",
    OWN,
)
NAMES = (
    *("NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "NotoSansSC-Regular.otf"),
    *("SourceHanSansSC-Regular.otf", "SourceHanSansCN-Regular.otf", "wqy-microhei.ttc"),
    *("PingFang.ttc", "Hiragino Sans GB.ttc", "STHeiti Medium.ttc", "STHeiti Light.ttc"),
    *("wqy-zenhei.ttc", "DroidSansFallbackFull.ttf", "DroidSansFallback.ttf"),
)
"""Files of fonts without serifs that have the letters of mainland China, the best first."""


def find() -> Path | None:
    """Return the file of the best one, or None."""
    files = (path for folder in FOLDERS for path in folder.rglob("*") if path.name in NAMES)
    return min(files, key=lambda path: NAMES.index(path.name), default=None)
