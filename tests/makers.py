"""Makers of saved rows: plain functions with typed defaults."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from geoalchemy2 import WKBElement
from geoalchemy2.shape import from_shape
from shapely import Point
from sqlalchemy import text
from sqlmodel import Session, select
from uuid_utils.compat import uuid7

from app.models import (
    Account,
    ApprovalMode,
    Booking,
    BookingGroup,
    Category,
    Claim,
    Delivery,
    Export,
    Fund,
    Grant,
    GroupKind,
    JobRow,
    Notification,
    Organisation,
    OrganisationKind,
    Policy,
    Programme,
    ProgrammeKind,
    Purpose,
    Review,
    Role,
    Sector,
    Site,
    SitePhoto,
    SiteStatus,
    SubsidyRule,
    Venue,
    VenueSession,
    Way,
    WhenExhausted,
)
from app.services import (
    access,
    changes,
    claim_drafts,
    export_orders,
    ledger,
    location_reports,
    moves,
    order_rules,
    orders,
    photos,
    privacy,
    registrations,
    tokens,
)
from app.services.coordinates import Place
from app.services.exports import Media
from app.services.table_notes import Asked
from app.settings import Settings
from app.storage import Storage, storage_of
from tests.conftest import NOW, as_owner
from tests.pictures import a_picture

_numbers = count(1)
IN_A_WEEK = NOW + timedelta(days=7)
HOUR = timedelta(hours=1)
MONTH = IN_A_WEEK.date().replace(day=1)


def point(longitude: float, latitude: float) -> WKBElement:
    """A WGS-84 point, as the database reads it."""
    return from_shape(Point(longitude, latitude), srid=4326)


def make_organisation(
    session: Session,
    *,
    parent: Organisation | None = None,
    kind: OrganisationKind = OrganisationKind.BRANCH,
    name: str | None = None,
    outside: bool = False,
    sector: Sector | None = None,
    active: bool = True,
) -> Organisation:
    """Save an organisation below `parent`; without one, a district."""
    id_ = uuid7()
    number = next(_numbers)
    organisation = Organisation(
        id=id_,
        parent_id=parent.id if parent else None,
        district_id=parent.district_id if parent else id_,
        path=f"{parent.path}.{id_.hex}" if parent else id_.hex,
        code=f"O{number}",
        name=name or f"第{number}党支部",
        place=(name or f"第{number}镇") if kind == OrganisationKind.TOWN else None,
        kind=kind if parent else OrganisationKind.DISTRICT,
        sector=sector,
        outside=outside,
        active=active,
    )
    session.add(organisation)
    session.flush()
    return organisation


def make_account(
    session: Session,
    role: Role | None = None,
    *,
    at: Organisation | Site | None = None,
    name: str | None = None,
) -> Account:
    """Save a person and, if wanted, one grant of theirs."""
    number = next(_numbers)
    phone = f"139{number:08d}"
    account = Account(
        name=name or f"人员{number}",
        phone_hash=privacy.fingerprint(phone),
        phone_sealed=privacy.seal(phone),
    )
    session.add(account)
    session.flush()
    if role:
        make_grant(session, account, role, at=at)
    return account


def make_grant(
    session: Session,
    account: Account,
    role: Role,
    *,
    at: Organisation | Site | None = None,
    ends_at: datetime | None = None,
) -> Grant:
    """Give a role, at an organisation, at a site or (a system administrator) nowhere."""
    grant = Grant(
        account_id=account.id,
        role=role,
        organisation_id=at.id if isinstance(at, Organisation) else None,
        site_id=at.id if isinstance(at, Site) else None,
        ends_at=ends_at,
    )
    session.add(grant)
    session.flush()
    return grant


def actor(session: Session, account: Account, now: datetime = NOW) -> access.Actor:
    """The person, signed in."""
    return access.load(session, account_id=account.id, now=now)


def make_policy(
    session: Session,
    district: Organisation,
    *,
    site: Site | None = None,
    approval_mode: ApprovalMode = ApprovalMode.MANUAL,
    lead_working_days: int = 3,
    open_bookings_limit: int = 50,
) -> Policy:
    """Save a policy in force long since, which lets a branch have many bookings at a time."""
    policy = Policy(
        district_id=district.id,
        site_id=site.id if site else None,
        effective_at=NOW - timedelta(days=1000),
        approval_mode=approval_mode,
        lead_working_days=lead_working_days,
        open_bookings_limit=open_bookings_limit,
    )
    session.add(policy)
    session.flush()
    return policy


def make_site(
    session: Session,
    town: Organisation,
    *,
    name: str | None = None,
    category: Category = Category.URBAN,
    status: SiteStatus = SiteStatus.PUBLISHED,
    at: tuple[float, float] = (117.97, 36.64),
) -> Site:
    """Save a site; `at` is (longitude, latitude) in WGS-84 degrees."""
    number = next(_numbers)
    site = Site(
        district_id=town.district_id,
        town_id=town.id,
        code=f"S{number}",
        name=name or f"第{number}阵地（示例）",
        short_name=f"阵地{number}",
        category=category,
        kinds=["education_base"],
        status=status,
        address="示例路 1 号",
        summary="一处示例阵地",
        introduction="介绍",
        location=point(*at),
        navigation_point=point(*at),
        source_crs="wgs84",
        source_longitude=at[0],
        source_latitude=at[1],
        lend=[],
        honours=[],
        contact_name="赵管理",
        contact_phone="0533-0000000",
    )
    session.add(site)
    session.flush()
    return site


def make_venue(
    session: Session, site: Site, *, people_limit: int = 60, groups_limit: int = 1
) -> Venue:
    """Save a hall."""
    venue = Venue(
        site_id=site.id,
        name=f"报告厅{next(_numbers)}",
        people_limit=people_limit,
        groups_limit=groups_limit,
    )
    session.add(venue)
    session.flush()
    return venue


def make_session(
    session: Session,
    venue: Venue,
    *,
    starts_at: datetime = IN_A_WEEK,
    lasting: timedelta = 2 * HOUR,
    people_limit: int | None = None,
    groups_limit: int | None = None,
    closed_reason: str | None = None,
) -> VenueSession:
    """Save a session with the venue's limits unless others are given."""
    slot = VenueSession(
        site_id=venue.site_id,
        venue_id=venue.id,
        starts_at=starts_at,
        ends_at=starts_at + lasting,
        people_limit=venue.people_limit if people_limit is None else people_limit,
        groups_limit=venue.groups_limit if groups_limit is None else groups_limit,
        closed_reason=closed_reason,
    )
    session.add(slot)
    session.flush()
    return slot


