"""Halls and rooms of a site (场地)."""

from sqlmodel import Session

from app.models import Site, Venue


def add(
    session: Session, *, site: Site, name: str, people_limit: int, groups_limit: int = 1
) -> Venue:
    """Add a hall for `people_limit` people, and so many groups at once."""
    venue = Venue(site_id=site.id, name=name, people_limit=people_limit, groups_limit=groups_limit)
    session.add(venue)
    session.flush()
    return venue
