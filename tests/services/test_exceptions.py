"""What does not match: each kind found, its near miss not, and a person's look at it."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from app.models import Booking, Claim, ExceptionKind, ExceptionLook, Role
from app.services import claim_drafts, claim_lines, claims, exceptions, reviews
from app.services.access import NotInScope
from app.services.exceptions import (
    JUST_UNDER_FEN,
    TOO_LONG,
    WATCHED_FROM_FEN,
    ExceptionLookedAt,
    ExceptionNotFound,
    Odd,
    Wanted,
)
from app.services.ledger import FundNotFound
from tests.conftest import NOW
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    MONTH,
    World,
    actor,
    make_account,
    make_booking,
    make_claim,
    make_completed,
    make_organisation,
    make_programme,
    make_rule,
    make_session,
    make_site,
    make_venue,
    make_world,
    move,
)
from tests.races import at_once
from tests.services.statements import counted

K = ExceptionKind
LATER = NOW + timedelta(days=60)
Found = set[tuple[ExceptionKind, object]]


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


def confirm(session: Session, world: World, booking: Booking) -> Booking:
    """Have the branch confirm a visit by its review."""
    reviews.write(
        session,
        actor=actor(session, world.organiser),
        booking_id=booking.id,
        content=5,
        reception=4,
        facilities=3,
        text="",
        now=LATER,
    )
    return booking


def found(session: Session, world: World, **wanted: object) -> Found:
    """Return kinds and bookings of the fund's exceptions, once all that is owed is claimed."""
    return {(odd.kind, odd.booking_id) for odd in listed(session, world, **wanted)}


def listed(session: Session, world: World, **wanted: object) -> list[Odd]:
    claim_drafts.draft_month(session, fund_id=world.fund.id, month=MONTH)
    return exceptions.of_fund(
        session,
        actor=actor(session, world.fund_officer),
        fund_id=world.fund.id,
        wanted=Wanted(**wanted),  # type: ignore[arg-type]
        limit=50,
        now=LATER,
    )


@pytest.mark.parametrize(("attended", "odd"), [(19, False), (20, False), (21, True)])
def test_more_came_than_were_expected(
    session: Session, world: World, attended: int, odd: bool
) -> None:
    booking = confirm(session, world, make_completed(session, world, people=20, attended=attended))
    expected: Found = {(K.ATTENDED_ABOVE_EXPECTED, booking.id)} if odd else set()
    assert found(session, world) == expected


@pytest.mark.parametrize("confirmed", [True, False])
def test_the_branch_has_not_confirmed(session: Session, world: World, confirmed: bool) -> None:
    booking = make_completed(session, world)
    if confirmed:
        confirm(session, world, booking)
    expected: Found = set() if confirmed else {(K.UNCONFIRMED_BY_BRANCH, booking.id)}
    assert found(session, world) == expected


def elsewhere(session: Session, world: World) -> World:
    """The same district and branch, at another site."""
    site = make_site(session, world.town)
    return World(
        **{
            **world.__dict__,
            "site": site,
            "venue": make_venue(session, site),
            "programme": make_programme(session, site),
            "manager": make_account(session, Role.SITE_MANAGER, at=site),
        }
    )


def stretch(session: Session, booking: Booking, starts: timedelta) -> None:
    """Say that a visit took two hours from then on."""
    booking.starts_at, booking.ends_at = IN_A_WEEK + starts, IN_A_WEEK + starts + 2 * HOUR
    session.flush()


@pytest.mark.parametrize(
    ("starts", "same_site", "odd"),
    [
        (timedelta(0), False, True),
        (2 * HOUR - timedelta(seconds=1), False, True),
        (2 * HOUR, False, False),
        (-2 * HOUR, False, False),
        (timedelta(0), True, False),
    ],
)
def test_one_branch_was_at_two_sites(
    session: Session, world: World, starts: timedelta, same_site: bool, odd: bool
) -> None:
    first = confirm(session, world, make_completed(session, world))
    other = world if same_site else elsewhere(session, world)
    # Ordering both at once would be refused; so the times are moved afterwards.
    slot = make_session(session, other.venue, starts_at=IN_A_WEEK + timedelta(days=3))
    second = confirm(session, world, make_completed(session, other, slot))
    stretch(session, second, starts)
    both: Found = {(K.AT_TWO_SITES, first.id), (K.AT_TWO_SITES, second.id)}
    assert found(session, world) == (both if odd else set())


