"""What visitors say of a place on the map: once, told to its keepers, and answered once."""

from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session, col, select

from app.errors import DomainError, Stale
from app.models import (
    Account,
    Crs,
    LocationReport,
    Notification,
    ReportStatus,
    Role,
    Site,
    SiteStatus,
)
from app.services import coordinates, location_reports, site_editing
from app.services.access import NotInScope
from app.services.coordinates import Place
from app.services.idempotency import IdempotencyKeyReused
from app.services.location_reports import (
    LocationReportAnswered,
    LocationReportNotFound,
    TooManyLocationReports,
)
from app.services.locations import OutsideDistrict, Typed
from app.services.sites import SiteNotFound
from tests.conftest import NOW, as_owner
from tests.makers import actor, make_account, make_grant, make_location_report, make_site
from tests.races import at_once
from tests.services.test_site_editing import AWAY, Ground, make_ground

THERE = Place(117.95, 36.61)


@pytest.fixture
def ground(session: Session) -> Ground:
    ground = make_ground(session)
    ground.site.status = SiteStatus.PUBLISHED
    session.flush()
    return ground


def report(
    session: Session,
    site: Site,
    *,
    suggested: Place | None = THERE,
    note: str = "",
    key: UUID | None = None,
) -> tuple[UUID, bool]:
    return location_reports.report(
        session, site_id=site.id, suggested=suggested, note=note, key=key, now=NOW
    )


def accept(
    session: Session,
    who: Account,
    ground: Ground,
    report_id: UUID,
    *,
    version: int | None = None,
    confirmed: bool = False,
) -> LocationReport:
    return location_reports.accept(
        session,
        actor=actor(session, who),
        site_id=ground.site.id,
        report_id=report_id,
        version=ground.site.version if version is None else version,
        confirmed_outside=confirmed,
        now=NOW,
    )


def dismiss(session: Session, who: Account, ground: Ground, report_id: UUID) -> LocationReport:
    return location_reports.dismiss(
        session, actor=actor(session, who), site_id=ground.site.id, report_id=report_id, now=NOW
    )


def told(session: Session) -> list[tuple[UUID, str]]:
    rows = select(Notification.account_id, Notification.kind)
    return list(session.exec(rows).all())


def test_the_manager_is_told_of_the_first_that_waits(session: Session, ground: Ground) -> None:
    first, is_new = report(session, ground.site)
    assert is_new
    assert told(session) == [(ground.manager.id, "location-reported")]
    report(session, ground.site, note="还是不对")
    assert len(told(session)) == 1
    for waiting in session.exec(select(LocationReport.id)).all():
        dismiss(session, ground.manager, ground, waiting)
    location_reports.report(
        session, site_id=ground.site.id, suggested=None, note="", key=None, now=NOW.replace(hour=2)
    )
    assert len(told(session)) == 2
    assert first


def test_without_a_manager_the_district_is_told(session: Session, ground: Ground) -> None:
    alone = make_site(session, ground.town)
    former = make_account(session)
    make_grant(session, former, Role.SITE_MANAGER, at=alone, ends_at=NOW)
    report(session, alone)
    assert told(session) == [(ground.chief.id, "location-reported")]


def test_nobody_is_kept(session: Session, ground: Ground) -> None:
    """A report has no column that could say who sent it; the key is the sender's random number."""
    assert set(LocationReport.model_fields) == {
        *("id", "created_at", "site_id", "suggested", "note", "request_key", "status"),
        *("answered_at", "answered_by"),
    }
    report_id, _ = report(session, ground.site)
    assert session.get_one(LocationReport, report_id).answered_by is None


def test_sent_twice_it_is_one(session: Session, ground: Ground) -> None:
    key = uuid4()
    first = report(session, ground.site, note="一", key=key)
    assert report(session, ground.site, note="一", key=key) == (first[0], False)
    assert report(session, ground.site, note="一") != first
    for other in (
        {"note": "二"},
        {"note": "一", "suggested": AWAY},
        {"note": "一", "suggested": None},
    ):
        with pytest.raises(IdempotencyKeyReused):
            report(session, ground.site, key=key, **other)
    elsewhere = make_site(session, ground.town)
    assert report(session, elsewhere, note="一", key=key)[1]


