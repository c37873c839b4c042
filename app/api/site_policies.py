"""The rules of ordering of sites that have their own."""

from uuid import UUID

from fastapi import Response

from app.api.deps import ActorDep, CursorDep, LimitDep, NowDep, SessionDep, VersionDep
from app.api.once import OnceDep
from app.api.policies import (
    MAKING,
    READING,
    PolicyIn,
    PolicyPage,
    PolicyVersion,
    before,
    page_of,
    shown,
)
from app.api.problems import problems
from app.api.router import Router
from app.errors import Stale, Unauthenticated
from app.services import policy_editing, policy_history, sites, tokens
from app.services.access import NotInScope

router = Router(prefix="/sites", tags=["policies"])


@router.get(
    "/{site_id:uuid}/policies",
    operation_id="listSitePolicies",
    summary="The rules that hold at a site, and those of its own",
    responses=problems(*READING, sites.SiteNotFound),
)
def list_site_policies(
    site_id: UUID,
    actor: ActorDep,
    session: SessionDep,
    now: NowDep,
    limit: LimitDep = 20,
    cursor: CursorDep = None,
) -> PolicyPage:
    """List them for those who keep or oversee the site."""
    history = policy_history.of_site(
        session, actor=actor, site_id=site_id, before=before(cursor), limit=limit, now=now
    )
    return page_of(history, limit)


@router.post(
    "/{site_id:uuid}/policies",
    status_code=201,
    operation_id="createSitePolicy",
    summary="Make rules for one site",
    response_model=PolicyVersion,
    responses=problems(*MAKING, sites.SiteNotFound, sites.SiteClosed),
)
def create_site_policy(
    site_id: UUID, wanted: PolicyIn, actor: ActorDep, version: VersionDep, once: OnceDep
) -> Response:
    """Write the next version of its own, which goes before its district's."""
    made = policy_editing.enact_for_site(
        once.session,
        actor=actor,
        site_id=site_id,
        version=version,
        rules=wanted.rules(),
        effective_at=wanted.effective_at,
        now=once.now,
    )
    return once.answer(201, shown(made))


@router.delete(
    "/{site_id:uuid}/policies",
    status_code=204,
    operation_id="withdrawSitePolicies",
    summary="Have a site follow its district again",
    responses=problems(
        Unauthenticated,
        tokens.InvalidToken,
        NotInScope,
        sites.SiteNotFound,
        sites.SiteClosed,
        policy_editing.SitePolicyNotFound,
        Stale,
    ),
)
def withdraw_site_policies(
    site_id: UUID, actor: ActorDep, version: VersionDep, session: SessionDep, now: NowDep
) -> Response:
    """End its own rules, those to come too."""
    policy_editing.withdraw(session, actor=actor, site_id=site_id, version=version, now=now)
    return Response(status_code=204)
