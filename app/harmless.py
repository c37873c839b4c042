"""Texts as cells of a table that a spreadsheet opens: none of them is a formula."""

import re

_UNSEEN = r"\x00-\x20\s\x7f-\xa0\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
_HARMFUL = re.compile(rf"[{_UNSEEN}']*[=+\-@＝＋－＠﹦﹢﹣﹫]|[ ']*[\t\r\n]")
"""What spreadsheets take for a formula: also after blanks and what is not seen, and in the wide
and small letters of Chinese."""


def harmless(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula; `original` gives the text back."""
    return f"'{text}" if _HARMFUL.match(text) else text


def original(cell: str) -> str:
    """Return the text that `harmless` made a cell of."""
    return cell[1:] if cell.startswith("'") and _HARMFUL.match(cell) else cell
