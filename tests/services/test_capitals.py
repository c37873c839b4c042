"""Amounts in capitals, read back by somebody who does not know how they were written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.capitals import MOST_FEN, in_capitals

WRITTEN = {
    0: "零元整",
    1: "壹分",
    10: "壹角整",
    11: "壹角壹分",
    100: "壹元整",
    105: "壹元零伍分",
    150: "壹元伍角整",
    155: "壹元伍角伍分",
    1_000: "壹拾元整",
    10_100: "壹佰零壹元整",
    100_200: "壹仟零贰元整",
    102_000: "壹仟零贰拾元整",
    140_950: "壹仟肆佰零玖元伍角整",
    600_714: "陆仟零柒元壹角肆分",
    1_640_902: "壹万陆仟肆佰零玖元零贰分",
    32_504: "叁佰贰拾伍元零肆分",
    168_032: "壹仟陆佰捌拾元叁角贰分",
    10_700_053: "壹拾万柒仟元伍角叁分",
    1_000_000: "壹万元整",
    1_000_100: "壹万零壹元整",
    10_000_000_500: "壹亿零伍元整",
    10_001_000_000: "壹亿零壹万元整",
    10_000_100_000: "壹亿零壹仟元整",
    1_000_000_000_000: "壹佰亿元整",
    100_000_000_000_000: "壹万亿元整",
}
"""Examples of the rules, and what is easily got wrong."""
DIGITS = {digit: value for value, digit in enumerate("零壹贰叁肆伍陆柒捌玖")}
WEIGHTS = {"拾": 10, "佰": 100, "仟": 1_000}


@pytest.mark.parametrize(("fen", "said"), WRITTEN.items())
def test_an_example_is_said_so(fen: int, said: str) -> None:
    assert in_capitals(fen) == said


def read(said: str) -> int:
    """Read an amount from left to right, as people do."""
    said = said.removesuffix("整")
    yuan, _, rest = said.rpartition("元")
    total = section = digit = 0
    for sign in yuan:
        if sign in DIGITS:
            digit = DIGITS[sign]
        elif sign in WEIGHTS:
            section, digit = section + digit * WEIGHTS[sign], 0
        elif sign == "万":
            section, digit = (section + digit) * 10_000, 0
        else:
            total, section, digit = (total + section + digit) * 10**8, 0, 0
    fen = (total + section + digit) * 100
    for sign in rest:
        if sign in DIGITS:
            digit = DIGITS[sign]
        else:
            fen += digit * {"角": 10, "分": 1}[sign]
    return fen


amounts = st.one_of(
    st.integers(0, MOST_FEN - 1),
    st.integers(0, 10**9),
    # Mostly zeros: what the rules are about.
    st.lists(st.sampled_from("0000123456789"), min_size=1, max_size=18).map(
        lambda digits: int("".join(digits))
    ),
)


@given(fen=amounts)
def test_what_is_said_is_read_back(fen: int) -> None:
    assert read(in_capitals(fen)) == fen


@given(fen=amounts)
def test_the_rules_of_zero_and_whole_hold(fen: int) -> None:
    said = in_capitals(fen)
    assert "零零" not in said
    assert said.endswith("整") == (fen % 10 == 0)
    assert not any(f"零{unit}" in said for unit in "拾佰仟万亿角分")
    assert "零元" not in said or fen == 0


@pytest.mark.parametrize("fen", [-1, MOST_FEN, MOST_FEN * 10])
def test_what_is_no_amount_is_not_said(fen: int) -> None:
    with pytest.raises(ValueError, match="no amount"):
        in_capitals(fen)
