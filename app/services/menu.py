"""The menu of a site (菜单): what a branch may order with a session."""

from sqlmodel import Session

from app.models import Programme, ProgrammeKind, Site


def add(
    session: Session,
    *,
    site: Site,
    kind: ProgrammeKind,
    name: str,
    minutes: int,
    people_limit: int,
    description: str = "",
    needs_guide: bool = False,
) -> Programme:
    """Add a menu item that takes so many minutes and people."""
    programme = Programme(
        site_id=site.id,
        kind=kind,
        name=name,
        description=description,
        minutes=minutes,
        people_limit=people_limit,
        needs_guide=needs_guide,
    )
    session.add(programme)
    session.flush()
    return programme