def race(engine: Engine) -> tuple[set[UUID], int]:
    with Session(engine, expire_on_commit=False) as session, session.begin():
        ground = make_ground(session)
        ground.site.status = SiteStatus.PUBLISHED
    key = uuid4()

    def attempt(_: int) -> UUID:
        with Session(engine) as session, session.begin():
            return report(session, ground.site, key=key)[0]

    ids = set(at_once(6, attempt))
    with Session(engine) as session:
        return ids, len(session.exec(select(LocationReport.id)).all())


def test_sent_at_once_it_is_one(own_engine: Engine) -> None:
    ids, rows = race(own_engine)
    assert (len(ids), rows) == (1, 1)


def test_without_the_constraint_it_would_be_several(own_engine: Engine) -> None:
    with own_engine.begin() as connection:
        as_owner(connection)
        connection.execute(
            text(
                "ALTER TABLE location_report DROP CONSTRAINT location_report_once,"
                " ADD CONSTRAINT location_report_once UNIQUE (id)"
            )
        )
    with Session(own_engine, expire_on_commit=False) as session, session.begin():
        ground = make_ground(session)
        ground.site.status = SiteStatus.PUBLISHED
        report(session, ground.site)  # so that nobody is told of the next
    key = uuid4()
    with Session(own_engine) as one, Session(own_engine) as other:
        report(one, ground.site, key=key)
        report(other, ground.site, key=key)
        one.commit()
        other.commit()
    with Session(own_engine) as session:
        assert len(session.exec(select(LocationReport.id)).all()) == 3


def test_only_sites_on_the_map_are_reported(session: Session, ground: Ground) -> None:
    for status in SiteStatus:
        if status != SiteStatus.PUBLISHED:
            hidden = make_site(session, ground.town, status=status)
            with pytest.raises(SiteNotFound):
                report(session, hidden)