def make_programme(
    session: Session,
    site: Site,
    *,
    kind: ProgrammeKind = ProgrammeKind.VISIT,
    people_limit: int = 60,
) -> Programme:
    """Save a menu item."""
    item = Programme(
        site_id=site.id, kind=kind, name="参观讲解", minutes=60, people_limit=people_limit
    )
    session.add(item)
    session.flush()
    return item


def make_fund(
    session: Session,
    district: Organisation,
    *,
    available_fen: int = 1_000_000,
    fiscal_year: int = NOW.year,
    when_exhausted: WhenExhausted = WhenExhausted.REFUSE,
) -> Fund:
    """Save a fund with so much money."""
    fund = ledger.open_fund(
        session,
        organisation_id=district.id,
        fiscal_year=fiscal_year,
        name="专项经费",
        when_exhausted=when_exhausted,
    )
    if available_fen:
        ledger.appropriate(
            session, fund_id=fund.id, amount_fen=available_fen, document="示例 1 号", now=NOW
        )
    return fund


def make_rule(
    session: Session,
    district: Organisation,
    *,
    base_fen: int = 10_000,
    per_head_fen: int = 500,
    head_cap: int = 40,
    visit_cap_fen: int = 25_000,
    site_month_cap_fen: int | None = None,
    branch_year_cap_fen: int | None = None,
    category: Category | None = None,
    programme_kind: ProgrammeKind | None = None,
    sector: Sector | None = None,
    code: str | None = None,
    version: int = 1,
    valid_from: date | None = None,
    valid_to: date | None = None,
) -> SubsidyRule:
    """Save a line of the tariff, valid since the year began if nothing else is said."""
    rule = SubsidyRule(
        organisation_id=district.id,
        code=code or f"R{next(_numbers)}",
        version=version,
        valid_from=valid_from or NOW.date().replace(month=1, day=1),
        valid_to=valid_to,
        base_fen=base_fen,
        per_head_fen=per_head_fen,
        head_cap=head_cap,
        visit_cap_fen=visit_cap_fen,
        site_month_cap_fen=site_month_cap_fen,
        branch_year_cap_fen=branch_year_cap_fen,
        category=category,
        programme_kind=programme_kind,
        sector=sector,
    )
    session.add(rule)
    session.flush()
    return rule


@dataclass(frozen=True)
class World:
    """A district in which a visit can be ordered: one town, one site with one session, people."""

    district: Organisation
    town: Organisation
    branch: Organisation
    site: Site
    venue: Venue
    slot: VenueSession
    programme: Programme
    fund: Fund
    organiser: Account
    manager: Account
    town_staff: Account
    district_staff: Account
    fund_officer: Account
    fund_approver: Account


