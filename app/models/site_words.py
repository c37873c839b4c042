"""What sites are found by, and the listener that keeps it in step."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Connection, ForeignKey, Index, String, Uuid, event, inspect, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Session
from sqlmodel import Field, SQLModel

from app import words
from app.models.organisation import Organisation
from app.models.site import Site
from app.models.venue import Programme


class SiteWords(SQLModel, table=True):
    """A site's words, as `app.words` cuts them.

    `source` is what they were made of, as `SOURCE` puts it together: where the two differ the row
    is out of date. `name`, `short_name` and `others` (town, address, menu) are plain, `sound` is
    the name in pinyin, by which lists of names are sorted. Sites that fit equally well stand in the
    order of their `lot`, which is drawn: whoever looks for the first few with common words meets
    them soon, though all sites of a city were entered in a row. Names are passed by within its
    index.
    """

    __tablename__ = "site_words"
    __table_args__: Any = (
        Index("site_words_name_idx", "name"),
        Index("site_words_short_name_idx", "short_name"),
        Index("site_words_sound_site_id_idx", "sound", "site_id"),
        Index(
            "site_words_lot_site_id_idx",
            "lot",
            "site_id",
            postgresql_include=["name", "short_name"],
        ),
        Index("site_words_grams_idx", "grams", postgresql_using="gin"),
        Index(
            "site_words_sound_idx",
            "sound",
            postgresql_using="gin",
            postgresql_ops={"sound": "gin_trgm_ops"},
        ),
        # Whoever looks at row after row needs the grams, which are kept with them up to this size.
        {"postgresql_with": {"toast_tuple_target": 4080}},
    )

    site_id: UUID = Field(
        sa_column=Column(Uuid, ForeignKey("site.id", ondelete="CASCADE"), primary_key=True)
    )
    # In the order of code points, which is the one that beginnings are looked up in.
    name: str = Field(sa_column=Column(String(collation="C"), nullable=False))
    short_name: str = Field(sa_column=Column(String(collation="C"), nullable=False))
    sound: str = Field(sa_column=Column(String(collation="C"), nullable=False))
    others: str
    lot: int
    grams: str = Field(sa_column=Column(TSVECTOR, nullable=False))
    source: str


SOURCE = """
    concat_ws(E'\\n', '1', s.name, s.short_name, s.address, t.place, (
        SELECT string_agg(p.name, E'\\n' ORDER BY p.id) FROM programme p
        WHERE p.site_id = s.id AND p.active
    ))
"""
"""SQL for what the words of `site s` in the town `t` are made of, each part on a line.

The first line is raised when the words come to be cut otherwise, so that all are made anew.
"""

# Two who change the menu of one site at once: the second has to see what the first has done.
_LOCK = text("SELECT FROM site WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE")
_READ = text(f"""
    SELECT s.id, s.name, s.short_name, {SOURCE} AS source
    FROM site s JOIN organisation t ON t.id = s.town_id
    WHERE s.id = ANY(:ids) ORDER BY s.id
""")  # noqa: S608  # a constant of this file
_WRITE = text("""
    INSERT INTO site_words (site_id, name, short_name, sound, others, lot, grams, source)
    VALUES (
        :id, :name, :short_name, :sound, :others, :lot,
        array_to_tsvector(CAST(:grams AS text[])), :source
    )
    ON CONFLICT (site_id) DO UPDATE SET
        (name, short_name, sound, others, grams, source) = (
            excluded.name, excluded.short_name, excluded.sound, excluded.others, excluded.grams,
            excluded.source
        )
    WHERE site_words.source <> excluded.source
""")
_IN_TOWNS = text("SELECT id FROM site WHERE town_id = ANY(:ids)")


def write_words(connection: Connection, ids: Sequence[UUID]) -> None:
    """Make the words of these sites anew.

    Args:
        connection: open transaction.
        ids: the sites; one that does not exist is passed over.
    """
    connection.execute(_LOCK, {"ids": list(ids)})
    rows = connection.execute(_READ, {"ids": list(ids)})
    if made := [_words(*row) for row in rows]:
        connection.execute(_WRITE, made)


def _words(id_: UUID, name: str, short_name: str, source: str) -> dict[str, Any]:
    full, short = words.plain(name), words.plain(short_name)
    parts = source.split("\n")[3:]
    others = [other for part in parts if (other := words.plain(part))]
    return {
        "id": id_,
        "name": full,
        "short_name": short,
        "sound": words.sound(full),
        "others": "|".join(others),
        "lot": lot(id_),
        "grams": sorted(words.grams(full) | words.grams(short) | words.further(others)),
        "source": source,
    }


def lot(id_: UUID) -> int:
    """Return the lot of a site: of its random bits, those that make an integer."""
    return id_.int & 0x7FFFFFFF


_DUE = "sites whose words changed"


def _note(session: Session, *_: object) -> None:
    """Remember the sites whose words this flush changes."""
    due: set[UUID] = session.info.setdefault(_DUE, set())
    towns = []
    for row in (*session.new, *session.dirty, *session.deleted):
        if isinstance(row, Site) and _changed(row, ("name", "short_name", "address", "town_id")):
            due.add(row.id)
        elif isinstance(row, Programme):
            due.update(_sites_of(row))
        elif (
            isinstance(row, Organisation) and inspect(row).persistent and _changed(row, ("place",))
        ):
            towns.append(row.id)
    if towns:
        due.update(session.connection().scalars(_IN_TOWNS, {"ids": towns}))


def _changed(row: SQLModel, columns: Iterable[str]) -> bool:
    state = inspect(row)
    return any(state.attrs[column].history.has_changes() for column in columns)


def _sites_of(row: Programme) -> set[UUID]:
    history = inspect(row).attrs.site_id.history
    return {id_ for ids in history if ids for id_ in ids}


def _keep(session: Session, _: object) -> None:
    """Write their words, in the transaction that changed them."""
    if due := session.info.pop(_DUE, None):
        write_words(session.connection(), sorted(due))


# Whoever can change a row of these tables has imported their models, and so this.
event.listen(Session, "before_flush", _note)
event.listen(Session, "after_flush_postexec", _keep)
