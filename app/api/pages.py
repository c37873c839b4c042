"""The pages, as built by `web/`."""

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope

FOLDER = Path(__file__).parent.parent / "static"
A_YEAR = 365 * 24 * 3600


class _Pages(StaticFiles):
    """Files that say what they may load, and how long a browser may keep them.

    That is for good if their name has their hash.
    """

    def __init__(self, policy: str) -> None:
        super().__init__(directory=FOLDER, html=True)
        self.policy = policy

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with the file; what is asked of the API and no route answers is not there.

        Raises:
            HTTPException: there is no such file, or it is asked for more than to be read.
        """
        if path.startswith("api/"):
            raise HTTPException(404)
        response = await super().get_response(path, scope)
        for_good = f"public, max-age={A_YEAR}, immutable"
        response.headers["Cache-Control"] = for_good if path.startswith("assets") else "no-cache"
        response.headers["Content-Security-Policy"] = self.policy
        return response


def pages(policy: str) -> ASGIApp:
    """Return the application that serves them, compressed.

    Args:
        policy: their Content-Security-Policy.
    """
    return GZipMiddleware(_Pages(policy), minimum_size=1000, compresslevel=6)