def make_world(
    session: Session,
    *,
    approval_mode: ApprovalMode = ApprovalMode.MANUAL,
    groups_limit: int = 1,
    people_limit: int = 60,
    available_fen: int = 1_000_000,
    when_exhausted: WhenExhausted = WhenExhausted.REFUSE,
) -> World:
    """Save a whole small district."""
    district = make_organisation(session, name="示例区委")
    town = make_organisation(session, parent=district, kind=OrganisationKind.TOWN)
    branch = make_organisation(session, parent=town, sector=Sector.URBAN)
    make_policy(session, district, approval_mode=approval_mode)
    site = make_site(session, town)
    venue = make_venue(session, site, people_limit=people_limit, groups_limit=groups_limit)
    make_rule(session, district)
    return World(
        district=district,
        town=town,
        branch=branch,
        site=site,
        venue=venue,
        slot=make_session(session, venue),
        programme=make_programme(session, site, people_limit=people_limit),
        fund=make_fund(
            session, district, available_fen=available_fen, when_exhausted=when_exhausted
        ),
        organiser=make_account(session, Role.ORGANISER, at=branch),
        manager=make_account(session, Role.SITE_MANAGER, at=site),
        town_staff=make_account(session, Role.TOWN_STAFF, at=town),
        district_staff=make_account(session, Role.DISTRICT_STAFF, at=district),
        fund_officer=make_account(session, Role.FUND_OFFICER, at=district),
        fund_approver=make_account(session, Role.FUND_APPROVER, at=district),
    )


def wanted(
    world: World,
    *slots: VenueSession,
    people: int = 20,
    branch: Organisation | None = None,
) -> order_rules.Wanted:
    """An order of the world's branch for its session, unless others are given."""
    return order_rules.Wanted(
        session_ids=[slot.id for slot in slots or (world.slot,)],
        programme_ids=[world.programme.id],
        organisation_id=(branch or world.branch).id,
        people_expected=people,
        purpose=Purpose.THEME_PARTY_DAY,
        contact_name="王组织",
        contact_phone="13800000000",
        note=None,
    )


def make_booking(
    session: Session,
    world: World,
    *slots: VenueSession,
    people: int = 20,
    now: datetime = NOW,
) -> Booking:
    """Order as the world's organiser."""
    return orders.order(
        session,
        actor=actor(session, world.organiser, now),
        wanted=wanted(world, *slots, people=people),
        now=now,
    )


def make_group(session: Session, *made: Booking) -> BookingGroup:
    """Save a route that bookings of one branch were ordered as."""
    first = made[0]
    group = BookingGroup(
        kind=GroupKind.ROUTE,
        district_id=first.district_id,
        organisation_id=first.organisation_id,
        made_by=first.made_by,
    )
    session.add(group)
    session.flush()
    for booking in made:
        booking.group_id = group.id
    session.flush()
    return group


def move(
    session: Session,
    who: Account,
    booking: Booking,
    name: str,
    now: datetime = NOW,
    *,
    reason: str | None = "因故",
    people: int | None = None,
) -> Booking:
    """Move a booking on as `who`; a change is one of so many `people`, or of one less."""
    if name == "change":
        return changes.change(
            session,
            actor=actor(session, who, now),
            booking_id=booking.id,
            version=booking.version,
            wanted=changes.Wanted(people_expected=people or booking.people_expected - 1),
            now=now,
        )
    return moves.move(
        session,
        actor=actor(session, who, now),
        booking_id=booking.id,
        name=name,
        now=now,
        reason=reason,
        people=people,
    )


def make_completed(
    session: Session,
    world: World,
    *slots: VenueSession,
    people: int = 20,
    attended: int | None = None,
) -> Booking:
    """Order, accept, receive and complete a visit, each in its time."""
    booking = make_booking(session, world, *slots, people=people)
    move(session, world.manager, booking, "approve")
    move(session, world.manager, booking, "arrive", booking.starts_at)
    return move(session, world.manager, booking, "complete", booking.ends_at, people=attended)


def make_rivals(session: Session, world: World, count: int) -> list[World]:
    """The world as other branches of its town have it, each with an organiser of its own."""
    branches = [make_organisation(session, parent=world.town) for _ in range(count)]
    return [
        replace(world, branch=branch, organiser=make_account(session, Role.ORGANISER, at=branch))
        for branch in branches
    ]


def review(
    session: Session, booking: Booking, content: int, reception: int, facilities: int
) -> None:
    """Save what a branch thought of a visit, 1 to 5 stars each."""
    session.add(
        Review(
            booking_id=booking.id,
            site_id=booking.site_id,
            written_by=booking.made_by,
            content=content,
            reception=reception,
            facilities=facilities,
        )
    )
    session.flush()


