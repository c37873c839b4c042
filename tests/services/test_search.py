"""Sites by what is typed, and by what else is wanted of them."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session, col, select

from app import words
from app.models import Category, Organisation, OrganisationKind, ProgrammeKind, Site, SiteStatus
from app.reader import Within
from app.services import common_grams, menu, search, site_words, verify
from app.services.common_grams import CommonGrams
from app.services.coordinates import Place
from app.services.search import Found, SiteSort, Wish
from app.services.site_map import Box
from app.services.typed_words import Tier, read
from tests.conftest import NOW
from tests.makers import make_organisation, make_policy, make_session, make_site, make_venue
from tests.services.statements import counted

NAMES = (
    "太河镇红色教育基地（示例）",
    "太河水库党群服务中心",
    "马鞍山广场",
    "长乐村初心学堂",
    "淄川区太河纪念馆",
    "泰和里社区",
)


@pytest.fixture
def town(session: Session) -> Organisation:
    district = make_organisation(session)
    make_policy(session, district)
    return make_organisation(session, parent=district, kind=OrganisationKind.TOWN, name="罗村镇")


@pytest.fixture
def sites(session: Session, town: Organisation) -> dict[str, Any]:
    made = {name: make_site(session, town, name=name) for name in NAMES}
    make_site(session, town, name="太河镇草稿", status=SiteStatus.DRAFT)
    make_site(session, town, name="太河镇停用", status=SiteStatus.SUSPENDED)
    return made


def named(session: Session, typed: str | None = None, limit: int = 50, **wanted: Any) -> list[str]:
    sort = wanted.pop("sort", SiteSort.DEFAULT)
    wish = Wish(typed=typed, **wanted)
    found = search.find(Within(session), wish=wish, sort=sort, after=None, limit=limit, now=NOW)
    names = dict(session.exec(select(col(Site.id), col(Site.name))).all())
    return [names[one.id] for one in found]


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        pytest.param("太河镇红色教育基地", NAMES[0], id="name"),
        pytest.param("马鞍山", NAMES[2], id="beginning"),
        pytest.param("初心学堂", NAMES[3], id="part"),
        pytest.param("maanshan", NAMES[2], id="pinyin"),
        pytest.param("magc", NAMES[2], id="initials-with-a-slip"),
        pytest.param("masgc", NAMES[2], id="initials"),
        pytest.param("马an山", NAMES[2], id="mixture"),
        pytest.param("maansahn", NAMES[2], id="letters-swapped"),
        pytest.param("马按山广场", NAMES[2], id="same-sound"),
        pytest.param("马鞍川广场", NAMES[2], id="wrong-character"),
        pytest.param("马鞍广场", NAMES[2], id="missing-character"),
        pytest.param("zhangle", NAMES[3], id="heteronym"),
        pytest.param("changyue", NAMES[3], id="other-heteronym"),
        pytest.param("ＭＡＳＧＣ", NAMES[2], id="wide"),
    ],
)
def test_a_site_is_found(session: Session, sites: dict[str, Any], typed: str, first: str) -> None:
    assert named(session, typed)[:1] == [first]


def test_the_surest_come_first(session: Session, sites: dict[str, Any]) -> None:
    found = named(session, "太河")
    assert set(found[:2]) == {NAMES[0], NAMES[1]}
    assert found[2:4] == [NAMES[4], NAMES[5]]


class EverythingIsCommon(dict[str, float]):
    def get(self, _gram: str, _default: Any = None) -> float:
        return 1.0


def pages(session: Session, typed: str, limit: int, **wanted: Any) -> list[Found]:
    found: list[Found] = []
    wish = Wish(typed=typed, **wanted)
    while page := search.find(
        Within(session),
        wish=wish,
        sort=SiteSort.DEFAULT,
        after=found[-1] if found else None,
        limit=limit,
        now=NOW,
    ):
        found += page
    return found


@pytest.mark.parametrize(
    "typed",
    [
        "太河",
        "太河镇红色教育基地（示例）",
        "tai",
        "tahe",
        "th",
        "罗村",
        "太河 罗村",
        "t河 luo",
        "社区 tai",
    ],
)
def test_words_that_many_sites_have_find_what_rare_ones_do(
    session: Session, sites: dict[str, Any], monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    rare = [pages(session, typed, limit) for limit in (1, 3, 50)]
    everything = CommonGrams(NOW, 1e9, EverythingIsCommon())
    monkeypatch.setattr(common_grams, "of", lambda _reader, now: everything)
    with counted(session) as seen:
        common = [pages(session, typed, limit) for limit in (1, 3, 50)]
    assert any("ts_match_vq" in statement for statement in seen)
    assert rare == common
    assert rare[0] == rare[1] == rare[2]
    box = Box(-180, -90, 180, 90)
    assert pages(session, typed, 3, box=box) == common[0]


def test_who_walked_too_far_for_nothing_looks_up_instead(
    session: Session, sites: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    rare = pages(session, "tai", 3)
    everything = CommonGrams(NOW, 1e9, EverythingIsCommon())
    monkeypatch.setattr(common_grams, "of", lambda _reader, now: everything)
    monkeypatch.setattr(search, "_walk", lambda *_: 1)
    with counted(session) as seen:
        assert pages(session, "tai", 3) == rare
    assert any("LIMIT %(far_" in statement for statement in seen)


@pytest.mark.parametrize(
    ("part", "far"), [(0.4, search._TO_THE_END), (0.0065, 6_500), (0.0045, 8_889), (0.004, 0)]
)
def test_a_walk_ends_where_to_look_up_is_no_dearer(part: float, far: int) -> None:
    known = CommonGrams(NOW, 100_000, {"河": part})
    assert search._walk(known, Tier.NAMED, read("河"), 20) == far


def test_what_is_common_is_what_the_statistics_say(
    session: Session, town: Organisation, sites: dict[str, Any]
) -> None:
    later = NOW + 2 * common_grams.KEPT
    for n in range(30):
        make_site(session, town, name=f"太河镇第{n}阵地")
    session.connection().execute(text("SET LOCAL ROLE NONE"))
    session.connection().execute(text("ANALYZE site_words"))
    known = common_grams.of(Within(session), now=later)
    assert known.sites([words.spelt("太河")]) > 20
    assert known.sites([words.spelt("太河"), words.spelt("太河镇")]) > 15
    assert known.sites([words.spelt("太河"), words.spelt("马鞍山")]) < 1
    assert known.sites([[]]) == 0
    assert common_grams.of(Within(session), now=later + common_grams.KEPT) is known
    assert common_grams.of(Within(session), now=later + 2 * common_grams.KEPT) is not known


def test_neighbours_are_taken_to_go_together() -> None:
    parts = {"红色": 0.1, "色教": 0.08, "色": 0.16, "教育": 0.09, "教": 0.09}
    known = CommonGrams(NOW, 1000, parts)
    assert known.sites([words.spelt("红色")]) == pytest.approx(100)
    assert known.sites([words.spelt("红色教")]) == pytest.approx(50)
    assert known.sites([words.spelt("红色教育")]) == pytest.approx(50)
    assert known.sites([words.spelt("红色教师")]) == 0
    assert known.sites([words.spelt("红色"), words.spelt("教育")]) == pytest.approx(9)


def test_nothing_is_guessed_where_something_is_sure(
    session: Session, sites: dict[str, Any]
) -> None:
    assert {one.tier for one in pages(session, "马鞍川广场", 50)} == {Tier.GUESSED}
    assert [one.tier for one in pages(session, "马鞍山广场", 1)] == [Tier.EXACT]


def test_only_published_sites_are_found(session: Session, sites: dict[str, Any]) -> None:
    for typed in ("太河镇草稿", "草稿", "taihezhen", "tingyong", "caogao", "太河镇停佣"):
        assert not {"太河镇草稿", "太河镇停用"} & set(named(session, typed))


def test_town_address_and_menu_are_searched(session: Session, sites: dict[str, Any]) -> None:
    site = sites[NAMES[3]]
    menu.add(
        session, site=site, kind=ProgrammeKind.OATH, name="重温入党誓词", minutes=20, people_limit=9
    )
    assert named(session, "入党誓词") == [site.name]
    assert named(session, "长乐 誓词") == [site.name]
    assert named(session, "changle 誓词") == [site.name]
    assert set(named(session, "罗村镇")) == set(NAMES)
    wish = Wish(typed="马鞍山 誓词")
    found = search.find(
        Within(session), wish=wish, sort=SiteSort.DEFAULT, after=None, limit=9, now=NOW
    )
    assert [one.tier for one in found] == [Tier.GUESSED] * 2
    assert named(session, "马鞍山 誓词") == [NAMES[2], NAMES[3]]


@pytest.mark.parametrize(
    "typed", ["", "%", "_", "\\", "' | ''", "\x00", "😀", " ", "(:*&!)", "龘" * 300]
)
def test_odd_input_finds_nothing(session: Session, sites: dict[str, Any], typed: str) -> None:
    assert named(session, typed) == []


def test_words_follow_their_sources(
    session: Session, town: Organisation, sites: dict[str, Any]
) -> None:
    site = sites[NAMES[2]]
    site.name = "凤凰岭展览馆"
    town.place = "昆仑镇"
    session.flush()
    assert named(session, "fenghuang") == ["凤凰岭展览馆"]
    assert named(session, "马鞍山") == []
    assert set(named(session, "昆仑镇")) == {*NAMES, "凤凰岭展览馆"} - {NAMES[2]}


def test_what_is_written_past_the_models_is_noticed(
    session: Session, sites: dict[str, Any]
) -> None:
    session.connection().execute(
        text("UPDATE site SET name = '凤凰岭' WHERE id = :id"), {"id": sites[NAMES[2]].id}
    )
    broken = [line for line in verify.violations(session, now=NOW) if "found by words" in line]
    assert broken == [f"a site is found by words that are not its own: {sites[NAMES[2]].id}"]
    assert site_words.catch_up(session, NOW) == 1
    assert named(session, "fenghuangling") == ["凤凰岭"]
    assert site_words.catch_up(session, NOW) == 0


@pytest.mark.parametrize("sort", SiteSort)
@pytest.mark.parametrize("typed", [None, "太河", "tahe"])
def test_pages_are_the_list(
    session: Session, town: Organisation, sort: SiteSort, typed: str
) -> None:
    for n in range(9):
        make_site(
            session, town, name=f"太河镇第{'一二三'[n % 3]}阵地", at=(117.9 + n % 4 / 100, 36.6)
        )
    wish = Wish(typed=typed, near=Place(117.9, 36.6))
    whole = search.find(Within(session), wish=wish, sort=sort, after=None, limit=50, now=NOW)
    assert len(whole) == 9
    after, paged = None, []
    while page := search.find(Within(session), wish=wish, sort=sort, after=after, limit=2, now=NOW):
        paged += page
        after = page[-1]
    assert paged == whole


def test_filters(session: Session, town: Organisation) -> None:
    here = make_site(session, town, name="近处", at=(117.9, 36.6), category=Category.RURAL)
    make_site(session, town, name="远处", at=(118.1, 36.6))
    near = Place(117.9, 36.6)
    assert named(session, town_id=town.id, category=Category.RURAL) == ["近处"]
    assert named(session, near=near, radius_m=1000, town_id=town.id) == ["近处"]
    assert named(session, box=Box(118.0, 36, 119, 37), town_id=town.id) == ["远处"]
    assert named(session, town_id=town.id, near=near, sort=SiteSort.DISTANCE) == ["近处", "远处"]
    assert named(session, town_id=town.id, sort=SiteSort.NAME) == ["近处", "远处"]
    slot = make_session(session, make_venue(session, here, people_limit=30))
    day = slot.starts_at.date()
    assert named(session, town_id=town.id, open_on=day, people=30) == ["近处"]
    assert named(session, town_id=town.id, open_on=day, people=31) == []


def test_no_page_costs_more_statements(session: Session, town: Organisation) -> None:
    for n in range(12):
        make_site(session, town, name=f"太河镇阵地{n}")
    sent = []
    for limit in (2, 10):
        with counted(session) as seen:
            named(session, "太河", limit)
        sent.append(len(seen))
    assert sent[0] == sent[1] <= 4
