"""The demonstration, small: all there, all lawful, and the same every time."""

import hashlib
import json
from collections.abc import Iterator
from io import StringIO

import pytest
from rich.console import Console
from sqlalchemy import URL, ColumnElement, Engine, func, text
from sqlmodel import Session, SQLModel, col, select

from app import demo
from app.db import create_engine
from app.demo import making, people, sheets, staff
from app.demo.scale import OUTSIDE
from app.models import (
    Account,
    Booking,
    BookingStatus,
    Category,
    Claim,
    Organisation,
    OrganisationKind,
    Review,
    Role,
    Site,
    SiteKind,
    VenueSession,
)
from app.services import overdue, passwords, privacy, verify
from tests.conftest import NOW, database, plain

SEED = 7
SCALE = demo.SMALL


@pytest.fixture(scope="module")
def built(server: URL, template: str) -> Iterator[Engine]:
    with database(server, template) as url:
        engine = create_engine(plain(url))
        demo.build(engine, seed=SEED, now=NOW, scale=SCALE)
        yield engine
        engine.dispose()


@pytest.fixture
def district(built: Engine) -> Iterator[Session]:
    with Session(built) as session:
        yield session


def count(session: Session, table: type[SQLModel], *where: ColumnElement[bool]) -> int:
    return session.exec(select(func.count()).select_from(table).where(*where)).one()


def scalars(session: Session, sql: str) -> list[object]:
    return list(session.connection().execute(text(sql)).scalars())


def test_villages_lose_their_committees() -> None:
    names = {village.code: village.short_name for village in sheets.villages()}
    assert len(names) == 474
    assert names["370302001001"] == "城里社区"
    assert names["370302002013"] == "锦悦社区"
    assert names["370302002200"] == "北关村"
    assert names["370302002203"] == "三里村"
    assert all(name.endswith(("村", "社区")) for name in names.values())


def test_the_full_sheet_of_sites_is_as_promised() -> None:
    listed = sheets.sites()
    assert len(listed) == 27
    assert all(sheet.name.endswith("（示例）") for sheet in listed)
    assert {sheet.town_code for sheet in listed} == {town.code for town in sheets.towns()}
    assert {sheet.category for sheet in listed} == set(Category)
    assert sum(SiteKind.TRAINING_BASE in sheet.kinds for sheet in listed) == 13
    assert all(
        any(item.startswith("case_") for item in sheet.menu)
        for sheet in listed
        if SiteKind.TRAINING_BASE in sheet.kinds
    )


def test_the_tree_has_its_size(district: Session) -> None:
    kinds = district.exec(
        select(Organisation.kind, func.count()).group_by(col(Organisation.kind))
    ).all()
    assert dict(kinds) == {
        OrganisationKind.DISTRICT: 1,
        OrganisationKind.TOWN: 13,
        OrganisationKind.DEPARTMENT: 5,
        OrganisationKind.BRANCH: SCALE.branches + OUTSIDE,
    }
    assert count(district, Organisation, col(Organisation.outside).is_(True)) == OUTSIDE


def test_every_town_has_a_site_inside_the_outline(district: Session) -> None:
    assert count(district, Site) == SCALE.sites
    assert len(set(district.exec(select(Site.town_id)).all())) == 13
    assert set(district.exec(select(Site.category)).all()) == set(Category)
    inside = "SELECT ST_Covers(outline, location) AND ST_Covers(outline, navigation_point)"
    assert all(scalars(district, f"{inside} FROM site JOIN boundary USING (district_id)"))


def test_sites_are_not_far_from_their_towns(district: Session) -> None:
    far = scalars(
        district,
        "SELECT ST_Distance(s.location::geography, t.location::geography)"
        " FROM site s JOIN organisation t ON t.id = s.town_id",
    )
    assert len(far) == SCALE.sites
    assert all(isinstance(metres, float) and metres < 3_000 for metres in far)


def test_it_is_lawful(district: Session) -> None:
    assert list(verify.violations(district, now=NOW)) == []


def test_nothing_is_overdue(district: Session) -> None:
    assert overdue.catch_up(district, now=NOW) == 0


def test_no_sessions_overlap(district: Session) -> None:
    assert count(district, VenueSession) > 1_000
    overlaps = (
        "SELECT count(*) FROM venue_session a JOIN venue_session b USING (venue_id)"
        " WHERE a.id < b.id AND a.starts_at < b.ends_at AND b.starts_at < a.ends_at"
    )
    assert scalars(district, overlaps) == [0]


def test_balances_are_the_sums_of_their_entries(district: Session) -> None:
    wrong = (
        "SELECT count(*) FROM fund_balance b WHERE balance_fen <>"
        " (SELECT coalesce(sum(amount_fen), 0) FROM ledger_entry l"
        "  WHERE l.fund_id = b.fund_id AND l.to_account = b.account)"
        " - (SELECT coalesce(sum(amount_fen), 0) FROM ledger_entry l"
        "  WHERE l.fund_id = b.fund_id AND l.from_account = b.account)"
    )
    assert scalars(district, wrong) == [0]


def test_something_of_everything_is_there(district: Session) -> None:
    states = set(district.exec(select(Booking.status)).all())
    assert states >= {BookingStatus.PENDING, BookingStatus.APPROVED, BookingStatus.COMPLETED}
    assert count(district, Review) > 0
    assert count(district, Claim) > 0
    assert count(district, Booking, col(Booking.starts_at) > NOW) > 5
    assert count(district, Booking, col(Booking.created_at) > NOW) == 0