def make_claim(session: Session, world: World) -> Claim:
    """Draft the world's site's claim for the visits of `MONTH`."""
    claim_drafts.draft_month(session, fund_id=world.fund.id, month=MONTH)
    theirs = select(Claim).where(Claim.site_id == world.site.id, Claim.month == MONTH)
    return session.exec(theirs).one()


def make_export(
    session: Session, account: Account, *, name: str = "bookings", media: Media = Media.CSV
) -> Export:
    """Have somebody ask for a table of the days around `NOW`."""
    year = timedelta(days=365)
    asked = Asked(NOW.date() - year, NOW.date() + year, NOW)
    return export_orders.ask(
        session, actor=actor(session, account), name=name, media=media, asked=asked
    )


def make_photo(
    session: Session, world: World, *, data: bytes | None = None, storage: Storage | None = None
) -> SitePhoto:
    """Have the world's manager add a photo to their site."""
    photo, _ = photos.add(
        session,
        actor=actor(session, world.manager),
        site_id=world.site.id,
        data=data or a_picture(),
        caption="",
        storage=storage or storage_of(Settings()),
    )
    return photo


def make_registration(session: Session, asked: Organisation, *, name: str = "区外党支部") -> UUID:
    """Have an outside branch ask to be let in; return the registration's id."""
    said = registrations.Wanted(
        organisation_id=asked.id,
        name=name,
        home="邻区",
        sector=None,
        member_count=9,
        contact_name=name,
        contact_phone=f"137{next(_numbers):08d}",
        note=None,
    )
    return registrations.ask(session, wanted=said)


def make_job_row(session: Session, *, job: str = "mark-no-shows") -> JobRow:
    """Save that a job failed on some row so often that it was parked."""
    row = JobRow(
        job=job,
        row_id=uuid7(),
        attempts=8,
        next_try_at=NOW,
        last_error="IntegrityError: …",
        parked_at=NOW,
    )
    session.add(row)
    session.flush()
    return row


def make_location_report(
    session: Session, site: Site, *, note: str = "", suggested: Place | None = None
) -> UUID:
    """Have a visitor say that a site is elsewhere; return the report's id."""
    told, _ = location_reports.report(
        session, site_id=site.id, suggested=suggested, note=note, key=None, now=NOW
    )
    return told


def make_delivery(
    session: Session, notification: Notification, *, district: Organisation, **facts: Any
) -> Delivery:
    """A letter by SMS that has failed."""
    id_ = uuid7()
    made = {
        "notification_id": notification.id,
        "account_id": notification.account_id,
        "district_id": district.id,
        "channel": Way.SMS,
        "letter_id": id_,
        "status": "failed",
        "reason": "refused",
        "due_at": NOW,
        "next_attempt_at": NOW,
        "attempts": 1,
        "fence": 1,
        "settled_at": NOW,
    }
    delivery = Delivery(id=id_, **{**made, **facts})
    session.add(delivery)
    session.flush()
    return delivery


def signed_in(session: Session, account: Account) -> dict[str, str]:
    """Make the header a signed-in person's client sends at `NOW`."""
    pair = tokens.issue(session, account_id=account.id, now=NOW)
    return {"Authorization": f"Bearer {pair.access_token}"}


def age_events(session: Session, upto: int, by: timedelta) -> None:
    """Make the first events older and forge a chain that fits, as only the owner could."""
    as_owner(session)
    run = session.connection().execute
    run(text("ALTER TABLE audit_event DISABLE TRIGGER USER"))
    run(text("UPDATE audit_event SET at = at - :by WHERE number <= :n"), {"by": by, "n": upto})
    run(
        text("""DO $$ DECLARE c audit_chain; e audit_event; link bytea; BEGIN
        FOR c IN SELECT * FROM audit_chain LOOP
            link := '';
            FOR e IN SELECT * FROM audit_event WHERE district_id = c.district_id ORDER BY number
            LOOP
                link := audit_digest(link, audit_facts(e.district_id, e.number, e.at, e.actor_id,
                    e.actor_role, e.request_id, e.address, e.login, e.action, e.noun, e.row_id,
                    e.before, e.after));
                UPDATE audit_event SET hash = link
                WHERE district_id = e.district_id AND number = e.number;
            END LOOP;
            UPDATE audit_chain SET last_hash = link WHERE district_id = c.district_id;
        END LOOP; END $$""")
    )
    run(text("ALTER TABLE audit_event ENABLE TRIGGER USER"))
