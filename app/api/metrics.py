"""Figures for monitors (Prometheus); for this machine, or for who has the token."""

import ipaddress
import secrets
from typing import Annotated

from fastapi import Header, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.api.deps import NowDep, SessionDep
from app.api.router import Router

router = Router(include_in_schema=False)


@router.get("/metrics")
def show_metrics(
    request: Request,
    session: SessionDep,
    now: NowDep,
    authorization: Annotated[str, Header()] = "",
) -> Response:
    """Answer this process's requests and pool, and the jobs and messages of all processes.

    Raises:
        HTTPException: 404 to whoever may not know.
    """
    if not _may_know(request, authorization):
        raise HTTPException(404)
    # Here, for nothing else needs what it imports.
    from app.api import exposition

    state = request.app.state
    text = exposition.written(session, figures=state.figures, pool=state.engine.pool, now=now)
    return Response(text, media_type=exposition.MEDIA_TYPE)


def _may_know(request: Request, authorization: str) -> bool:
    """Tell whether somebody has the token, or, where none is set, asks on this very machine."""
    token = request.app.state.settings.metrics_token
    if token is not None:
        wanted = f"Bearer {token.get_secret_value()}".encode()
        return secrets.compare_digest(authorization.encode(), wanted)
    try:
        return ipaddress.ip_address(request.client.host if request.client else "").is_loopback
    except ValueError:
        return False
