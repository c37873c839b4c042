"""Reading answers."""

import json
from typing import Any
from uuid import uuid4

from fastapi.testclient import TestClient
from httpx2 import Response

Body = dict[str, Any]
NOBODY = "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f20"
"""An id that no row has."""


def told(reply: Response, status: int = 200) -> Body:
    """Return the body of a success."""
    assert reply.status_code == status, reply.text
    body: Body = reply.json()
    return body


def refused(reply: Response, status: int, code: str) -> Body:
    """Return the body of a refusal by that name."""
    body: Body = reply.json()
    assert (reply.status_code, body["code"]) == (status, code), body
    assert reply.headers["content-type"] == "application/problem+json"
    assert (body["type"], body["status"]) == (f"/problems/{code}", status)
    assert body["title"]
    assert body["detail"]
    return body


def pointers(reply: Response) -> set[str]:
    """Return where a malformed request is at fault."""
    return {error["pointer"] for error in refused(reply, 422, "malformed-request")["errors"]}


def sent_raw(client: TestClient, path: str, who: dict[str, str], body: Body) -> Response:
    """Send a body in ASCII, in which JSON can say what no text can hold."""
    return client.post(
        path, content=json.dumps(body), headers=who | {"Content-Type": "application/json"}
    )


def walked(
    client: TestClient, path: str, who: dict[str, str], limit: int, **query: str
) -> list[str]:
    """Return the ids on every page of a list, in order.

    Raises:
        AssertionError: a hundred pages are not the end.
    """
    found: list[str] = []
    cursor: str | None = None
    for _ in range(100):
        params = query | {"limit": str(limit)} | ({"cursor": cursor} if cursor else {})
        page = told(client.get(path, params=params, headers=who))
        assert len(page["items"]) <= limit
        found += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return found
    raise AssertionError("the pages have no end")


def keyed(who: dict[str, str], key: str | None = None) -> dict[str, str]:
    """Add an Idempotency-Key to a person's headers."""
    return who | {"Idempotency-Key": key or str(uuid4())}


def done_once(
    client: TestClient, path: str, who: dict[str, str], body: Body | None, status: int = 200
) -> Body:
    """Send a request twice under one key, check that the second is a replay; return the answer."""
    headers = keyed(who)
    first = client.post(path, json=body, headers=headers)
    again = client.post(path, json=body, headers=headers)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)
    other = client.post(f"{path}?other", json=body, headers=headers)
    refused(other, 422, "idempotency-key-reused")
    return told(first, status)