def test_so_many_say_nothing_new(
    session: Session, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(location_reports, "MOST_OPEN", 2)
    key = uuid4()
    first, _ = report(session, ground.site, key=key)
    report(session, ground.site)
    with pytest.raises(TooManyLocationReports):
        report(session, ground.site)
    assert report(session, ground.site, key=key) == (first, False)
    dismiss(session, ground.manager, ground, first)
    assert report(session, ground.site)[1]


def test_accepting_moves_the_site(session: Session, ground: Ground) -> None:
    who = actor(session, ground.manager)
    site = site_editing.verify_location(
        session, actor=who, site_id=ground.site.id, version=1, now=NOW
    )
    report_id, _ = report(session, site)
    found = accept(session, ground.manager, ground, report_id)
    assert (found.status, found.answered_by) == (ReportStatus.ACCEPTED, ground.manager.id)
    session.refresh(site)
    assert coordinates.place(site.location) == coordinates.place(site.navigation_point) == THERE
    assert (site.source_crs, site.source_note) == (Crs.WGS84, location_reports.SOURCE)
    assert (site.location_verified_at, site.version) == (None, 3)


def test_a_gate_of_its_own_stays(session: Session, ground: Ground) -> None:
    gate = Place(117.96, 36.62)
    bd09 = coordinates.from_wgs84(*gate, Crs.BD09)
    at = coordinates.from_wgs84(117.97, 36.64, Crs.BD09)
    site = site_editing.relocate(
        session,
        actor=actor(session, ground.manager),
        site_id=ground.site.id,
        version=1,
        typed=Typed(at, Crs.BD09, bd09),
        confirmed_outside=False,
    )
    report_id, _ = report(session, site)
    accept(session, ground.manager, ground, report_id)
    session.refresh(site)
    assert coordinates.place(site.location) == THERE
    assert coordinates.place(site.navigation_point) == pytest.approx(gate, abs=1e-8)


def test_without_a_point_accepting_moves_nothing(session: Session, ground: Ground) -> None:
    report_id, _ = report(session, ground.site, suggested=None, note="门口修路")
    before = coordinates.place(ground.site.location)
    assert accept(session, ground.chief, ground, report_id).status == ReportStatus.ACCEPTED
    assert (coordinates.place(ground.site.location), ground.site.version) == (before, 1)


def test_a_point_outside_needs_a_word_of_staff(session: Session, ground: Ground) -> None:
    report_id, _ = report(session, ground.site, suggested=AWAY)
    with pytest.raises(OutsideDistrict):
        accept(session, ground.manager, ground, report_id)
    with pytest.raises(NotInScope):
        accept(session, ground.manager, ground, report_id, confirmed=True)
    assert accept(session, ground.chief, ground, report_id, confirmed=True).answered_at == NOW
    assert ground.site.outside_confirmed_by == ground.chief.id


def test_a_report_is_answered_once(session: Session, ground: Ground) -> None:
    report_id, _ = report(session, ground.site)
    dismiss(session, ground.manager, ground, report_id)
    for verb in (accept, dismiss):
        with pytest.raises(LocationReportAnswered) as refused:
            verb(session, ground.chief, ground, report_id)
        assert refused.value.facts == {"current_status": "dismissed"}


def test_accepting_is_of_the_version_that_was_read(session: Session, ground: Ground) -> None:
    report_id, _ = report(session, ground.site)
    with pytest.raises(Stale):
        accept(session, ground.chief, ground, report_id, version=7)


def test_of_those_who_answer_at_once_one_does(own_engine: Engine) -> None:
    with Session(own_engine, expire_on_commit=False) as session, session.begin():
        ground = make_ground(session)
        ground.site.status = SiteStatus.PUBLISHED
        report_id, _ = report(session, ground.site, suggested=None)

    def attempt(n: int) -> str:
        with Session(own_engine) as session, session.begin():
            try:
                if n % 2:
                    dismiss(session, ground.chief, ground, report_id)
                else:
                    accept(session, ground.manager, ground, report_id, version=1)
            except LocationReportAnswered:
                return "answered"
            return "done"

    assert at_once(6, attempt).count("done") == 1


@pytest.mark.parametrize(
    ("who", "refusal"),
    [("clerk", NotInScope), ("auditor", NotInScope), ("stranger", SiteNotFound)],
)
def test_nobody_else_answers(
    session: Session, ground: Ground, who: str, refusal: type[DomainError]
) -> None:
    report_id = make_location_report(session, ground.site)
    for verb in (accept, dismiss):
        with pytest.raises(refusal):
            verb(session, getattr(ground, who), ground, report_id)


def test_a_report_belongs_to_its_site(session: Session, ground: Ground) -> None:
    other = make_site(session, ground.town)
    of_other = make_location_report(session, other)
    for report_id in (of_other, uuid4()):
        with pytest.raises(LocationReportNotFound):
            dismiss(session, ground.manager, ground, report_id)


def test_the_list_is_filtered_and_paged(session: Session, ground: Ground) -> None:
    made = [make_location_report(session, ground.site, note=str(n)) for n in range(3)]
    make_location_report(session, make_site(session, ground.town))
    dismiss(session, ground.manager, ground, made[1])

    def listed(status: ReportStatus | None = None, after: UUID | None = None) -> list[UUID]:
        query = location_reports.reports(
            site_id=ground.site.id, status=status, after=after, limit=9
        )
        return [row.id for row in session.exec(query)]

    assert listed() == made[::-1]
    assert listed(ReportStatus.OPEN) == [made[2], made[0]]
    assert listed(after=made[1]) == [made[0]]
    assert session.exec(select(col(LocationReport.id)).limit(1)).first()
