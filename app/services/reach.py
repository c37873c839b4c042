"""Who has a free place within reach, and who has none: circles around branches.

The way is not known, so its length is the straight line's times `DETOUR`. A branch is at its own
point; without one it is counted at its town's, which is right to a kilometre or two.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from app.services.access import OVERSEERS, Actor

DETOUR = 1.3
"""How much longer the way is than the straight line."""
MOST_FEATURES = 10_000


class Mode(StrEnum):
    """步行、骑行、驾车."""

    WALK = "walk"
    RIDE = "ride"
    DRIVE = "drive"


KM_PER_HOUR = {Mode.WALK: 5, Mode.RIDE: 15, Mode.DRIVE: 40}


def metres(minutes: int, mode: Mode) -> int:
    """Return how far, in a straight line, somebody gets in so many minutes."""
    return round(minutes * KM_PER_HOUR[mode] * 1000 / 60 / DETOUR)


@dataclass(frozen=True)
class Asked:
    """A free place for `people` in a session that starts in `[since, until)`, within `radius_m`.

    Both instants are aware, the distance is metres on the spheroid.
    """

    radius_m: int
    since: datetime
    until: datetime
    people: int


@dataclass(frozen=True)
class Reached:
    """Branches of one town, or of none: how many have a site within reach, how many no place.

    `at_town` of them are counted at their town's point, `unplaced` nowhere.
    """

    id: UUID | None
    name: str | None
    branches: int
    within: int
    without: int
    at_town: int
    unplaced: int


_SEEN = """
WITH seen AS MATERIALIZED (
    SELECT b.id, b.code, b.name, b.sector, b.district_id, t.id AS town_id, t.place AS town,
        b.location IS NOT NULL AS own, coalesce(b.location, t.location) AS place
    FROM organisation b
    LEFT JOIN LATERAL (
        SELECT o.id, o.place, o.location FROM organisation o
        WHERE o.kind = 'town' AND o.district_id = b.district_id AND b.path <@ o.path LIMIT 1
    ) t ON true
    WHERE b.kind = 'branch' AND b.active AND b.path <@ ANY(CAST(:paths AS ltree[]))
), free AS MATERIALIZED (
    SELECT s.id FROM site s
    WHERE s.status = 'published' AND s.district_id IN (SELECT district_id FROM seen)
        AND EXISTS (
            SELECT 1 FROM venue_session v
            WHERE v.site_id = s.id AND v.starts_at >= :since AND v.starts_at < :until
                AND v.groups_held < v.groups_limit AND v.people_held < v.people_limit
                AND v.people_held + :people <= v.people_limit AND v.closed_reason IS NULL
        )
), places AS MATERIALIZED (
    SELECT DISTINCT place, district_id FROM seen WHERE place IS NOT NULL
), reached AS MATERIALIZED (
    SELECT p.place, p.district_id FROM places p
    WHERE EXISTS (
        SELECT 1 FROM site s
        WHERE s.district_id = p.district_id AND s.id IN (SELECT id FROM free)
            AND ST_DWithin(CAST(s.location AS geography), CAST(p.place AS geography), :radius_m)
    )
), judged AS (
    SELECT seen.*, reached.place IS NOT NULL AS near
    FROM seen LEFT JOIN reached
        ON reached.district_id = seen.district_id AND reached.place = seen.place
)
"""
_BY_TOWN = text(f"""{_SEEN}
SELECT town_id, town, count(*), count(*) FILTER (WHERE near),
    count(*) FILTER (WHERE place IS NOT NULL AND NOT near),
    count(*) FILTER (WHERE place IS NOT NULL AND NOT own), count(*) FILTER (WHERE place IS NULL)
FROM judged GROUP BY town_id, town ORDER BY town_id NULLS LAST
""")  # noqa: S608 - constants
_FEATURES = text(f"""{_SEEN}
SELECT count(*), json_build_object(
    'type', 'FeatureCollection', 'crs_label', 'wgs84',
    'features', coalesce(json_agg(json_build_object(
        'type', 'Feature', 'id', id, 'geometry', CAST(ST_AsGeoJSON(place, 6) AS json),
        'properties', json_build_object('id', id, 'code', code, 'name', name, 'town', town,
            'sector', sector, 'placed', CASE WHEN own THEN 'own' WHEN place IS NULL THEN NULL
                ELSE 'town' END)
    ) ORDER BY id), CAST('[]' AS json)))::text
FROM (SELECT * FROM judged WHERE NOT near ORDER BY id LIMIT {MOST_FEATURES}) j
""")  # noqa: S608 - constants
_ALL = text(f"""{_SEEN}
SELECT town, code, name, sector, place IS NOT NULL, own, near FROM judged
ORDER BY town_id NULLS LAST, id
""")  # noqa: S608 - constants


class Judged(NamedTuple):
    """A branch: whether it has a place at all, whether that is its `own`, whether a site is near.

    What is not its own is its town's.
    """

    town: str | None
    code: str
    name: str
    sector: str | None
    placed: bool
    own: bool
    near: bool


def by_town(session: Session, *, actor: Actor, asked: Asked) -> list[Reached]:
    """Count the branches an actor oversees, town by town.

    Raises:
        NotInScope: the actor oversees nothing.
    """
    return [Reached(*row) for row in session.execute(_BY_TOWN, _facts(actor, asked))]


def without(session: Session, *, actor: Actor, asked: Asked) -> tuple[int, str]:
    """Return how many branches have no site within reach, and them as GeoJSON (WGS-84).

    One without any place has no geometry; at most `MOST_FEATURES` are told.

    Raises:
        NotInScope: the actor oversees nothing.
    """
    count, features = session.execute(_FEATURES, _facts(actor, asked)).one()
    return int(count), str(features)


def judged(session: Session, *, actor: Actor, asked: Asked, at_a_time: int) -> Iterator[Judged]:
    """Yield the branches an actor oversees, town by town, by a cursor of the server.

    Raises:
        NotInScope: the actor oversees nothing.
    """
    how = {"yield_per": at_a_time}
    for row in session.execute(_ALL, _facts(actor, asked), execution_options=how):
        yield Judged(*row)


def _facts(actor: Actor, asked: Asked) -> dict[str, Any]:
    actor.require(*OVERSEERS)
    return {
        "paths": actor.paths(*OVERSEERS),
        "since": asked.since,
        "until": asked.until,
        "people": asked.people,
        "radius_m": asked.radius_m,
    }
