"""How orders were answered and visits were liked, against plain Python on random histories."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from statistics import fmean, median, quantiles
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlmodel import Session
from uuid_utils.compat import uuid7

from app.models import (
    Account,
    Booking,
    BookingEvent,
    BookingProgramme,
    Organisation,
    OrganisationKind,
    Programme,
    Review,
    Site,
)
from app.services import answers, satisfaction
from app.services.answers import By, Measures
from app.services.calendar import local_date, midnight
from tests.api.replies import refused, told
from tests.conftest import NOW
from tests.makers import (
    World,
    actor,
    make_booking,
    make_organisation,
    make_programme,
    make_site,
    make_world,
    signed_in,
)
from tests.races import replaced_sql
from tests.services.statements import counted

SINCE, UNTIL = date(2026, 12, 20), date(2027, 2, 10)
MICROSECOND = timedelta(microseconds=1)
MOMENTS = [
    midnight(SINCE),
    midnight(SINCE) - MICROSECOND,
    midnight(UNTIL) - MICROSECOND,
    midnight(UNTIL),
    midnight(date(2027, 1, 1)),
    midnight(date(2027, 1, 1)) - MICROSECOND,
]
REASONS = ["人手不足", " 人手不足", "设备检修"]
PATHS = ("answers", "satisfaction")


@dataclass(frozen=True)
class Story:
    """One order: of which branch, where, when, and what became of it."""

    branch: int
    site: int
    at: datetime
    status: str
    waits: list[int]
    escalated: bool
    late: bool
    stars: tuple[int, int, int] | None
    items: int


STORIES = st.lists(
    st.builds(
        Story,
        branch=st.integers(0, 3),
        site=st.integers(0, 2),
        at=st.sampled_from(MOMENTS),
        status=st.sampled_from(["approved", "rejected", "expired", "no_show", "cancelled"]),
        waits=st.lists(st.integers(0, 300), max_size=2),
        escalated=st.booleans(),
        late=st.booleans(),
        stars=st.none() | st.tuples(*[st.integers(1, 5)] * 3),
        items=st.integers(0, 2),
    ),
    max_size=8,
)


@dataclass
class Ground:
    session: Session
    world: World
    towns: list[Organisation]
    branches: list[Organisation]
    sites: list[Site]
    programmes: dict[UUID, list[Programme]]
    like: Booking
    made: list[tuple[Story, Booking]] = field(default_factory=list)

    def happen(self, story: Story, number: int) -> None:
        site = self.sites[story.site]
        kept = self.like.model_dump(exclude={"id", "number", "respond_by"})
        said = {
            "id": uuid7(),
            "organisation_id": self.branches[story.branch].id,
            "site_id": site.id,
            "open_number": 1000 + number,
            "created_at": NOW,
            "starts_at": story.at,
            "ends_at": story.at + timedelta(hours=1),
            "status": story.status,
            "late_cancelled": story.late and story.status == "cancelled",
            "escalated_at": NOW + timedelta(minutes=60) if story.escalated else None,
        }
        booking = Booking(**kept | said)
        self.session.add(booking)
        self.session.flush()
        for programme in self.programmes[site.id][: story.items]:
            self.session.add(BookingProgramme(booking_id=booking.id, programme_id=programme.id))
        self._steps(booking, story)
        if story.stars:
            content, reception, facilities = story.stars
            self.session.add(
                Review(
                    booking_id=booking.id,
                    site_id=site.id,
                    written_by=self.world.organiser.id,
                    content=content,
                    reception=reception,
                    facilities=facilities,
                )
            )
        self.session.flush()
        self.made.append((story, booking))

    def _steps(self, booking: Booking, story: Story) -> None:
        """Answers by a person, with one by the clock among them, which counts for nothing."""
        steps: list[tuple[str | None, str, int, bool]] = [(None, "pending", 0, True)]
        for n, minutes in enumerate(story.waits):
            last = n + 1 == len(story.waits) and story.status == "rejected"
            steps.append(("pending", "rejected" if last else "approved", minutes, True))
            steps.append(("approved", "pending", minutes, True))
        steps.append(("pending", "approved", 999, False))
        for version, (source, target, minutes, by_person) in enumerate(steps, 1):
            self.session.add(
                BookingEvent(
                    booking_id=booking.id,
                    version=version,
                    at=NOW + timedelta(minutes=minutes),
                    from_status=source,
                    to_status=target,
                    actor_id=self.world.manager.id if by_person else None,
                    reason=reason(story) if target == "rejected" else None,
                )
            )


def reason(story: Story) -> str:
    return REASONS[story.waits[-1] % len(REASONS)]


@pytest.fixture
def ground(session: Session) -> Ground:
    world = make_world(session)
    other = make_organisation(session, parent=world.district, kind=OrganisationKind.TOWN)
    abroad = make_world(session)
    branches = [
        world.branch,
        make_organisation(session, parent=other),
        make_organisation(session, parent=world.district, outside=True),
        abroad.branch,
    ]
    sites = [world.site, make_site(session, other), abroad.site]
    items = {site.id: [make_programme(session, site) for _ in range(2)] for site in sites}
    return Ground(
        session,
        world,
        [world.town, other, abroad.town],
        branches,
        sites,
        items,
        make_booking(session, world),
    )


def seen(
    ground: Ground, *, town: bool, outside: bool | None = None
) -> Iterator[tuple[Story, str, int]]:
    """Yield what a reader of the district, or of its first town, sees: with month and site."""
    own_branches, own_sites = ({0}, {0}) if town else ({0, 1, 2}, {0, 1})
    for story, booking in ground.made:
        day = local_date(booking.starts_at)
        if not SINCE <= day < UNTIL or outside not in {None, story.branch == 2}:
            continue
        if story.branch in own_branches or story.site in own_sites:
            yield story, f"{day:%Y-%m}", story.site


def percentile(waits: list[int]) -> float:
    return quantiles([*waits], n=10, method="inclusive")[8] if waits[1:] else waits[0]


def measured(stories: list[Story]) -> Measures:
    waits = [wait for story in stories for wait in story.waits]
    late = sum(wait >= 60 for story in stories if story.escalated for wait in story.waits)
    status = Counter(story.status for story in stories)

    def of(figure: Callable[[list[int]], float]) -> Any:
        return pytest.approx(figure(waits), abs=0.051) if waits else None

    return Measures(
        bookings=len(stories),
        answers=len(waits),
        in_time=len(waits) - late,
        mean_minutes=of(fmean),
        median_minutes=of(median),
        p90_minutes=of(percentile),
        escalated=sum(story.escalated for story in stories),
        expired=status["expired"],
        rejected=status["rejected"],
        no_shows=status["no_show"],
        late_cancels=sum(story.late and story.status == "cancelled" for story in stories),
    )


def check_answers(ground: Ground, who: Account, *, town: bool, outside: bool | None) -> None:
    told_apart: dict[tuple[By, ...], Callable[[str, int], tuple[str, ...]]] = {
        (): lambda _month, _site: (),
        (By.SITE, By.MONTH): lambda month, site: (str(ground.sites[site].id), month),
        (By.TOWN,): lambda _month, site: (str(ground.towns[site].id),),
    }
    all_seen = list(seen(ground, town=town, outside=outside))
    for keys, key_of in told_apart.items():
        asked = answers.Asked(SINCE, UNTIL, keys, outside=outside)
        found = answers.answers(ground.session, actor=actor(ground.session, who), asked=asked)
        expected: dict[tuple[str, ...], list[Story]] = defaultdict(list)
        for story, month, site in all_seen:
            expected[key_of(month, site)].append(story)
        if keys:
            cells = {tuple(str(key.id) for key in cell.keys): cell.measures for cell in found.cells}
            assert cells == {key: measured(stories) for key, stories in expected.items()}
        assert found.totals == measured([story for story, _, _ in all_seen])
        assert not found.more
    why = Counter(
        reason(story).strip()
        for story, _, _ in all_seen
        if story.status == "rejected" and story.waits
    )
    assert {one.reason: one.count for one in found.reasons} == why
    assert found.other_reasons == 0


def check_satisfaction(ground: Ground, who: Account, *, town: bool, outside: bool | None) -> None:
    asked = satisfaction.Asked(SINCE, UNTIL, by_month=True, outside=outside)
    found = satisfaction.satisfaction(ground.session, actor=actor(ground.session, who), asked=asked)
    expected: dict[tuple[UUID, UUID | None, str], list[tuple[int, int, int]]] = defaultdict(list)
    for story, month, site in seen(ground, town=town, outside=outside):
        offered = ground.programmes[ground.sites[site].id]
        items: list[UUID | None] = [one.id for one in offered[: story.items]]
        for item in items or [None]:
            if story.stars:
                expected[ground.sites[site].id, item, month].append(story.stars)
    assert {(one.site_id, one.programme_id, one.month): tuple(one[5:]) for one in found} == {
        of: (
            len(stars),
            *(pytest.approx(fmean(column), abs=0.0051) for column in zip(*stars, strict=True)),
            pytest.approx(fmean(map(fmean, stars)), abs=0.0051),
        )
        for of, stars in expected.items()
    }


@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(stories=STORIES)
def test_it_is_what_is_counted_by_hand(ground: Ground, stories: list[Story]) -> None:
    with ground.session.begin_nested() as undone:
        for number, story in enumerate(stories):
            ground.happen(story, number)
        for town, who in ((False, ground.world.district_staff), (True, ground.world.town_staff)):
            for outside in (None, True, False):
                check_answers(ground, who, town=town, outside=outside)
                check_satisfaction(ground, who, town=town, outside=outside)
        undone.rollback()
    ground.made.clear()


INSIDE = midnight(date(2027, 1, 5))
TELLING = [
    Story(0, 0, INSIDE, "rejected", [30], escalated=True, late=False, stars=(1, 2, 3), items=1),
    Story(1, 1, INSIDE, "approved", [90], escalated=True, late=False, stars=(5, 4, 3), items=2),
    Story(2, 1, INSIDE, "cancelled", [10], escalated=False, late=True, stars=None, items=0),
    Story(3, 0, INSIDE, "no_show", [20], escalated=False, late=False, stars=(3, 3, 3), items=0),
    Story(0, 0, INSIDE, "rejected", [31], escalated=False, late=False, stars=None, items=0),
    Story(0, 0, INSIDE, "rejected", [32], escalated=False, late=False, stars=None, items=0),
    Story(1, 2, INSIDE, "approved", [45], escalated=False, late=False, stars=(4, 5, 4), items=1),
    Story(3, 2, INSIDE, "expired", [50], escalated=False, late=False, stars=(2, 2, 2), items=0),
    *(
        Story(0, 0, at, "approved", [240], escalated=False, late=False, stars=(1, 1, 1), items=1)
        for at in MOMENTS
    ),
]


@pytest.mark.parametrize(
    ("words", "others", "of"),
    [
        ("AND b.starts_at < %(until)s", "", PATHS),
        ("b.starts_at >= %(since)s AND", "", PATHS),
        ("t.path <@ ANY(CAST(%(paths)s AS ltree[])) OR ", "", PATHS),
        (" OR o.path <@ ANY(CAST(%(paths)s AS ltree[]))", "", PATHS),
        ("(t.path <@ ANY(", "(TRUE OR t.path <@ ANY(", PATHS),
        ("AND (CAST(%(outside)s AS boolean) IS NULL OR o.outside = %(outside)s)", "", PATHS),
        ("AT TIME ZONE 'Asia/Shanghai'", "AT TIME ZONE 'UTC'", PATHS),
        ("AND e.actor_id IS NOT NULL", "", PATHS[:1]),
        ("e.at < a.escalated_at", "TRUE", PATHS[:1]),
        ("btrim(e.reason)", "e.reason", PATHS[:1]),
        ("LEFT JOIN booking_programme", "JOIN booking_programme", PATHS[1:]),
    ],
)
def test_a_condition_left_out_is_noticed(
    session: Session, ground: Ground, words: str, others: str, of: tuple[str, ...]
) -> None:
    for number, story in enumerate(TELLING):
        ground.happen(story, number)
    checks = {"answers": check_answers, "satisfaction": check_satisfaction}
    readers = ((False, ground.world.district_staff), (True, ground.world.town_staff))

    def right(name: str) -> bool:
        try:
            for town, who in readers:
                for outside in (None, True):
                    checks[name](ground, who, town=town, outside=outside)
        except AssertionError:
            return False
        return True

    for name in of:
        assert right(name)
        with replaced_sql(session.connection(), words, others):
            assert not right(name)


def test_so_many_reasons_are_told_and_cells_listed(
    session: Session, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, story in enumerate(TELLING):
        ground.happen(story, number)
    monkeypatch.setattr(answers, "MOST_REASONS", 1)
    who = actor(session, ground.world.district_staff)
    asked = answers.Asked(SINCE, UNTIL, (By.SITE, By.MONTH), limit=1)
    found = answers.answers(session, actor=who, asked=asked)
    assert [(one.reason, one.count) for one in found.reasons] == [("人手不足", 2)]
    assert found.other_reasons == 1
    assert (len(found.cells), found.more) == (1, True)
    assert found.totals.bookings > found.cells[0].measures.bookings


def test_more_cells_are_as_many_statements(session: Session, ground: Ground) -> None:
    who = actor(session, ground.world.district_staff)

    def cost() -> int:
        with counted(session) as sent:
            answers.answers(
                session, actor=who, asked=answers.Asked(SINCE, UNTIL, (By.SITE, By.MONTH))
            )
            satisfaction.satisfaction(session, actor=who, asked=satisfaction.Asked(SINCE, UNTIL))
        return len(sent)

    before = cost()
    for number, story in enumerate(TELLING):
        ground.happen(story, number)
    assert cost() == before == 3


def test_they_are_answered_over_http(client: TestClient, session: Session, ground: Ground) -> None:
    for number, story in enumerate(TELLING):
        ground.happen(story, number)
    headers = signed_in(session, ground.world.district_staff)
    period = {"from": str(SINCE), "to": str(UNTIL - timedelta(days=1))}
    path = "/api/v1/statistics/answers"
    by = period | {"group_by": ["site", "month"]}
    found = told(client.get(path, headers=headers, params=by))
    assert found["cells"][0]["keys"][1]["id"] == "2026-12"
    assert {reason["reason"] for reason in found["reasons"]} == {"人手不足", "设备检修"}
    one = period | {"site_id": str(ground.sites[1].id)}
    assert told(client.get(path, headers=headers, params=one))["totals"]["bookings"] == 2
    for keys in (["site", "site"], ["site", "month", "town"]):
        reply = client.get(path, headers=headers, params=period | {"group_by": keys})
        assert refused(reply, 422, "too-many-keys")["limit"] == 2
    path = "/api/v1/statistics/satisfaction"
    few = told(client.get(path, headers=headers, params=period | {"limit": 1}))
    assert (len(few["items"]), few["more"]) == (1, True)
    all_of_it = told(client.get(path, headers=headers, params=one))
    assert {item["site_id"] for item in all_of_it["items"]} == {one["site_id"]}
    assert all_of_it["items"][0]["rating"] == 4
    for name in PATHS:
        sheet = client.get(f"/api/v1/statistics/{name}.csv", headers=headers, params=period)
        assert sheet.status_code == 200
        assert ground.sites[1].short_name in sheet.content.decode("utf-8-sig")
