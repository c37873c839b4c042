"""Amounts in Chinese capitals (大写金额), as a payment document has to say them.

By the rules for settlement documents (正确填写票据和结算凭证的基本规定): zeros in a row are said
once, those at the end of a group of four not at all; 整 ends what has no fen; between yuan and
fen, with no jiao, stands 零.
"""

DIGITS = "零壹贰叁肆伍陆柒捌玖"
_UNITS = ("仟", "佰", "拾", "")
_GROUPS = ((10**8, "亿"), (10**4, "万"))
MOST_FEN = 10**18
"""From there on 亿 would be said of 亿."""


def in_capitals(fen: int) -> str:
    """Return an amount in capitals: `壹仟零贰元伍角整`.

    Args:
        fen: at least 0 and below `MOST_FEN`.

    Raises:
        ValueError: it is not.
    """
    if not 0 <= fen < MOST_FEN:
        raise ValueError("no amount to be paid")
    yuan, rest = divmod(fen, 100)
    jiao, cents = divmod(rest, 10)
    said = f"{_whole(yuan)}元" if yuan else ""
    if not rest:
        return f"{said or '零元'}整"
    if jiao:
        said += f"{DIGITS[jiao]}角"
    elif yuan:
        said += "零"
    return said + (f"{DIGITS[cents]}分" if cents else "整")


def _whole(number: int) -> str:
    for size, name in _GROUPS:
        if number >= size:
            upper, lower = divmod(number, size)
            gap = "零" if 0 < lower < size // 10 else ""
            return f"{_whole(upper)}{name}{gap}{_whole(lower) if lower else ''}"
    return _group(number)


def _group(number: int) -> str:
    said, gap = "", False
    for digit, unit in zip(f"{number:04}", _UNITS, strict=True):
        if digit == "0":
            gap = bool(said)
            continue
        said += ("零" if gap else "") + DIGITS[int(digit)] + unit
        gap = False
    return said