def test_two_branches_may_be_at_two_sites(session: Session, world: World) -> None:
    confirm(session, world, make_completed(session, world))
    branch = make_organisation(session, parent=world.town)
    guests = World(
        **{
            **elsewhere(session, world).__dict__,
            "branch": branch,
            "organiser": make_account(session, Role.ORGANISER, at=branch),
        }
    )
    slot = make_session(session, guests.venue)
    confirm(session, guests, make_completed(session, guests, slot))
    assert found(session, world) == set()


@pytest.mark.parametrize("ticketed", [True, False])
def test_a_visit_to_a_ticketed_site_is_looked_at(
    session: Session, world: World, ticketed: bool
) -> None:
    world.site.ticketed = ticketed
    booking = confirm(session, world, make_completed(session, world))
    world.site.ticketed = not ticketed  # what it becomes later tells nothing of this visit
    session.flush()
    expected: Found = {(K.TICKETED_SITE, booking.id)} if ticketed else set()
    assert found(session, world) == expected


@pytest.mark.parametrize(
    ("amount", "odd"),
    [
        (JUST_UNDER_FEN - 1, False),
        (JUST_UNDER_FEN, True),
        (WATCHED_FROM_FEN - 1, True),
        (WATCHED_FROM_FEN, False),
    ],
)
def test_a_sum_stays_just_under_what_is_watched(
    session: Session, world: World, amount: int, odd: bool
) -> None:
    make_rule(
        session,
        world.district,
        base_fen=amount,
        per_head_fen=0,
        visit_cap_fen=amount,
        category=world.site.category,  # type: ignore[arg-type]
    )
    booking = confirm(session, world, make_completed(session, world))
    expected: Found = {(K.JUST_UNDER_THRESHOLD, booking.id)} if odd else set()
    assert found(session, world) == expected


@pytest.mark.parametrize(("ago", "odd"), [(timedelta(0), False), (timedelta(seconds=1), True)])
def test_money_is_set_aside_long_after_the_visit(
    session: Session, world: World, ago: timedelta, odd: bool
) -> None:
    booking = make_booking(session, world)
    move(session, world.manager, booking, "approve")
    booking.ends_at = LATER - TOO_LONG - ago
    booking.starts_at = booking.ends_at - HOUR
    session.flush()
    rows = listed(session, world)
    assert [(row.kind, row.booking_id) for row in rows] == (
        [(K.RESERVED_TOO_LONG, booking.id)] if odd else []
    )
    assert all((row.claim_id, row.people_attended, row.amount_fen) == (None,) * 3 for row in rows)


def test_another_funds_exceptions_are_not_told(session: Session, world: World) -> None:
    make_completed(session, world)
    other = make_world(session)
    make_completed(session, other)
    assert len(found(session, world)) == len(found(session, other)) == 1
    with pytest.raises(FundNotFound):
        exceptions.of_fund(
            session,
            actor=actor(session, other.fund_officer),
            fund_id=world.fund.id,
            wanted=Wanted(),
            limit=1,
            now=LATER,
        )


def make_look(session: Session, world: World, booking: Booking, kind: ExceptionKind) -> Odd:
    return exceptions.look(
        session,
        actor=actor(session, world.fund_officer),
        fund_id=world.fund.id,
        booking_id=booking.id,
        kind=kind,
        note="已电话核实",
        now=LATER,
    )


