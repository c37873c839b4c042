"""Drafting and editing sites: who, what, and one at a time."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session, select

from app.errors import DomainError, Stale
from app.models import Account, AuditEvent, Crs, Organisation, OrganisationKind, Role, Site
from app.models import SiteStatus as S
from app.services import boundaries, coordinates, site_editing, site_scope
from app.services.access import NotInScope
from app.services.coordinates import Place, from_wgs84
from app.services.locations import OutsideDistrict, Typed
from app.services.organisations import OrganisationNotFound
from app.services.site_editing import Changes, NotATown
from app.services.sites import SiteClosed, SiteCodeTaken, SiteNotFound
from tests.conftest import NOW
from tests.makers import actor, make_account, make_organisation, make_site
from tests.races import at_once, replaced_sql
from tests.services.grounds import SQUARE, ZICHUAN

HERE = Place(*ZICHUAN)
AWAY = Place(120.0, 36.5)
FACTS: site_editing.Facts = {
    "code": "A-1",
    "name": "示例阵地",
    "short_name": "示例",
    "category": cast("Any", "rural"),
    "kinds": [],
    "address": "示例路",
    "summary": "",
    "introduction": "",
    "contact_name": "",
    "contact_phone": "",
    "parking_cars": 0,
    "parking_coaches": 0,
    "step_free": False,
    "ticketed": False,
    "lend": [],
    "honours": [],
}


@dataclass(frozen=True)
class Ground:
    district: Organisation
    town: Organisation
    site: Site
    manager: Account
    chief: Account
    clerk: Account
    auditor: Account
    stranger: Account


def make_ground(session: Session) -> Ground:
    district, other = make_organisation(session), make_organisation(session)
    for one in (district, other):
        boundaries.import_outline(
            session, district_id=one.id, geojson=SQUARE, crs=Crs.WGS84, source="test"
        )
    town = make_organisation(session, parent=district, kind=OrganisationKind.TOWN)
    site = make_site(session, town, status=S.DRAFT)
    return Ground(
        district=district,
        town=town,
        site=site,
        manager=make_account(session, Role.SITE_MANAGER, at=site),
        chief=make_account(session, Role.DISTRICT_STAFF, at=district),
        clerk=make_account(session, Role.TOWN_STAFF, at=town),
        auditor=make_account(session, Role.AUDITOR, at=district),
        stranger=make_account(session, Role.DISTRICT_STAFF, at=other),
    )


@pytest.fixture
def ground(session: Session) -> Ground:
    return make_ground(session)


def draft(session: Session, who: Account, town: Organisation, **other: Any) -> Site:
    typed = Typed(other.pop("at", HERE), Crs.WGS84)
    return site_editing.draft(
        session,
        actor=actor(session, who),
        town_id=town.id,
        typed=typed,
        confirmed_outside=other.pop("confirmed", False),
        facts=cast("Any", {**FACTS, **other}),
    )


def change(session: Session, who: Account, site: Site, version: int = 1, **changes: Any) -> Site:
    return site_editing.change(
        session,
        actor=actor(session, who),
        site_id=site.id,
        version=version,
        changes=cast("Changes", changes),
    )


def put(
    session: Session, who: Account, site: Site, typed: Typed, *, confirmed: bool = False
) -> Site:
    return site_editing.relocate(
        session,
        actor=actor(session, who),
        site_id=site.id,
        version=site.version,
        typed=typed,
        confirmed_outside=confirmed,
    )


def test_district_staff_draft(session: Session, ground: Ground) -> None:
    site = draft(session, ground.chief, ground.town)
    assert (site.status, site.version, site.district_id) == (S.DRAFT, 1, ground.district.id)
    with pytest.raises(SiteCodeTaken), session.begin_nested():
        draft(session, ground.chief, ground.town)


@pytest.mark.parametrize(
    ("who", "refusal"),
    [
        ("manager", OrganisationNotFound),
        ("clerk", NotInScope),
        ("auditor", NotInScope),
        ("stranger", OrganisationNotFound),
    ],
)
def test_nobody_else_drafts(
    session: Session, ground: Ground, who: str, refusal: type[DomainError]
) -> None:
    with pytest.raises(refusal):
        draft(session, getattr(ground, who), ground.town)


def test_a_site_lies_in_a_town_of_its_district(session: Session, ground: Ground) -> None:
    with pytest.raises(NotATown):
        draft(session, ground.chief, ground.district)
    with pytest.raises(NotATown):
        change(session, ground.chief, ground.site, town_id=ground.district.id)
    elsewhere = make_organisation(
        session, parent=make_organisation(session), kind=OrganisationKind.TOWN
    )
    with pytest.raises(OrganisationNotFound):
        change(session, ground.chief, ground.site, town_id=elsewhere.id)
    beside = make_organisation(session, parent=ground.district, kind=OrganisationKind.TOWN)
    assert change(session, ground.chief, ground.site, town_id=beside.id).town_id == beside.id


def test_only_what_is_said_changes(session: Session, ground: Ground) -> None:
    session.refresh(ground.site)
    before = ground.site.model_dump()
    changed = change(session, ground.manager, ground.site, summary="新的一句", parking_coaches=4)
    session.refresh(changed)
    after = changed.model_dump()
    differing = {name for name in before if str(before[name]) != str(after[name])}
    assert differing == {"summary", "parking_coaches", "version"}
    assert (changed.summary, changed.parking_coaches, changed.version) == ("新的一句", 4, 2)


@pytest.mark.parametrize(
    ("field", "value"), [("code", "X-9"), ("honours", ["区级示范点"]), ("town_id", uuid4())]
)
def test_some_of_a_site_is_the_districts_to_change(
    session: Session, ground: Ground, field: str, value: Any
) -> None:
    assert field in site_editing.DISTRICTS_OWN
    with pytest.raises(NotInScope):
        change(session, ground.manager, ground.site, **{field: value})
    same = getattr(ground.site, field)
    assert change(session, ground.manager, ground.site, **{field: same}).version == 2


@pytest.mark.parametrize(
    ("who", "refusal"),
    [("clerk", NotInScope), ("auditor", NotInScope), ("stranger", SiteNotFound)],
)
def test_nobody_else_edits(
    session: Session, ground: Ground, who: str, refusal: type[DomainError]
) -> None:
    account = getattr(ground, who)
    with pytest.raises(refusal):
        change(session, account, ground.site, summary="x")
    with pytest.raises(refusal):
        put(session, account, ground.site, Typed(HERE, Crs.WGS84))
    for verb in (site_editing.verify_location, site_editing.confirm_phone):
        with pytest.raises(refusal):
            verb(
                session,
                actor=actor(session, account),
                site_id=ground.site.id,
                version=1,
                now=NOW,
            )


def test_a_closed_site_is_left_alone(session: Session, ground: Ground) -> None:
    ground.site.status = S.CLOSED
    session.flush()
    with pytest.raises(SiteClosed):
        change(session, ground.chief, ground.site, summary="x")


def test_another_phone_is_not_confirmed(session: Session, ground: Ground) -> None:
    who = actor(session, ground.manager)
    site = site_editing.confirm_phone(
        session, actor=who, site_id=ground.site.id, version=1, now=NOW
    )
    assert (site.phone_confirmed_at, site.phone_confirmed_by) == (NOW, ground.manager.id)
    change(session, ground.manager, site, 2, contact_name="新联系人")
    assert site.phone_confirmed_at == NOW
    change(session, ground.manager, site, 3, contact_phone="0533-1111111")
    session.refresh(site)
    assert (site.phone_confirmed_at or site.phone_confirmed_by) is None


@pytest.mark.parametrize("crs", Crs)
def test_a_place_is_kept_as_typed_and_as_wgs84(session: Session, ground: Ground, crs: Crs) -> None:
    at, gate = from_wgs84(*HERE, crs), from_wgs84(117.98, 36.65, crs)
    site = put(session, ground.manager, ground.site, Typed(at, crs, gate, "百度地图"))
    session.refresh(site)
    assert coordinates.place(site.location) == pytest.approx(HERE, abs=1e-8)
    assert coordinates.place(site.navigation_point) == pytest.approx((117.98, 36.65), abs=1e-8)
    assert (site.source_longitude, site.source_latitude, site.source_crs) == (*at, crs)
    assert (site.gate_longitude, site.gate_latitude, site.source_note) == (*gate, "百度地图")
    put(session, ground.manager, site, Typed(at, crs))
    session.refresh(site)
    assert coordinates.place(site.navigation_point) == coordinates.place(site.location)
    assert site.gate_longitude is None


def verified(session: Session, ground: Ground, typed: Typed) -> Site:
    site = put(session, ground.manager, ground.site, typed)
    return site_editing.verify_location(
        session, actor=actor(session, ground.chief), site_id=site.id, version=2, now=NOW
    )


@pytest.mark.parametrize(
    ("to", "still"),
    [
        (Typed(HERE, Crs.WGS84, None, "另一来源"), True),
        (Typed(Place(117.971, 36.64), Crs.WGS84), False),
        (Typed(HERE, Crs.WGS84, Place(117.971, 36.64)), False),
        (Typed(HERE, Crs.GCJ02), False),
    ],
    ids=["another note", "moved", "another gate", "another CRS"],
)
def test_what_was_moved_is_not_verified(
    session: Session, ground: Ground, to: Typed, *, still: bool
) -> None:
    site = verified(session, ground, Typed(HERE, Crs.WGS84))
    assert (site.location_verified_at, site.location_verified_by) == (NOW, ground.chief.id)
    put(session, ground.manager, site, to)
    assert (site.location_verified_at is not None) is still
    assert (site.location_verified_by is not None) is still


def test_outside_needs_a_word_of_staff(session: Session, ground: Ground) -> None:
    away = Typed(AWAY, Crs.WGS84)
    for who in (ground.manager, ground.chief):
        with pytest.raises(OutsideDistrict):
            put(session, who, ground.site, away)
    with pytest.raises(NotInScope):
        put(session, ground.manager, ground.site, away, confirmed=True)
    site = put(session, ground.chief, ground.site, away, confirmed=True)
    assert site.outside_confirmed_by == ground.chief.id
    back = put(session, ground.chief, site, Typed(HERE, Crs.WGS84), confirmed=True)
    assert back.outside_confirmed_by is None
    with pytest.raises(OutsideDistrict), session.begin_nested():
        draft(session, ground.chief, ground.town, at=AWAY)
    assert draft(session, ground.chief, ground.town, at=AWAY, confirmed=True).outside_confirmed_by


SHIFTED = Typed(Place(117.8045, 36.6), Crs.GCJ02)
"""Read as WGS-84 it lies 400 m inside the western edge."""


def test_a_refusal_says_what_was_probably_meant(session: Session) -> None:
    district = make_organisation(session)
    ring = [[75.0, 35.0], [76.0, 35.0], [76.0, 36.0], [75.0, 36.0], [75.0, 35.0]]
    square = {"type": "Polygon", "coordinates": [ring]}
    boundaries.import_outline(
        session, district_id=district.id, geojson=square, crs=Crs.WGS84, source="test"
    )
    town = make_organisation(session, parent=district, kind=OrganisationKind.TOWN)
    chief = make_account(session, Role.DISTRICT_STAFF, at=district)
    with pytest.raises(OutsideDistrict) as swapped:
        draft(session, chief, town, at=Place(35.5, 75.5))
    assert swapped.value.facts["fits"] == ["swapped"]
    assert "经纬度对调" in swapped.value.detail("zh")
    assert "swapped" in swapped.value.detail("en")


def test_a_refusal_says_which_crs_would_fit(session: Session, ground: Ground) -> None:
    with pytest.raises(OutsideDistrict) as refusal:
        put(session, ground.chief, ground.site, SHIFTED)
    assert refusal.value.facts["fits"] == [Crs.WGS84]
    assert "WGS-84 解读" in refusal.value.detail("zh")
    with pytest.raises(OutsideDistrict) as far:
        put(session, ground.chief, ground.site, Typed(AWAY, Crs.WGS84))
    assert far.value.facts["fits"] == []


def test_a_version_is_changed_once(session: Session, ground: Ground) -> None:
    change(session, ground.manager, ground.site, summary="一")
    with pytest.raises(Stale):
        change(session, ground.chief, ground.site, summary="二")
    with pytest.raises(Stale):
        site_editing.verify_location(
            session, actor=actor(session, ground.chief), site_id=ground.site.id, version=1, now=NOW
        )


def race(engine: Engine) -> list[str]:
    """Have eight change the same version at once; tell how each fared."""
    with Session(engine, expire_on_commit=False) as session, session.begin():
        ground = make_ground(session)

    def attempt(n: int) -> str:
        with Session(engine) as session, session.begin():
            try:
                change(session, ground.manager, ground.site, summary=f"第{n}句")
            except Stale:
                return "stale"
            return "changed"

    return sorted(at_once(8, attempt))


def test_of_those_who_edit_at_once_one_is_not_stale(own_engine: Engine) -> None:
    assert race(own_engine) == ["changed"] + 7 * ["stale"]


def test_without_the_lock_one_overwrites_the_other(own_engine: Engine) -> None:
    with Session(own_engine, expire_on_commit=False) as session, session.begin():
        ground = make_ground(session)

    def held(session: Session) -> None:
        who = actor(session, ground.manager)
        site_scope.hold(session, actor=who, site_id=ground.site.id, version=1)

    with (
        replaced_sql(own_engine, "FOR NO KEY UPDATE"),
        Session(own_engine) as first,
        Session(own_engine) as second,
    ):
        held(first)
        held(second)  # with the lock it would wait here


def test_changes_are_in_the_audit_log_without_the_contact(own_engine: Engine) -> None:
    with Session(own_engine, expire_on_commit=False) as session, session.begin():
        ground = make_ground(session)
    with Session(own_engine) as session, session.begin():
        change(session, ground.manager, ground.site, contact_phone="0533-7654321", summary="新")
    with Session(own_engine) as session:
        wanted = select(AuditEvent).where(
            AuditEvent.row_id == str(ground.site.id), AuditEvent.action == "update"
        )
        [event] = session.exec(wanted).all()
        assert (event.after["summary"], event.after["contact_phone"]) == ("新", "***")
        dump = session.connection().execute(text("SELECT audit_event::text FROM audit_event"))
        assert not [row for (row,) in dump if "7654321" in row]


def test_scope_is_asked_of_where_the_site_is_now(session: Session, ground: Ground) -> None:
    former = make_account(session, Role.TOWN_STAFF, at=ground.town)
    beside = make_organisation(session, parent=ground.district, kind=OrganisationKind.TOWN)
    change(session, ground.chief, ground.site, town_id=beside.id)
    with pytest.raises(SiteNotFound):
        site_scope.get(session, actor=actor(session, former), site_id=ground.site.id)
    later = actor(session, ground.manager, NOW + timedelta(days=1))
    assert site_scope.get(session, actor=later, site_id=ground.site.id) is ground.site
