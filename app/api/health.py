"""Is it alive, is it ready."""

from fastapi import APIRouter
from sqlalchemy import text

from app.api.deps import SessionDep

router = APIRouter(tags=["system"])


@router.get("/livez", operation_id="isAlive", summary="The process answers")
async def livez() -> dict[str, str]:
    """Answer, whatever the state of the database."""
    return {"status": "ok"}


@router.get("/readyz", operation_id="isReady", summary="The database answers too")
def readyz(session: SessionDep) -> dict[str, str]:
    """Answer once the database does."""
    session.connection().execute(text("SELECT 1"))
    return {"status": "ok"}