def test_a_look_is_kept_with_who_when_and_what(session: Session, world: World) -> None:
    booking = make_completed(session, world, attended=25)
    claim = make_claim(session, world)
    (view,) = claims.views(session, [claim], actor=actor(session, world.fund_officer))
    assert view.exceptions == 2
    told = make_look(session, world, booking, K.UNCONFIRMED_BY_BRANCH).look
    assert told is not None
    assert (told.by_id, told.at, told.note) == (world.fund_officer.id, LATER, "已电话核实")
    (view,) = claims.views(session, [claim], actor=actor(session, world.fund_officer))
    assert view.exceptions == 1
    assert found(session, world, looked=True) == {(K.UNCONFIRMED_BY_BRANCH, booking.id)}
    assert found(session, world, looked=False) == {(K.ATTENDED_ABOVE_EXPECTED, booking.id)}
    assert found(session, world, kind=K.AT_TWO_SITES) == set()
    (line,) = claim_lines.page(session, claim_id=claim.id, limit=5)
    assert [(odd.kind, odd.look is None) for odd in line.odd] == [
        (K.ATTENDED_ABOVE_EXPECTED, True),
        (K.UNCONFIRMED_BY_BRANCH, False),
    ]


def test_what_is_looked_at_once_is_not_looked_at_again(session: Session, world: World) -> None:
    booking = make_completed(session, world)
    make_claim(session, world)
    make_look(session, world, booking, K.UNCONFIRMED_BY_BRANCH)
    with pytest.raises(ExceptionLookedAt), session.begin_nested():
        make_look(session, world, booking, K.UNCONFIRMED_BY_BRANCH)


def test_what_is_not_odd_cannot_be_looked_at(session: Session, world: World) -> None:
    booking = make_completed(session, world)
    with pytest.raises(ExceptionNotFound):  # in no claim yet
        make_look(session, world, booking, K.UNCONFIRMED_BY_BRANCH)
    make_claim(session, world)
    with pytest.raises(ExceptionNotFound):
        make_look(session, world, booking, K.ATTENDED_ABOVE_EXPECTED)


@pytest.mark.parametrize("role", [Role.DISTRICT_STAFF, Role.AUDITOR])
def test_who_only_reads_the_fund_looks_at_nothing(
    session: Session, world: World, role: Role
) -> None:
    booking = make_completed(session, world)
    make_claim(session, world)
    reader = make_account(session, role, at=world.district)
    with pytest.raises(NotInScope):
        make_look(
            session,
            World(**{**world.__dict__, "fund_officer": reader}),
            booking,
            K.UNCONFIRMED_BY_BRANCH,
        )


def test_of_two_who_look_at_once_one_is_kept(own_engine: Engine) -> None:
    with Session(own_engine) as session, session.begin():
        world = make_world(session)
        booking = make_completed(session, world)
        make_claim(session, world)
        session.flush()
        session.expunge_all()

    def work(_: int) -> str:
        with Session(own_engine) as session:
            try:
                with session.begin():
                    make_look(session, world, booking, K.UNCONFIRMED_BY_BRANCH)
            except ExceptionLookedAt:
                return "late"
            return "kept"

    assert sorted(at_once(2, work)) == ["kept", "late"]
    with Session(own_engine) as session:
        assert len(session.exec(select(ExceptionLook)).all()) == 1


def test_pages_have_every_exception_once(session: Session, world: World) -> None:
    for n in range(3):
        slot = make_session(session, world.venue, starts_at=IN_A_WEEK + (n + 1) * 3 * HOUR)
        make_completed(session, world, slot, attended=21)
    every = listed(session, world)
    assert len(every) == 6
    after, seen = None, []
    while True:
        rows = exceptions.of_fund(
            session,
            actor=actor(session, world.fund_officer),
            fund_id=world.fund.id,
            wanted=Wanted(),
            after=after,
            limit=2,
            now=LATER,
        )
        seen += rows[:2]
        if len(rows) < 3:
            break
        after = (rows[1].booking_id, str(rows[1].kind))
    assert seen == every


def test_lines_are_as_many_statements_however_many(session: Session, world: World) -> None:
    def make_lines(count: int, day: int) -> Claim:
        for n in range(count):
            at = IN_A_WEEK + timedelta(days=day) + n * 3 * HOUR
            slot = make_session(session, world.venue, starts_at=at)
            booking = make_completed(session, world, slot, attended=21)
            if n % 2:
                confirm(session, world, booking)
        return make_claim(session, world)

    def asked(claim: Claim) -> int:
        session.expire_all()
        claim_id = claim.id
        with counted(session) as seen:
            claim_lines.page(session, claim_id=claim_id, limit=50)
        return len(seen)

    one = asked(make_lines(1, 1))
    assert asked(make_lines(4, 2)) == one == 2
