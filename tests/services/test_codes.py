"""Public codes: every number its own, easy to read aloud."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services import codes
from app.services.codes import ALPHABET, LENGTH, SPACE, code_of, number_of

numbers = st.integers(0, SPACE - 1)
letters = st.text(ALPHABET, min_size=LENGTH, max_size=LENGTH)


@given(numbers)
def test_every_number_has_a_code_that_leads_back(number: int) -> None:
    assert number_of(code_of(number)) == number


@given(letters)
def test_every_code_has_a_number_that_leads_back(code: str) -> None:
    number = number_of(code)
    assert number is not None
    assert 0 <= number < SPACE
    assert code_of(number) == code


@pytest.mark.parametrize("number", [0, 1, SPACE - 1])
def test_the_ends_of_the_range_have_codes_too(number: int) -> None:
    assert number_of(code_of(number)) == number


def test_a_stride_that_shares_a_factor_gives_one_code_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(codes, "STRIDE", codes.STRIDE * len(ALPHABET))
    assert code_of(0) == code_of(SPACE // len(ALPHABET))


@given(numbers)
def test_codes_are_of_one_length_and_one_alphabet(number: int) -> None:
    code = code_of(number)
    assert len(code) == LENGTH <= 12
    assert set(code) <= set(ALPHABET)


def test_no_letter_looks_like_another() -> None:
    assert len(set(ALPHABET)) == len(ALPHABET)
    assert not set(ALPHABET) & set("0O1ILU")
    assert ALPHABET.upper() == ALPHABET


@given(st.integers(0, SPACE - 2))
def test_neighbours_are_not_alike(number: int) -> None:
    pairs = zip(code_of(number), code_of(number + 1), strict=True)
    assert sum(one != other for one, other in pairs) >= LENGTH // 2


@given(letters)
def test_small_letters_are_read_as_capitals(code: str) -> None:
    assert number_of(code.lower()) == number_of(code)


@pytest.mark.parametrize("text", ["", "2", "2" * 9, "2" * 11, "0" * 10, "王" * 10, "22222 2222"])
def test_what_is_no_code_has_no_number(text: str) -> None:
    assert number_of(text) is None


@given(st.text(ALPHABET.lower() + "O01 王ﬀı", min_size=8, max_size=11))
def test_any_text_is_a_code_or_none(text: str) -> None:
    number = number_of(text)
    assert number is None or code_of(number) == text.upper()
