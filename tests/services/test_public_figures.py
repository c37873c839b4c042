"""What everybody may know: exact where it is told, and nothing to be reckoned where it is not."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlmodel import Session
from uuid_utils.compat import uuid7

from app.models import COUNTED, Category, Organisation, OrganisationKind, Site, SiteStatus, Visit
from app.services import facts, public_figures
from app.services.calendar import midnight
from app.services.cards import FEWEST_BRANCHES
from app.services.public_figures import SETTLED_AFTER, By, Figures
from tests.api.replies import refused, told
from tests.conftest import NOW, as_owner
from tests.makers import (
    make_completed,
    make_organisation,
    make_rivals,
    make_site,
    make_world,
)
from tests.races import replaced_sql

PATH = "/api/v1/statistics/public"
MONTHS = (date(2025, 12, 1), date(2026, 1, 1), date(2026, 10, 1))
"""Over, seen from December 2026; the first lies in another year."""
YEARS = (2025, 2026)
FEW = FEWEST_BRANCHES
BRANCHES, SITES = 5, 4


@dataclass(frozen=True)
class Came:
    """A visit: of which branch, to which site, in which month, with how many people."""

    branch: int
    site: int
    month: int
    people: int


Cell = tuple[int, int]
VISITS = st.lists(
    st.builds(
        Came,
        branch=st.integers(0, BRANCHES - 1),
        site=st.integers(0, SITES - 1),
        month=st.integers(0, len(MONTHS) - 1),
        people=st.integers(0, 40),
    ),
    max_size=40,
)


@dataclass
class Ground:
    session: Session
    district: Organisation
    sites: list[Site]
    branches: list[UUID]

    def publish(self, visits: Sequence[Came]) -> None:
        """Have these visits and no others, and a night."""
        as_owner(self.session)
        self.session.connection().execute(text("DELETE FROM usage_fact"))
        rows = [
            dict.fromkeys(COUNTED, 0)
            | {
                "visits": 1,
                "people": came.people,
                "booking_id": uuid7(),
                "site_id": self.sites[came.site].id,
                "organisation_id": self.branches[came.branch],
                "home_id": self.district.id,
                "day": MONTHS[came.month].replace(day=1 + n % 28),
            }
            for n, came in enumerate(visits)
        ]
        if rows:
            names = ", ".join(rows[0])
            values = ", ".join(f":{name}" for name in rows[0])
            insert = text(f"INSERT INTO usage_fact ({names}) VALUES ({values})")  # noqa: S608
            self.session.connection().execute(insert, rows)
        public_figures.publish(self.session, NOW)

    def answers(self) -> dict[Any, Any]:
        """Everything that anybody can ask."""
        return {
            (where, year, by): public_figures.figures(
                self.session, district_id=where, year=year, by=by, now=NOW
            )
            for where in (None, self.district.id)
            for year in YEARS
            for by in By
        }


@pytest.fixture
def ground(session: Session) -> Ground:
    """Three sites of a district, in two towns, and one of another district."""
    district, abroad = make_organisation(session), make_organisation(session)
    towns = [
        make_organisation(session, parent=root, kind=OrganisationKind.TOWN)
        for root in (district, district, abroad)
    ]
    sites = [
        make_site(session, towns[0], category=Category.RURAL),
        make_site(session, towns[0], category=Category.URBAN),
        make_site(session, towns[1], category=Category.RURAL),
        make_site(session, towns[2]),
    ]
    branches = [make_organisation(session, parent=towns[0]).id for _ in range(BRANCHES)]
    return Ground(session, district, sites, branches)


def opened(visits: Sequence[Came]) -> set[Cell]:
    who: dict[Cell, set[int]] = defaultdict(set)
    for came in visits:
        who[came.site, came.month].add(came.branch)
    return {cell for cell, branches in who.items() if len(branches) >= FEW}


def counted(visits: Sequence[Came]) -> Figures:
    people = sum(came.people for came in visits)
    return Figures(len(visits), people, len({came.site for came in visits}))


def expected(
    ground: Ground, visits: Sequence[Came], year: int, key_of: Callable[[Came], str]
) -> Any:
    cells = opened(visits)
    seen = [
        came
        for came in visits
        if (came.site, came.month) in cells
        and MONTHS[came.month].year == year
        and ground.sites[came.site].district_id == ground.district.id
    ]
    keys = {key_of(came) for came in seen}
    return counted(seen), {
        key: counted([came for came in seen if key_of(came) == key]) for key in keys
    }


SETTINGS = settings(
    max_examples=40,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@SETTINGS
@given(visits=VISITS)
def test_open_cells_are_told_as_they_were(ground: Ground, visits: list[Came]) -> None:
    ground.publish(visits)
    keys: dict[By, Callable[[Came], str]] = {
        By.MONTH: lambda came: f"{MONTHS[came.month]:%Y-%m}",
        By.SITE: lambda came: str(ground.sites[came.site].id),
        By.TOWN: lambda came: str(ground.sites[came.site].town_id),
        By.CATEGORY: lambda came: str(ground.sites[came.site].category),
    }
    for year in YEARS:
        for by, key_of in keys.items():
            found = public_figures.figures(
                ground.session, district_id=ground.district.id, year=year, by=by, now=NOW
            )
            cells = {str(cell.key.id): cell.figures for cell in found.cells}
            assert (found.totals, cells) == expected(ground, visits, year, key_of)


@SETTINGS
@given(visits=VISITS, others=VISITS)
def test_whatever_few_branches_do_every_answer_is_the_same(
    ground: Ground, visits: list[Came], others: list[Came]
) -> None:
    """So no reckoning with any answers, of any number of questions, tells anything of it."""
    cells = opened(visits)
    shown = [came for came in visits if (came.site, came.month) in cells]
    ground.publish(visits)
    answers = ground.answers()
    ground.publish(shown)
    assert ground.answers() == answers
    hidden = [
        came for came in others if came.branch < FEW - 1 and (came.site, came.month) not in cells
    ]
    ground.publish(shown + hidden)
    assert ground.answers() == answers


HIDDEN = [Came(0, 0, 1, 20), Came(1, 0, 1, 30), Came(1, 0, 1, 7)]
OPEN = [Came(branch, 1, 1, 10) for branch in range(FEW)]


@pytest.mark.parametrize(
    ("words", "others"),
    [(f"HAVING count(DISTINCT organisation_id) >= {FEW}", ""), ("DISTINCT organisation_id", "*")],
)
def test_without_the_threshold_they_would_differ(ground: Ground, words: str, others: str) -> None:
    ground.publish(OPEN)
    answers = ground.answers()
    with replaced_sql(ground.session.connection(), words, others):
        ground.publish(OPEN + HIDDEN)
    assert ground.answers() != answers


def test_what_is_not_open_any_more_is_taken_back(ground: Ground) -> None:
    ground.publish(OPEN)
    assert public_figures.publish(ground.session, NOW) == 0
    ground.publish(OPEN[1:])
    assert not any(found.cells for found in ground.answers().values())


def test_the_month_that_runs_is_not_told(ground: Ground) -> None:
    ground.publish(OPEN)
    during = public_figures.figures(
        ground.session,
        district_id=ground.district.id,
        year=2026,
        by=By.MONTH,
        now=NOW.replace(month=1, day=31),
    )
    assert (during.until, during.cells, during.totals) == (date(2026, 1, 1), [], Figures(0, 0, 0))
    assert public_figures.publish(ground.session, NOW.replace(month=1, day=31)) == 1


def test_a_site_that_is_withdrawn_is_told_of_no_more(ground: Ground) -> None:
    ground.publish(OPEN)
    assert any(found.cells for found in ground.answers().values())
    ground.sites[1].status = SiteStatus.CLOSED
    ground.session.flush()
    assert not any(found.cells for found in ground.answers().values())


@pytest.mark.parametrize("folded", [True, False])
def test_a_visit_is_told_the_night_after_its_month(session: Session, *, folded: bool) -> None:
    """Whether or not anybody has added it up by then."""

    def fold() -> None:
        while folded and facts.fold(session, NOW):
            pass

    world = make_world(session, groups_limit=FEW)
    made = [
        make_completed(session, rival, attended=8) for rival in make_rivals(session, world, FEW)
    ]
    fold()
    after = midnight(date(2027, 1, 1)) + SETTLED_AFTER
    assert made[0].ends_at < midnight(date(2027, 1, 1))
    assert public_figures.publish(session, after - timedelta(microseconds=1)) == 0
    assert public_figures.publish(session, after) == 1
    session.get_one(Visit, made[0].id).people_attended = 5
    session.flush()
    fold()
    assert public_figures.publish(session, after) == 1
    found = public_figures.figures(
        session,
        district_id=world.district.id,
        year=made[0].starts_at.year,
        by=By.SITE,
        now=after,
    )
    assert found.totals == Figures(FEW, 8 * FEW - 3, 1)


def test_what_was_added_up_before_a_correction_is_not_told_beside_it(session: Session) -> None:
    world = make_world(session, groups_limit=FEW)
    made = [make_completed(session, rival) for rival in make_rivals(session, world, FEW)]
    while facts.fold(session, NOW):
        pass
    session.get_one(Visit, made[0].id).people_attended = 5
    session.flush()
    after = midnight(date(2027, 1, 1)) + SETTLED_AFTER

    def visits() -> int:
        public_figures.publish(session, after)
        year = made[0].starts_at.year
        asked: dict[str, Any] = {
            "district_id": world.district.id,
            "year": year,
            "by": By.SITE,
            "now": after,
        }
        return public_figures.figures(session, **asked).totals.visits

    assert visits() == FEW
    with replaced_sql(
        session.connection(), "WHERE booking_id NOT IN (SELECT booking_id FROM marked)", ""
    ):
        assert visits() == FEW + 1


def test_everybody_may_ask(client: TestClient, ground: Ground) -> None:
    ground.publish(OPEN)
    reply = client.get(PATH, params={"year": 2026, "group_by": "site"})
    (cell,) = told(reply)["cells"]
    assert cell["key"]["name"] == ground.sites[1].short_name
    assert cell["figures"] == {"visits": 3, "people": 30, "sites": 1}
    assert reply.headers["cache-control"] == "public, max-age=600"
    again = client.get(
        PATH,
        params={"year": 2026, "group_by": "site"},
        headers={"If-None-Match": reply.headers["etag"]},
    )
    assert again.status_code == 304
    assert told(client.get(PATH))["until"] == f"{NOW - SETTLED_AFTER:%Y-%m}-01"
    for nowhere in (uuid7(), ground.sites[0].town_id):
        refused(client.get(PATH, params={"district_id": str(nowhere)}), 404, "district-not-found")
