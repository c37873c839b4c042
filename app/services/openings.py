"""SQL for the sessions that a group could order: what an order is judged by, asked of all at once.

`app.services.orders` judges one order; what is here has to say the same of any number of sessions.
"""

from dataclasses import dataclass
from functools import lru_cache

from app.services import cards
from app.services.calendar import ZONE

MOST_RADIUS_M = 100_000
"""How far around a place may be asked."""
HERE = "CAST(ST_SetSRID(ST_MakePoint(:lon, :lat), 4326) AS geography)"
"""SQL for the place that is asked about."""
AWAY = f"CAST(s.location AS geography) <-> {HERE}"
"""SQL for how far `site s` is from there: metres on the mean sphere, which the index sorts by."""
GUEST = "(:guest AND s.district_id <> ALL(CAST(:homes AS uuid[])))"
"""SQL for whether all the branches somebody orders for are from outside the site's district."""

# A near miss of fewer people is judged by the lead time of all: what they could order, fewer can.
# Of the versions in force the newest of the site's own, else the newest of its district.
_RULE = f"""
    SELECT
        ({cards.OPENS})[
            CASE WHEN :people > p.large_party_people OR {GUEST}
                THEN p.lead_working_days_large ELSE p.lead_working_days
            END + 1
        ] AS opens_at,
        (CAST(CAST(:now AT TIME ZONE '{ZONE}' AS date) + p.horizon_days + 1 AS timestamp))
            AT TIME ZONE '{ZONE}' AS shuts_at
    FROM policy p
    WHERE p.district_id = s.district_id AND p.effective_at <= :now
        AND (p.ends_at IS NULL OR p.ends_at > :now)
        AND (p.site_id = s.id OR p.site_id IS NULL)
    ORDER BY p.site_id IS NULL, p.version DESC LIMIT 1
"""  # noqa: S608  # constants

# The condition of the partial index of free sessions, word for word.
_FREE = """
    {v}.groups_held < {v}.groups_limit AND {v}.people_held < {v}.people_limit
    AND {v}.closed_reason IS NULL
    AND {v}.people_held + {people} <= {v}.people_limit
"""

_ALONE = """
    CROSS JOIN LATERAL (
        SELECT ARRAY[v.id] AS session_ids, v.ends_at AS until,
            v.people_limit - v.people_held AS room
    ) run
"""
# Sessions of a hall do not overlap: if those that begin before the time is up are as long together
# as from the first to the last, they follow one another.
_RUN = f"""
    CROSS JOIN LATERAL (
        SELECT array_agg(w.id ORDER BY w.starts_at) AS session_ids, max(w.ends_at) AS until,
            min(w.people_limit - w.people_held) AS room
        FROM venue_session w
        WHERE w.site_id = v.site_id AND w.venue_id = v.venue_id AND w.starts_at >= v.starts_at
            AND w.starts_at < v.starts_at + :minutes * interval '1 minute'
            AND w.starts_at < CAST(
                CAST(v.starts_at AT TIME ZONE '{ZONE}' AS date) + 1 AS timestamp
            ) AT TIME ZONE '{ZONE}'
            AND {_FREE.replace("{v}", "w")}
        HAVING max(w.ends_at) >= v.starts_at + :minutes * interval '1 minute'
            AND sum(w.ends_at - w.starts_at) = max(w.ends_at) - v.starts_at
    ) run
"""  # noqa: S608  # constants
# A guide that the menu item needs is free as `guides.free` says.
_MENU = """
    CROSS JOIN LATERAL (
        SELECT max(g.people_limit) AS most FROM programme g
        WHERE g.site_id = s.id AND g.kind = :kind AND g.active AND g.people_limit >= {people}
            AND (NOT g.needs_guide OR EXISTS (
                SELECT FROM guide d WHERE d.site_id = s.id AND d.active AND NOT EXISTS (
                    SELECT FROM guide_duty y WHERE y.guide_id = d.id
                        AND tstzrange(y.starts_at, y.ends_at) && tstzrange(v.starts_at, run.until)
                )
            ))
        HAVING count(*) > 0
    ) menu
"""


@dataclass(frozen=True)
class Asked:
    """What is wanted of a session; the values are parameters of the statement.

    Attributes:
        people: SQL for the size of the group.
        since: SQL for the first instant.
        until: SQL for the instant by which it is over.
        minutes: whether it has to last `:minutes`.
        kind: whether there has to be a menu item of the kind `:kind`.
    """

    people: str = ":people"
    since: str = ":since"
    until: str = ":until"
    minutes: bool = False
    kind: bool = False


@lru_cache(maxsize=64)
def sessions(asked: Asked, *, then: str) -> str:
    """Return SQL for the sessions of `site s` that a group could order at `:now`.

    Besides the columns of `venue_session v` there are `session_ids`, the sessions to be ordered,
    one after another; `until`, when the last one ends; and `room`, how many people would fit.
    Needs `:guest`, `:homes` and what is named in `asked`.

    Args:
        asked: what is wanted.
        then: what follows the conditions.
    """
    room = "least(run.room, menu.most)" if asked.kind else "run.room"
    return f"""
        SELECT v.*, run.session_ids, run.until, {room} AS room
        FROM ({_RULE}) rule
        JOIN venue_session v ON v.site_id = s.id AND v.starts_at > :now
            AND v.starts_at >= greatest({asked.since}, rule.opens_at)
            AND v.starts_at < least({asked.until}, rule.shuts_at) AND v.ends_at <= {asked.until}
            AND {_FREE.replace("{v}", "v")}
        {_RUN if asked.minutes else _ALONE}
        {_MENU if asked.kind else ""}
        WHERE run.until <= {asked.until}
        {then}
    """.replace("{people}", asked.people)  # noqa: S608  # constants
