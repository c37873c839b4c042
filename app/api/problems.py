"""Domain errors as RFC 9457 problem details: the only place that knows status codes."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, ClassVar

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm.exc import StaleDataError
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from app.api.router import Responses, Router
from app.errors import (
    Conflict,
    DomainError,
    Forbidden,
    Malformed,
    NotFound,
    Stale,
    TooLarge,
    TooMany,
    Unauthenticated,
    Unavailable,
    Unreadable,
)
from app.services.rates import TooManyRequests

STATUS: dict[type[DomainError], int] = {
    Malformed: 422,
    Unreadable: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    Stale: 412,
    TooLarge: 413,
    TooMany: 429,
    Unavailable: 503,
}
HEADERS: dict[int, dict[str, str]] = {
    401: {"WWW-Authenticate": "Bearer"},
    503: {"Retry-After": "1"},
}
MEDIA_TYPE = "application/problem+json"
log = structlog.get_logger()


class Problem(BaseModel):
    """A failed request, told to programs and people alike."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str


class MalformedRequest(Malformed):
    """The request is malformed."""

    zh = "请求格式有误"
    detail_en = "{faults} fault(s)"
    detail_zh = "共 {faults} 处有误"


class BodyTooLarge(TooLarge):
    """The body is larger than is taken."""

    zh = "请求内容过大"
    detail_en = "At most {limit_kb} KB"
    detail_zh = "最多 {limit_kb} KB"


def _documented(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}


class Documented(FastAPI):
    """An application whose contract says once what a problem is."""

    def openapi(self) -> dict[str, Any]:
        """Return the contract, made at the first call."""
        made = self.openapi_schema is not None
        contract = super().openapi()
        if not made:
            contract["components"]["schemas"]["Problem"] = Problem.model_json_schema()
        return contract


def status_of(error: type[DomainError]) -> int:
    """Return the status of the nearest ancestor in `STATUS`."""
    return next(STATUS[kind] for kind in error.__mro__ if kind in STATUS)


def problems(*errors: type[DomainError]) -> Responses:
    """Document the errors an endpoint may answer with, for its `responses=`."""
    lines: dict[int, list[str]] = {}
    for error in errors:
        lines.setdefault(status_of(error), []).append(f"* `{error.slug()}`: {error.title('en')}")
    return {status: _documented("\n".join(texts)) for status, texts in lines.items()}


EVERYWHERE: Responses = {
    400: _documented("The body cannot be read"),
    **problems(BodyTooLarge, MalformedRequest, TooManyRequests, Unavailable),
}


def language_of(request: Request) -> str:
    """Return `en` if the reader prefers it to Chinese, else `zh`."""
    accepted = request.headers.get("accept-language", "").lower()
    english, chinese = accepted.find("en"), accepted.find("zh")
    return "en" if english >= 0 and (chinese < 0 or english < chinese) else "zh"


def _answer(
    status: int, code: str, title: str, detail: str, headers: dict[str, str]
) -> JSONResponse:
    type_ = f"/problems/{code}" if code in _all() else "about:blank"
    body = {"type": type_, "title": title, "status": status, "detail": detail, "code": code}
    return JSONResponse(body, status, headers=headers, media_type=MEDIA_TYPE)


def written(error: DomainError, language: str) -> dict[str, Any]:
    """Return an error as a problem: its own name, title and facts, in `zh` or `en`."""
    code = error.slug()
    body = {
        **error.facts,
        "type": f"/problems/{code}",
        "title": error.title(language),
        "status": status_of(type(error)),
        "detail": error.detail(language),
        "code": code,
    }
    encoded: dict[str, Any] = jsonable_encoder(body)
    return encoded


def tell(request: Request, error: DomainError) -> JSONResponse:
    """Answer with the error as a problem, in the reader's language."""
    body = written(error, language_of(request))
    headers = dict(HEADERS.get(body["status"], {}))
    if wait := error.facts.get("retry_after_seconds"):
        headers["Retry-After"] = str(wait)
    return JSONResponse(body, body["status"], headers=headers, media_type=MEDIA_TYPE)


async def on_domain_error(request: Request, exc: Exception) -> JSONResponse:
    """Answer a refusal."""
    assert isinstance(exc, DomainError)  # noqa: S101
    return tell(request, exc)


