"""Phone numbers."""

import pytest
from cryptography.fernet import InvalidToken
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from app import settings
from app.services import privacy
from app.services.privacy import InvalidPhone

PHONE = "+8613800001234"
SPELLINGS = [
    "13800001234",
    "138 0000 1234",
    "138-0000-1234",
    "+86 138 0000 1234",
    "008613800001234",
    "１３８００００１２３４",
]


@pytest.fixture
def other_key(monkeypatch: pytest.MonkeyPatch) -> None:
    other = settings.Settings(phone_key=SecretStr("another-key-of-thirty-two-letters-and-more"))
    monkeypatch.setattr(settings, "load", lambda: other)


@pytest.mark.parametrize("typed", SPELLINGS)
def test_every_spelling_is_one_number(typed: str) -> None:
    assert privacy.normalise(typed) == PHONE
    assert privacy.fingerprint(typed) == privacy.fingerprint(PHONE)
    assert privacy.unseal(privacy.seal(typed)) == PHONE


@pytest.mark.parametrize(
    ("typed", "normal"),
    [
        ("0533-5180000", "+865335180000"),
        ("+852 5123 4567", "+85251234567"),
        ("19200001234", "+8619200001234"),
        ("15400001234", "+8615400001234"),
    ],
)
def test_land_lines_other_regions_and_new_ranges_are_numbers(typed: str, normal: str) -> None:
    assert privacy.normalise(typed) == normal


@pytest.mark.parametrize(
    "typed", ["", "abc", "110", "1380000123", "138000012345", "12800001234", "+", "9" * 300, "\0"]
)
def test_what_is_no_number_is_refused(typed: str) -> None:
    with pytest.raises(InvalidPhone) as refusal:
        privacy.normalise(typed)
    assert refusal.value.facts == {}


def test_a_seal_does_not_show_the_number_nor_that_two_are_equal() -> None:
    first, second = privacy.seal(PHONE), privacy.seal(PHONE)
    assert first != second
    assert b"13800001234" not in first


def test_an_altered_seal_is_not_opened() -> None:
    sealed = privacy.seal(PHONE)
    with pytest.raises(InvalidToken):
        privacy.unseal(sealed[:-4] + b"AAA=")


def test_another_key_opens_nothing_and_finds_nothing(request: pytest.FixtureRequest) -> None:
    sealed, found = privacy.seal(PHONE), privacy.fingerprint(PHONE)
    assert privacy.fingerprint(PHONE) == found
    request.getfixturevalue("other_key")
    assert privacy.fingerprint(PHONE) != found
    with pytest.raises(InvalidToken):
        privacy.unseal(sealed)


@pytest.mark.parametrize(
    ("phone", "shown"),
    [
        (PHONE, "138****1234"),
        ("13800001234", "138****1234"),
        ("0533-5180000", "533****0000"),
        ("+852 5123 4567", "****67"),
    ],
)
def test_a_mask_hides_the_middle(phone: str, shown: str) -> None:
    assert privacy.mask(phone) == shown


mobiles = st.integers(13_000_000_000, 19_999_999_999).map(str)


@given(mobiles)
def test_any_mobile_survives_its_seal(phone: str) -> None:
    assert privacy.unseal(privacy.seal(phone)) == f"+86{phone}"
    assert len(privacy.fingerprint(phone)) == 32


@given(mobiles, mobiles)
def test_fingerprints_are_equal_for_equal_numbers_only(one: str, other: str) -> None:
    assert (privacy.fingerprint(one) == privacy.fingerprint(other)) == (one == other)


@given(st.text(max_size=40))
def test_any_text_is_a_number_or_refused(typed: str) -> None:
    try:
        normal = privacy.normalise(typed)
    except InvalidPhone:
        return
    assert privacy.normalise(normal) == normal
