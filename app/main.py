"""Wiring only."""

from fastapi import FastAPI
from sqlalchemy import Engine

from app import logs
from app.api import (
    admissions,
    answers,
    approvals,
    audit,
    auth,
    availability,
    booking_groups,
    bookings,
    bulletins,
    calendar,
    calendars,
    changes,
    channels,
    claim_exports,
    claim_moves,
    claims,
    closures,
    config,
    contract,
    coverage,
    demand,
    edges,
    exceptions,
    exports,
    fund_books,
    funds,
    guides,
    headers,
    health,
    hours,
    identities,
    imports,
    jobs,
    keeping,
    limits,
    location_reports,
    metrics,
    moves,
    navigation,
    notifications,
    ogc,
    once,
    organisations,
    outbox,
    pages,
    passwords,
    photos,
    policies,
    posters,
    problems,
    programmes,
    public_figures,
    reach,
    reconciliation_reports,
    registrations,
    reviews,
    satisfaction,
    sessions,
    site_desk,
    site_editing,
    site_imports,
    site_list,
    site_locations,
    site_policies,
    sites,
    standings,
    statistics,
    subsidy_previews,
    subsidy_rules,
    table_exports,
    tiles,
    transactions,
    users,
    venues,
    waitlist,
    webhooks,
    wechat_grants,
)
from app.api import map as district_map
from app.db import create_engine
from app.demo import endpoint
from app.reader import Reader
from app.services import rates
from app.settings import Env, Settings, load
from app.storage import storage_of

API = "/api/v1"
# Routes are tried one after another: what everybody asks for all the time comes first.
ROUTERS = (
    district_map,
    tiles,
    availability,
    site_list,
    bookings,
    approvals,
    moves,
    statistics,
    auth,
    passwords,
    identities,
    users,
    keeping,
    organisations,
    outbox,
    imports,
    policies,
    standings,
    registrations,
    admissions,
    calendar,
    config,
    ogc,
    sites,
    site_desk,
    site_editing,
    site_locations,
    site_imports,
    site_policies,
    location_reports,
    venues,
    hours,
    closures,
    programmes,
    guides,
    sessions,
    navigation,
    photos,
    posters,
    changes,
    booking_groups,
    waitlist,
    calendars,
    channels,
    reviews,
    funds,
    fund_books,
    transactions,
    exceptions,
    claim_exports,
    subsidy_rules,
    subsidy_previews,
    claims,
    claim_moves,
    notifications,
    wechat_grants,
    coverage,
    demand,
    answers,
    satisfaction,
    public_figures,
    table_exports,
    bulletins,
    reach,
    exports,
    audit,
    webhooks,
    jobs,
    reconciliation_reports,
)


def create_app(engine: Engine | None = None, settings: Settings | None = None) -> FastAPI:
    """Assemble the service around a database; without one, around the one in the settings.

    Args:
        engine: the database.
        settings: what the environment decides, unless this is given.

    Raises:
        ValueError: neither an engine nor a database URL is there.
    """
    settings = settings or load()
    logs.configure(settings)
    if engine is None:
        if settings.database_url is None:
            raise ValueError("set APP_DATABASE_URL")
        size = settings.pool_size + limits.AT_ONCE
        engine = create_engine(settings.database_url, pool_size=size)
    app = problems.Documented(
        title="Party-Building Map 党建地图",
        version="0.1.0",
        responses=problems.EVERYWHERE,
        docs_url=None,
        redoc_url=None,
    )
    app.state.engine, app.state.settings = engine, settings
    app.state.storage = storage_of(settings)
    app.state.reader = Reader(engine)
    app.state.sessions_seen_to = None
    edges.install(app, settings, rates.storage_of(settings.rate_store, engine))
    problems.install(app)
    once.install(app)
    for module in ROUTERS:
        module.router.give(app, API)
    if settings.env is not Env.PRODUCTION:
        endpoint.router.give(app, API, hidden=True)
    for module in (problems, health, metrics, contract):
        module.router.give(app)
    if pages.FOLDER.is_dir():
        # Not a mount: that would match every path, and answer a wrong method with a wrong `Allow`.
        app.router.default = pages.pages(headers.policy_of_pages(settings))
    return app
