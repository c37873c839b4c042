"""Cards of published sites, made ahead, and the notes that say which of them may be wrong."""

from datetime import datetime
from typing import Any
from uuid import UUID

from geoalchemy2 import WKBElement
from sqlalchemy import BigInteger, Column, ForeignKey, Identity, Index, Uuid, event
from sqlmodel import Field, SQLModel

from app.models.base import Instant, ddl, wgs84_point


class SiteCard(SQLModel, table=True):
    """What everybody may see of a published site at a glance, ready to be sent.

    `feature` is its GeoJSON Feature in WGS-84 as text and `digest` a hash of that; the other
    columns are what maps filter by and tiles show. It is right at instants in `[good_from,
    good_until)`, as long as no `SiteCardStale` names its site.
    """

    __tablename__ = "site_card"
    __table_args__: Any = (
        Index("site_card_location_idx", "location", postgresql_using="gist"),
        Index("site_card_good_until_idx", "good_until"),
    )

    site_id: UUID = Field(
        sa_column=Column(Uuid, ForeignKey("site.id", ondelete="CASCADE"), primary_key=True)
    )
    town_id: UUID
    category: str
    name: str
    short_name: str
    location: WKBElement = Field(sa_column=Column(wgs84_point(), nullable=False))
    next_free_at: datetime | None = Field(default=None, sa_type=Instant)
    feature: str
    digest: int = Field(sa_column=Column(BigInteger, nullable=False))
    good_from: datetime = Field(sa_type=Instant)
    good_until: datetime = Field(sa_type=Instant)

    model_config = {"arbitrary_types_allowed": True}


class SiteCardStale(SQLModel, table=True):
    """A note that a site's card may be wrong, written in the transaction that made it so.

    Notes are only added and, once the card is made anew, taken away. So writing one waits for
    nobody, where a change of the card itself would have all bookings of a site queue for its row.
    Where the site itself was changed, `location` is where it is now: it may have no card there.
    """

    __tablename__ = "site_card_stale"
    __table_args__: Any = (
        Index("site_card_stale_site_id_idx", "site_id"),
        Index("site_card_stale_location_idx", "location", postgresql_using="gist"),
    )

    id: int | None = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    site_id: UUID
    location: WKBElement | None = Field(
        default=None, sa_column=Column(wgs84_point(), nullable=True)
    )

    model_config = {"arbitrary_types_allowed": True}


NOTE_SITE = """\
CREATE FUNCTION site_card_note_site() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO site_card_stale (site_id, location) VALUES (coalesce(NEW.id, OLD.id), NEW.location);
    RETURN NULL;
END
$$"""

NOTE_PART = """\
CREATE FUNCTION site_card_note_part() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO site_card_stale (site_id)
    SELECT DISTINCT id FROM (VALUES (OLD.site_id), (NEW.site_id)) AS touched (id)
    WHERE id IS NOT NULL;
    RETURN NULL;
END
$$"""
"""For what belongs to one site."""

NOTE_PARTS = """\
CREATE FUNCTION site_card_note_parts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO site_card_stale (site_id) SELECT DISTINCT site_id FROM touched;
    RETURN NULL;
END
$$"""
"""For what is made and removed by the thousand."""

NOTE_TOWN = """\
CREATE FUNCTION site_card_note_town() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO site_card_stale (site_id) SELECT id FROM site WHERE town_id = NEW.id;
    RETURN NULL;
END
$$"""

NOTE_POLICY = """\
CREATE FUNCTION site_card_note_policy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO site_card_stale (site_id)
    SELECT s.id FROM site s
    WHERE (s.district_id = NEW.district_id AND s.id = coalesce(NEW.site_id, s.id))
        OR (s.district_id = OLD.district_id AND s.id = coalesce(OLD.site_id, s.id));
    RETURN NULL;
END
$$"""

NOTE_ALL = """\
CREATE FUNCTION site_card_note_all() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO site_card_stale (site_id) SELECT id FROM site WHERE status = 'published';
    RETURN NULL;
END
$$"""


def _is_free(row: str) -> str:
    """Return the condition of `venue_session_free_idx` for OLD or NEW."""
    return (
        f"({row}.groups_held < {row}.groups_limit AND {row}.people_held < {row}.people_limit"
        f" AND {row}.closed_reason IS NULL)"
    )


NOTERS = {
    "site": (
        "CREATE TRIGGER site_card_note AFTER INSERT OR UPDATE OR DELETE ON site"
        " FOR EACH ROW EXECUTE FUNCTION site_card_note_site()",
    ),
    "organisation": (
        "CREATE TRIGGER site_card_note AFTER UPDATE ON organisation FOR EACH ROW"
        " WHEN (OLD.place IS DISTINCT FROM NEW.place)"
        " EXECUTE FUNCTION site_card_note_town()",
    ),
    "review": (
        "CREATE TRIGGER site_card_note AFTER INSERT OR UPDATE OR DELETE ON review"
        " FOR EACH ROW EXECUTE FUNCTION site_card_note_part()",
    ),
    "site_photo": (
        "CREATE TRIGGER site_card_note AFTER INSERT OR UPDATE OR DELETE ON site_photo"
        " FOR EACH ROW EXECUTE FUNCTION site_card_note_part()",
    ),
    "policy": (
        "CREATE TRIGGER site_card_note AFTER INSERT OR UPDATE OR DELETE ON policy"
        " FOR EACH ROW EXECUTE FUNCTION site_card_note_policy()",
    ),
    "holiday": (
        "CREATE TRIGGER site_card_note AFTER INSERT OR UPDATE OR DELETE ON holiday"
        " FOR EACH STATEMENT EXECUTE FUNCTION site_card_note_all()",
    ),
    "venue_session": (
        "CREATE TRIGGER site_card_note_made AFTER INSERT ON venue_session"
        " REFERENCING NEW TABLE AS touched"
        " FOR EACH STATEMENT EXECUTE FUNCTION site_card_note_parts()",
        "CREATE TRIGGER site_card_note_removed AFTER DELETE ON venue_session"
        " REFERENCING OLD TABLE AS touched"
        " FOR EACH STATEMENT EXECUTE FUNCTION site_card_note_parts()",
        "CREATE TRIGGER site_card_note_changed AFTER UPDATE ON venue_session FOR EACH ROW"
        f" WHEN ({_is_free('OLD')} <> {_is_free('NEW')}"
        " OR OLD.starts_at <> NEW.starts_at OR OLD.site_id <> NEW.site_id)"
        " EXECUTE FUNCTION site_card_note_part()",
    ),
}
"""Everything a card tells lies in these tables, and a change of it leaves a note.

Of sessions only those count that become free, or are not free any more: most bookings of a hall
for several groups leave no note.
"""

for _statement in (
    *(NOTE_SITE, NOTE_PART, NOTE_PARTS, NOTE_TOWN, NOTE_POLICY, NOTE_ALL),
    *(trigger for triggers in NOTERS.values() for trigger in triggers),
):
    event.listen(SQLModel.metadata, "after_create", ddl(_statement))
