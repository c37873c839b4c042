"""Sessions to order exist, whatever became of the scheduler."""

from anyio import to_thread
from fastapi import Depends, Request
from sqlmodel import Session

from app.api.deps import NowDep
from app.services import sessions
from app.services.calendar import local_date


async def see_to_sessions(request: Request, now: NowDep) -> None:
    """Make the sessions that are missing, with the first requests of a day in each process.

    Where the scheduler runs none are missing, and that is all there is to see. Where it does not,
    so many sites a request are made up for.
    """
    state, today = request.app.state, local_date(now)
    if state.sessions_seen_to == today:
        return

    def catch_up() -> int:
        with Session(state.engine) as session, session.begin():
            return sessions.catch_up(session, now=now)

    if await to_thread.run_sync(catch_up) == 0:
        state.sessions_seen_to = today


SessionsAhead = Depends(see_to_sessions)
