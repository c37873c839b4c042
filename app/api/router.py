"""The endpoints of one file, kept until there is an application to give them to."""

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.params import Depends

Responses = dict[int | str, dict[str, Any]]


class Router(APIRouter):
    """A router whose endpoints become the application's own.

    One that is included is worked out twice, when it is written and when the first request meets
    it, and is one more place to look into on the way to every router after it.
    """

    def __init__(
        self,
        *,
        prefix: str = "",
        tags: Sequence[str] = (),
        dependencies: Sequence[Depends] = (),
        responses: Responses | None = None,
        include_in_schema: bool = True,
    ) -> None:
        super().__init__(
            prefix=prefix,
            tags=list(tags),
            dependencies=dependencies,
            responses=responses,
            include_in_schema=include_in_schema,
        )
        self._kept: list[tuple[str, Callable[..., Any], dict[str, Any]]] = []

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **how: Any) -> None:
        """Keep an endpoint."""
        self._kept.append((path, endpoint, how))

    def give(self, app: FastAPI, prefix: str = "", *, hidden: bool = False) -> None:
        """Add the endpoints to an application.

        Args:
            app: the application.
            prefix: of all their paths.
            hidden: whether the contract says nothing of them.
        """
        for path, endpoint, how in self._kept:
            app.router.add_api_route(
                prefix + self.prefix + path,
                endpoint,
                **how
                | {
                    "tags": [*self.tags, *(how.get("tags") or ())],
                    "dependencies": [*self.dependencies, *(how.get("dependencies") or ())],
                    "responses": self.responses | (how.get("responses") or {}),
                    "include_in_schema": self.include_in_schema
                    and how.get("include_in_schema", True)
                    and not hidden,
                },
            )
