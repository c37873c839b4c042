"""What the fields of WeChat's templates take (微信开放文档, "订阅消息参数值内容限制说明")."""

import re
from collections.abc import Callable

from app.channels.fitting import fit, line, units
from app.channels.sending import Refused

THING, STRING, DIGITS, LETTERS, PHRASE, CHINESE_NAME, LATIN_NAME = 20, 32, 32, 32, 5, 10, 20
HAN = r"\u3400-\u4dbf\u4e00-\u9fff"
INSTANT = re.compile(r"(\d{4})[-/年](\d{1,2})[-/月](\d{1,2})日?(?:[ T]+(\d{1,2}):(\d{2}))?")
CLOCK = re.compile(r"(?:[01]?\d|2[0-3]):[0-5]\d")
SPAN = re.compile(r"\s*[~～–—]\s*")
NOTHING = "-"
"""WeChat refuses empty values."""


def value_of(name: str, text: str) -> str:
    """Return a text as a field takes it, cut where it may be.

    Args:
        name: `thing1`, `time2`: the field's type, and its number in the template.
        text: what is to be told there.

    Raises:
        Refused: it can only be told otherwise: no number, no time, no Chinese.
    """
    return TYPES[name.rstrip("0123456789")](line(text))


def _thing(text: str) -> str:
    return fit(text, THING, units) or NOTHING


def _string(text: str) -> str:
    told = "".join(sign for sign in text if " " <= sign <= "~")
    if not told.strip():
        raise Refused("no letters, digits or signs")
    # The mark of a cut is no sign of this kind.
    return told if len(told) <= STRING else f"{told[: STRING - 3]}..."


def _number(text: str) -> str:
    if len(text) > DIGITS or not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text):
        raise Refused("no number")
    return text


def _letter(text: str) -> str:
    if len(text) > LETTERS or not re.fullmatch(r"[A-Za-z]+", text):
        raise Refused("no letters")
    return text


def _phrase(text: str) -> str:
    # Cut without a mark: only Chinese characters are taken.
    told = re.sub(f"[^{HAN}]", "", text)[:PHRASE]
    if not told:
        raise Refused("no Chinese characters")
    return told


def _name(text: str) -> str:
    if re.search(f"[{HAN}]", text):
        return re.sub(rf"[^{HAN}A-Za-z·]", "", text)[:CHINESE_NAME]
    told = re.sub(r"[^A-Za-z .'·-]", "", text)[:LATIN_NAME].strip()
    if not told:
        raise Refused("no name")
    return told


def _time(text: str) -> str:
    ends = [_instant(part) for part in SPAN.split(text)]
    if len(ends) > 2:
        raise Refused("no time")
    return "~".join(ends)


def _date(text: str) -> str:
    told = _time(text)
    if "日" not in told:
        raise Refused("no date")
    return told


def _instant(text: str) -> str:
    if CLOCK.fullmatch(text):
        return text
    found = INSTANT.fullmatch(text)
    if found is None:
        raise Refused("no time")
    year, month, day, hour, minute = found.groups()
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31 and int(hour or 0) < 24):
        raise Refused("no time")
    told = f"{int(year)}年{int(month)}月{int(day)}日"
    return f"{told} {hour}:{minute}" if hour else told


TYPES: dict[str, Callable[[str], str]] = {
    "thing": _thing,
    "character_string": _string,
    "number": _number,
    "letter": _letter,
    "phrase": _phrase,
    "name": _name,
    "time": _time,
    "date": _date,
}