def test_every_role_can_be_signed_in_as(district: Session) -> None:
    listed = demo.accounts(district)
    assert {account.role for account in listed} == set(Role)
    assert sum(account.role == Role.SITE_MANAGER for account in listed) == SCALE.sites
    assert sum(account.role == Role.TOWN_STAFF for account in listed) == 13
    of_each = {account.role: account for account in listed}
    for account in of_each.values():
        phone_hash = privacy.fingerprint(account.phone)
        opened = district.exec(select(Account).where(Account.phone_hash == phone_hash)).one()
        assert passwords.fits(district, account=opened, password=account.password)
        assert opened.name == account.name


def test_no_password_is_kept(district: Session) -> None:
    listed = demo.accounts(district)
    kept = district.exec(select(Account.password_hash)).all()
    assert all(one.password not in (hashed or "") for one in listed for hashed in kept)


def test_a_second_build_changes_nothing(built: Engine, district: Session) -> None:
    before = fingerprint(district)
    again = demo.build(built, seed=SEED + 1, now=NOW, scale=SCALE)
    assert again == demo.accounts(district)
    assert fingerprint(district) == before


def test_the_same_seed_gives_the_same(district: Session, own_engine: Engine) -> None:
    heard: list[float] = []
    demo.build(
        own_engine,
        seed=SEED,
        now=NOW,
        scale=SCALE,
        progress=lambda _, share: heard.append(share),
    )
    assert heard == sorted(heard)
    assert heard[-1] == 1
    with Session(own_engine) as twin:
        assert fingerprint(twin) == fingerprint(district)


def test_the_bar_shows_the_stage() -> None:
    shown = Console(file=StringIO(), force_terminal=True, width=100)
    with demo.bar(shown) as progress:
        progress("党组织", 0.5)
    assert isinstance(shown.file, StringIO)
    assert "党组织" in shown.file.getvalue()


def test_accounts_can_be_printed(district: Session) -> None:
    row = demo.accounts(district)[0].as_json()
    assert list(row) == ["role", "name", "phone", "password", "organisation_id", "site_id"]
    assert json.loads(json.dumps(row)) == row


def test_half_a_build_leaves_nothing(own_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(staff, "engage", fail)
    with pytest.raises(KeyboardInterrupt):
        demo.build(own_engine, seed=SEED, now=NOW, scale=SCALE)
    with Session(own_engine) as session:
        assert not demo.is_built(session)
        assert demo.accounts(session) == []
        assert count(session, Organisation) == 0


def test_a_real_district_is_not_touched(own_engine: Engine) -> None:
    with own_engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO organisation (id, district_id, path, code, name, kind,"
                " member_count, outside, active, version)"
                " VALUES (:id, :id, 'a', '370302', 'x', 'district', 0, false, true, 1)"
            ),
            {"id": "01980000-0000-7000-8000-000000000000"},
        )
    with pytest.raises(making.DemoInTheWay):
        demo.build(own_engine, seed=SEED, now=NOW, scale=SCALE)


def test_numbers_are_of_the_range_for_examples(district: Session) -> None:
    assert all(account.phone.startswith("1380000") for account in demo.accounts(district))
    assert people.password_of("13800000001") != people.password_of("13800000002")


CONTENT = (
    "SELECT (code, name, kind, sector, member_count)::text FROM organisation",
    "SELECT (code, name, ST_AsText(location, 6), contact_name)::text FROM site",
    "SELECT (s.code, v.name, x.starts_at, x.people_held, x.closed_reason)::text"
    " FROM venue_session x JOIN venue v ON v.id = x.venue_id JOIN site s ON s.id = v.site_id",
    "SELECT (b.number, s.code, o.code, b.starts_at, b.status, b.people_expected, b.created_at,"
    " b.contact_name, b.version, b.note)::text FROM booking b JOIN site s ON s.id = b.site_id"
    " JOIN organisation o ON o.id = b.organisation_id",
    "SELECT (b.number, e.to_status, e.at, e.reason, a.name)::text FROM booking_event e"
    " JOIN booking b ON b.id = e.booking_id LEFT JOIN account a ON a.id = e.actor_id",
    "SELECT (b.number, p.name)::text FROM booking_programme x JOIN booking b ON b.id = x.booking_id"
    " JOIN programme p ON p.id = x.programme_id",
    "SELECT (f.fiscal_year, l.kind, l.amount_fen, l.created_at)::text FROM ledger_entry l"
    " JOIN fund f ON f.id = l.fund_id",
    "SELECT (s.code, c.month, c.status, c.amount_fen, c.voucher_number)::text FROM claim c"
    " JOIN site s ON s.id = c.site_id",
    "SELECT (b.number, r.content, r.text, r.created_at)::text FROM review r"
    " JOIN booking b ON b.id = r.booking_id",
    "SELECT (a.name, n.kind, b.number, n.due_at, n.delivered_at, n.read_at)::text"
    " FROM notification n JOIN account a ON a.id = n.account_id"
    " JOIN booking b ON b.id = n.booking_id",
)


def fingerprint(session: Session) -> list[str]:
    """Digest of all content, a table each, without ids and whatever else is random."""
    return [
        hashlib.sha256("\n".join(sorted(map(str, scalars(session, sql)))).encode()).hexdigest()
        for sql in CONTENT
    ]
