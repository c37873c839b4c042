"""The 27 sites with their halls, menus and hours."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from math import cos, radians
from random import Random
from typing import NamedTuple
from uuid import UUID

from sqlmodel import Session

from app.demo import people, sheets, words
from app.demo.people import Person
from app.demo.scale import Scale, chance
from app.demo.sheets import SiteSheet
from app.demo.tree import Tree
from app.models import (
    ApprovalMode,
    Category,
    Crs,
    OnHoliday,
    Organisation,
    Policy,
    Programme,
    ProgrammeKind,
    Role,
    Site,
    SiteKind,
)
from app.services import coordinates, guides, hours, menu, sites, venues
from app.services.calendar import local_date

P = ProgrammeKind
_METRES_A_DEGREE = 111_320
AUTOMATIC = ("ZC07", "ZC21")
"""Sites whose orders the rules alone approve."""


class _Item(NamedTuple):
    """A menu item; `minutes` long, for so many people."""

    kind: ProgrammeKind
    name: str
    minutes: int
    people_limit: int
    needs_guide: bool


MENU: dict[str, _Item] = {
    "visit": _Item(P.VISIT, "自主参观", 40, 120, False),
    "tour": _Item(P.GUIDED_TOUR, "红色故事讲解", 60, 60, True),
    "oath": _Item(P.OATH, "重温入党誓词", 20, 120, False),
    "lecture": _Item(P.LECTURE, "微党课", 45, 100, True),
    "meeting": _Item(P.MEETING, "支部会议场地", 90, 60, False),
    "volunteer": _Item(P.VOLUNTEERING, "党员志愿服务", 90, 60, False),
    "checkup": _Item(P.TRAINING_CASE, "党性体检", 90, 50, True),
    "case_admit": _Item(P.TRAINING_CASE, "实训案例：接收预备党员", 90, 60, True),
    "case_election": _Item(P.TRAINING_CASE, "实训案例：支部换届选举", 120, 60, True),
    "case_life": _Item(P.TRAINING_CASE, "实训案例：组织生活会", 90, 50, True),
    "case_members": _Item(P.TRAINING_CASE, "实训案例：支部党员大会", 90, 60, True),
    "case_theme": _Item(P.TRAINING_CASE, "实训案例：主题党日", 60, 80, True),
    "case_appraisal": _Item(P.TRAINING_CASE, "实训案例：民主评议党员", 90, 50, True),
}
_HOW = {
    P.TRAINING_CASE: "分角色、按步骤现场演练，由实训导师点评。",
    P.GUIDED_TOUR: "由讲解员全程讲解。",
    P.OATH: "可借用党旗和誓词展板，由支部书记领誓。",
    P.LECTURE: "可在选题清单中点课。",
}

_MORNINGS = ((time(9), time(10, 30)), (time(10, 30), time(12)))
_AFTERNOONS = ((time(14), time(15, 30)), (time(15, 30), time(17)))


@dataclass(frozen=True)
class _Hours:
    weekdays: Sequence[int]
    sessions: Sequence[tuple[time, time]]
    on_holiday: OnHoliday


HOURS: dict[str, tuple[_Hours, ...]] = {
    # Closed on Mondays, open on public holidays, as museums are.
    "museum": (_Hours(range(2, 8), (*_MORNINGS, *_AFTERNOONS), OnHoliday.OPEN),),
    "centre": (
        _Hours(range(1, 7), (_MORNINGS[0], *_AFTERNOONS), OnHoliday.AS_SUNDAY),
        _Hours((7,), ((time(9), time(11)),), OnHoliday.AS_SUNDAY),
    ),
    "school": (
        _Hours(range(1, 6), ((time(8, 30), time(11, 30)), (time(14), time(17))), OnHoliday.CLOSED),
    ),
    "park": (_Hours(range(1, 7), (_MORNINGS[0], *_AFTERNOONS), OnHoliday.CLOSED),),
    "village": (_Hours(range(2, 8), (_MORNINGS[0], *_AFTERNOONS), OnHoliday.OPEN),),
}


@dataclass(frozen=True)
class Place:
    """A site as the demonstration uses it."""

    site: Site
    town: Organisation
    menu: list[Programme]
    manager: UUID
    attraction: float
    """How much more often than others it is chosen; 1 on average."""


def open_all(
    session: Session,
    *,
    tree: Tree,
    seed: int,
    scale: Scale,
    opened_at: datetime,
    verified_by: UUID,
    directory: people.Directory,
) -> list[Place]:
    """Draft, verify and publish the sites, each with a manager of its own."""
    luck = chance(seed, "places")
    labels = {town.code: town.label for town in sheets.towns()}
    places = []
    for sheet in _chosen(sheets.sites(), scale.sites):
        town = tree.towns[sheet.town_code]
        manager = directory.enrol(session, Role.SITE_MANAGER, words.person(luck), town)
        site = _draft(session, tree, sheet, labels[sheet.town_code], luck, manager)
        directory.appoint(session, manager, Role.SITE_MANAGER, site=site)
        items = _furnish(session, site, sheet, local_date(opened_at), chance(seed, sheet.code))
        sites.verify_location(session, site=site, by=verified_by, now=opened_at)
        sites.publish(session, site=site)
        if sheet.code in AUTOMATIC:
            _approve_automatically(session, site, opened_at)
        places.append(Place(site, town, items, manager.account_id, luck.uniform(0.4, 1.6)))
    return places


def _chosen(all_of_them: list[SiteSheet], wanted: int) -> list[SiteSheet]:
    """Return so many sites, the first of every town before any second one."""
    seen: dict[str, int] = {}
    order = []
    for n, sheet in enumerate(all_of_them):
        seen[sheet.town_code] = seen.get(sheet.town_code, 0) + 1
        order.append((seen[sheet.town_code], n, sheet))
    chosen = sorted(order[n] for n in range(len(order)))[:wanted]
    return [sheet for _, _, sheet in sorted(chosen, key=lambda one: one[1])]


def _draft(
    session: Session,
    tree: Tree,
    sheet: SiteSheet,
    label: tuple[float, float],
    luck: Random,
    manager: Person,
) -> Site:
    crs = Crs(sheet.crs)
    here = _away(label, sheet.east_m, sheet.north_m)
    gate = _away(here, luck.uniform(-80, 80), luck.uniform(-120, -40))
    town = tree.towns[sheet.town_code]
    town_name = town.name.split("党")[0]
    return sites.create(
        session,
        district_id=tree.district.id,
        town_id=town.id,
        code=sheet.code,
        name=sheet.name,
        short_name=sheet.short_name,
        category=Category(sheet.category),
        kinds=[SiteKind(kind) for kind in sheet.kinds],
        address=f"淄川区{town_name}示例路 {luck.randrange(1, 200)} 号（示意）",
        summary=sheet.summary,
        introduction=(
            f"{sheet.summary}\n\n阵地位于{town_name}，面向区内外党支部开放，可线上点单、线下用单。"
            "到场前请与阵地联系人确认讲解与车辆安排。\n\n本阵地为演示数据，位置为示意。"
        ),
        at=_typed(here, crs),
        gate=_typed(gate, crs),
        crs=crs,
        contact_name=manager.name,
        contact_phone=manager.phone,
        parking_cars=10 * luck.randrange(1, 9),
        parking_coaches=sheet.coaches,
        step_free=sheet.step_free,
        ticketed=sheet.ticketed,
        lend=["党旗", "宣誓墙"] if "oath" in sheet.menu else ["党旗"],
        honours=sheet.honours,
    )


def _away(origin: tuple[float, float], east_m: float, north_m: float) -> tuple[float, float]:
    """Return the WGS-84 point so many metres off; good to a metre over a few kilometres."""
    longitude, latitude = origin
    a_degree_east = _METRES_A_DEGREE * cos(radians(latitude))
    return longitude + east_m / a_degree_east, latitude + north_m / _METRES_A_DEGREE


def _typed(point: tuple[float, float], crs: Crs) -> tuple[float, float]:
    """Return a WGS-84 point as somebody reads it off a map of `crs`."""
    lon, lat = coordinates.from_wgs84(*point, crs)
    return round(lon, 6), round(lat, 6)


def _furnish(
    session: Session, site: Site, sheet: SiteSheet, since: date, luck: Random
) -> list[Programme]:
    for name, people_limit, groups_limit in sheet.venues:
        venue = venues.add(
            session, site=site, name=name, people_limit=people_limit, groups_limit=groups_limit
        )
        for week in HOURS[sheet.hours]:
            hours.add(
                session,
                venue=venue,
                weekdays=week.weekdays,
                hours=week.sessions,
                valid_from=since,
                on_holiday=week.on_holiday,
            )
    if any(MENU[item].needs_guide for item in sheet.menu):
        for _ in sheet.venues:  # one for each hall, so that all can be used at once
            guides.add(session, site_id=site.id, name=words.person(luck))
    cases = sheets.cases()
    return [_offer(session, site, MENU[item], cases.get(item, {})) for item in sheet.menu]


def _offer(
    session: Session, site: Site, item: _Item, played: dict[str, list[dict[str, str]]]
) -> Programme:
    how = _HOW.get(item.kind, "")
    return menu.add(
        session,
        site=site,
        description=how,
        roles=played.get("roles", ()),
        steps=played.get("steps", ()),
        **item._asdict(),
    )


def _approve_automatically(session: Session, site: Site, since: datetime) -> None:
    session.add(
        Policy(
            district_id=site.district_id,
            site_id=site.id,
            effective_at=since,
            approval_mode=ApprovalMode.AUTO,
        )
    )
    session.flush()
