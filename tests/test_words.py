"""How what people type is cut, and what is found by it."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app import words

HAN = st.text(
    st.sampled_from("马鞍山太河镇红色教育基地长乐重庆党群服务中心初心学堂烈士陵园"),
    min_size=4,
    max_size=12,
)


def finds(ways: Sequence[words.Way], name: str) -> bool:
    """Whether one way asks for grams of a name alone, as the database would judge."""
    known = words.grams(words.plain(name))

    return any(all(not known.isdisjoint(words.grams_of(term)) for term in way) for way in ways)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("taihe", "太河镇红色教育基地"),
        ("taihezh", "太河镇红色教育基地"),
        ("taihezhenhon", "太河镇红色教育基地"),
        ("thz", "太河镇红色教育基地"),
        ("taihz", "太河镇红色教育基地"),
        ("tahez", "太河镇红色教育基地"),
        ("太he", "太河镇红色教育基地"),
        ("t河镇", "太河镇红色教育基地"),
        ("泰和", "太河镇红色教育基地"),
        ("hongse", "太河镇红色教育基地"),
        ("xian", "西安路党群服务中心"),
        ("xian", "先锋驿站"),
        ("zhangle", "长乐村"),
        ("changle", "长乐村"),
        ("changyue", "长乐村"),
        ("zhongqing", "重庆路"),
        ("chongqing", "重庆路"),
        ("lv", "吕家村"),
        ("vr馆", "VR馆"),
    ],
)
def test_what_is_found_by_its_sound(typed: str, name: str) -> None:
    assert finds(words.sounding(typed), name)


@pytest.mark.parametrize("typed", ["taihu", "tzh", "heta", "镇河", "zzz"])
def test_what_is_not(typed: str) -> None:
    assert not finds(words.sounding(typed), "太河镇红色教育基地")


def test_magc_finds_maanshan() -> None:
    assert finds(words.nearly("magc"), "马鞍山广场")
    assert not finds(words.nearly("magc"), "太河镇红色教育基地")


@settings(deadline=None)  # the first one reads the dictionary
@given(HAN, st.data())
def test_one_slip_in_characters_is_forgiven(name: str, data: st.DataObject) -> None:
    n = data.draw(st.integers(0, len(name) - 1))
    wrong = name[:n] + data.draw(st.sampled_from("甲乙丙")) + name[n + 1 :]
    missing, needless = name[:n] + name[n + 1 :], name[:n] + "甲" + name[n:]
    swapped = name[:n] + name[n + 1 : n + 2] + name[n] + name[n + 2 :]
    for typed in (wrong, missing, needless, swapped):
        assert finds(words.nearly(typed), name), typed


@settings(deadline=None)
@given(HAN)
def test_what_is_right_is_found_surely(name: str) -> None:
    assert finds(words.spelt(words.plain(name)), name)
    assert finds(words.sounding(name), name)


def is_meant(name: str) -> bool:
    """Whether the name is among the likely readings of its letters: jiaochuanan is 教川安 too."""
    syllables = [words.readings(letter)[0] for letter in name]
    ways = words._readings_of("".join(syllables))
    return syllables in [[syllable.letters for syllable in way] for way in ways]


@settings(deadline=None)
@given(HAN.map(lambda name: name[:5]))
def test_letters_that_are_read_as_meant_find_the_name(name: str) -> None:
    assume(is_meant(name))
    assert finds(words.sounding(words.sound(name)), name)


def test_the_names_of_the_district_are_read_as_meant() -> None:
    with Path("app/data/demo_sites.csv").open(encoding="utf-8-sig") as file:
        names = [words.plain(row["name"])[:6] for row in csv.DictReader(file)]
    assert len(names) == 27
    for name in names:
        assert finds(words.sounding(words.sound(name)), name), name


@settings(deadline=None)
@given(st.text(max_size=300))
def test_anything_typed_is_harmless(typed: str) -> None:
    plain = words.plain(typed)[: words.MOST_LETTERS]
    assert not re.search(r"[\s'\\%_&|!():*]", plain.replace("ª", "a"))
    if plain:
        ways = [*words.spelt(plain), *words.sounding(plain), *words.nearly(plain)]
        assert len(words.written(ways)) < 200_000


def test_one_width_and_case() -> None:
    assert words.plain("ＶＲ 党建·馆（示例）") == "vr党建馆示例"


def test_letters_that_are_all_syllables_are_no_initials() -> None:
    assert len(words.sounding("jinxiushequ")) == 1
    for typed, name in (
        ("ya", "延安"),
        ("daba", "大坝"),
        ("taihq", "太和桥"),
        ("xianshi", "西安市"),
    ):
        assert finds(words.sounding(typed), name)


@pytest.mark.parametrize(
    ("gram", "link"), [("色教", "色"), ("+色教", "+色"), ("se jiao", ".se"), ("-hsj", "-hs")]
)
def test_a_gram_is_linked_to_the_one_before(gram: str, link: str) -> None:
    assert words.link(gram) == link