async def on_malformed_request(request: Request, exc: Exception) -> JSONResponse:
    """Answer 422 with one JSON pointer per field at fault."""
    assert isinstance(exc, RequestValidationError)  # noqa: S101
    errors = [{"pointer": _pointer(e["loc"], exc.body), "detail": e["msg"]} for e in exc.errors()]
    return tell(request, MalformedRequest(faults=len(errors), errors=errors))


def _pointer(path: Sequence[object], body: Any) -> str:
    """Point into the body, or name the `query`, `path` or `header` parameter."""
    parts = _in_body(path[1:], body) if path[0] == "body" else path
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def _in_body(path: Sequence[object], body: Any) -> list[object]:
    """Leave out of a path what is no part of the body: which kind of several it was taken for."""
    there: list[object] = []
    for n, part in enumerate(path, 1):
        if isinstance(body, dict) and part not in body and n < len(path):
            continue
        there.append(part)
        known = isinstance(body, dict) and part in body
        body = body[part] if known or (isinstance(body, list) and isinstance(part, int)) else None
    return there


async def on_unstorable_text(request: Request, _: Exception) -> JSONResponse:
    """Answer 422 to what the database has no letters for, such as a NUL."""
    return tell(request, MalformedRequest(faults=1, errors=[]))


async def on_stale_row(request: Request, _: Exception) -> JSONResponse:
    """Answer 412 when a row was written that had another version by then."""
    return tell(request, Stale())


async def on_busy_database(request: Request, exc: Exception) -> JSONResponse:
    """Answer 503 when a lock, a statement or a connection took too long."""
    log.warning("database-busy", path=request.url.path, reason=str(exc).splitlines()[0])
    return tell(request, Unavailable())


def _allowed(request: Request) -> str:
    """Return every method the path answers; the framework names those of one route only."""
    paths, asked = request.app.openapi()["paths"], request.url.path
    # Of several templates the one is meant that leaves the least open.
    template = max((path for path in paths if _fits(path, asked)), key=_spelt_out, default=None)
    return ", ".join(sorted(name.upper() for name in paths.get(template, ())))


def _fits(template: str, path: str) -> bool:
    return compile_path(template)[0].match(path) is not None


def _spelt_out(template: str) -> int:
    return len(re.sub(r"{[^}]*}", "", template))


async def on_http_error(request: Request, exc: Exception) -> JSONResponse:
    """Answer what the framework itself refuses (no route, wrong method, unreadable body)."""
    assert isinstance(exc, HTTPException)  # noqa: S101
    phrase = HTTPStatus(exc.status_code).phrase
    code = phrase.lower().replace(" ", "-")
    headers = dict(exc.headers or {})
    if exc.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = _allowed(request) or headers.get("Allow", "")
    return _answer(exc.status_code, code, phrase, str(exc.detail), headers)


def fault() -> JSONResponse:
    """Answer 500 without a word of what broke."""
    return _answer(500, "internal-server-error", "Internal Server Error", "服务内部错误", {})


def _all() -> dict[str, type[DomainError]]:
    found: dict[str, type[DomainError]] = {}
    waiting = DomainError.__subclasses__()
    while waiting:
        error = waiting.pop()
        found[error.slug()] = error
        waiting.extend(error.__subclasses__())
    return found


router = Router(prefix="/problems", tags=["system"])


class PlainText(Response):
    """Text for people."""

    media_type = "text/markdown"


@router.get(
    "/{slug}",
    operation_id="getProblem",
    summary="What a problem type means",
    response_class=PlainText,
    responses=problems(NotFound),
)
def get_problem(slug: str) -> PlainText:
    """Explain one problem type, in Chinese and English.

    Raises:
        NotFound: there is no such type.
    """
    error = _all().get(slug)
    if error is None:
        raise NotFound
    text = f"# {error.zh}\n\n{error.title('en')}.\n\ncode: {slug}\nstatus: {status_of(error)}\n"
    return PlainText(text)


def install(app: FastAPI) -> None:
    """Register the handlers."""
    app.add_exception_handler(DomainError, on_domain_error)
    app.add_exception_handler(RequestValidationError, on_malformed_request)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(DataError, on_unstorable_text)
    app.add_exception_handler(OperationalError, on_busy_database)
    app.add_exception_handler(StaleDataError, on_stale_row)
    app.add_exception_handler(PoolTimeoutError, on_busy_database)
