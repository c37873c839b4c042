"""`Idempotency-Key`: a request sent twice is done once and answered twice."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, FastAPI, Header, Request, Response
from pydantic import BaseModel
from sqlmodel import Session

from app.api.deps import ActorDep, NowDep, SessionDep
from app.services import idempotency

KeyDep = Annotated[
    UUID | None,
    Header(
        alias="Idempotency-Key",
        description="Any UUID; sent again within 24 h it replays the first answer",
    ),
]


class Replayed(Exception):
    """Not a failure: the request was done before, and this is what was answered."""

    def __init__(self, answer: idempotency.Answer) -> None:
        super().__init__()
        self.answer = answer


@dataclass(frozen=True)
class Once:
    """Answers a request, and keeps the answer if it came with a key."""

    session: Session
    account_id: UUID
    key: UUID | None
    now: datetime

    def answer(self, status: int, body: BaseModel) -> Response:
        """Return the response, kept under its key in the same transaction."""
        answer = idempotency.Answer(status, body.model_dump_json().encode())
        if self.key:
            idempotency.keep(self.session, account_id=self.account_id, key=self.key, answer=answer)
        return Response(answer.body, status, media_type="application/json")

    def preview(self, body: BaseModel) -> Response:
        """Return a response that is true for now only; nothing is kept, the key is free again."""
        if self.key:
            idempotency.leave(self.session, account_id=self.account_id, key=self.key)
        return Response(body.model_dump_json(), 200, media_type="application/json")


async def get_request_hash(request: Request) -> bytes:
    """Give what tells one request from another."""
    seen = request.headers.get("if-match", "")
    named = f"{request.method} {request.url.path}?{request.url.query}\n{seen}\n".encode()
    return hashlib.sha256(named + await request.body()).digest()


def get_once(
    request: Request,
    request_hash: Annotated[bytes, Depends(get_request_hash)],
    actor: ActorDep,
    session: SessionDep,
    now: NowDep,
    key: KeyDep = None,
) -> Once:
    """Claim the request's key.

    Raises:
        Replayed: it has been answered before.
    """
    if key is not None:
        done = idempotency.begin(
            session,
            account_id=actor.account_id,
            key=key,
            request_hash=request_hash,
            now=now,
        )
        if done is not None:
            raise Replayed(done)
    once = Once(session, actor.account_id, key, now)
    request.state.once = once
    return once


OnceDep = Annotated[Once, Depends(get_once)]


async def on_replayed(_: Request, exc: Exception) -> Response:
    """Answer as the first time."""
    assert isinstance(exc, Replayed)  # noqa: S101
    headers = {"Idempotency-Replayed": "true"}
    return Response(
        exc.answer.body, exc.answer.status, headers=headers, media_type="application/json"
    )


def install(app: FastAPI) -> None:
    """Register the handler."""
    app.add_exception_handler(Replayed, on_replayed)
