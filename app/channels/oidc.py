"""A government identity provider (统一身份认证), by OpenID Connect's code flow with PKCE."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import structlog

from app.channels import asking
from app.errors import Unauthenticated, Unavailable

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

ALGORITHMS = ["RS256", "ES256"]
"""Signatures that only the provider can make; what the token itself asks for does not count."""
SCOPE = "openid phone"
LEEWAY = 60
"""Seconds that two clocks may differ."""
SECRET_BYTES = 32
OUR_FAULTS = {"invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope"}
log = structlog.get_logger()


class OidcNotSetUp(Unavailable):
    """Nobody signs in by an identity provider here."""

    zh = "本平台尚未开通统一身份认证登录"


class OidcUnavailable(Unavailable):
    """The identity provider does not answer; try again, or sign in with a password."""

    zh = "统一身份认证服务暂不可用，请稍后再试或使用密码登录"


class OidcRefused(Unauthenticated):
    """This is no answer of the identity provider to a sign-in begun here; begin again."""

    zh = "统一身份认证未通过，请重新登录"


@dataclass(frozen=True)
class Client:
    """Us, as the provider at `issuer` knows us."""

    issuer: str
    client_id: str
    secret: str
    redirect_url: str


@dataclass(frozen=True)
class Sent:
    """A sign-in on its way to the provider: where it goes, and what its answer must fit."""

    url: str
    state: str
    nonce: str
    code_verifier: str


@dataclass(frozen=True)
class Person:
    """Whom the provider means; the phone only if it has checked it."""

    subject: str
    phone: str | None


@contextmanager
def _available() -> Iterator[None]:
    try:
        yield
    except asking.NoAnswer as exc:
        log.warning("oidc-unavailable", reason=str(exc))
        raise OidcUnavailable from None


@_available()
def begin(client: Client) -> Sent:
    """Return where to send a person who wants to sign in.

    Raises:
        OidcUnavailable: the provider does not tell its addresses.
    """
    state, nonce, verifier = (secrets.token_urlsafe(SECRET_BYTES) for _ in range(3))
    endpoint = _address(_metadata(client), "authorization_endpoint")
    with _session(client) as session:
        url, _ = session.create_authorization_url(
            endpoint, state=state, nonce=nonce, code_verifier=verifier
        )
    return Sent(url, state, nonce, verifier)


@_available()
def finish(client: Client, *, code: str, nonce: str, code_verifier: str, now: datetime) -> Person:
    """Return whom the provider means by a code.

    Args:
        client: us.
        code: as the provider sent it along with the person.
        nonce: what was sent there.
        code_verifier: what was sent there, hashed.
        now: the present instant, aware.

    Raises:
        OidcRefused: the code is not good, or the ID token is not of the provider, for us, now and
            in answer to what was sent.
        OidcUnavailable: the provider does not answer, or refuses us.
    """
    metadata = _metadata(client)
    token = _id_token(client, _address(metadata, "token_endpoint"), code, code_verifier)
    claims = _checked(client, token, _keys(_address(metadata, "jwks_uri")), nonce, now)
    phone, checked = claims.get("phone_number"), claims.get("phone_number_verified")
    return Person(claims["sub"], phone if isinstance(phone, str) and checked is True else None)


def _session(client: Client) -> Any:
    from authlib.integrations.httpx_client import OAuth2Client

    return OAuth2Client(
        client.client_id,
        client.secret,
        scope=SCOPE,
        redirect_uri=client.redirect_url,
        code_challenge_method="S256",
        timeout=asking.SECONDS,
    )


def _metadata(client: Client) -> asking.Json:
    url = f"{client.issuer.rstrip('/')}/.well-known/openid-configuration"
    metadata = _got(url)
    if metadata.get("issuer") != client.issuer:
        raise asking.NoAnswer("the issuer calls itself otherwise")
    return metadata


def _keys(url: str) -> "KeySet":
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    try:
        return KeySet.import_key_set(_got(url))  # type: ignore[arg-type]
    except (JoseError, ValueError, KeyError, TypeError):
        raise asking.NoAnswer("its keys cannot be read") from None


def _got(url: str) -> asking.Json:
    return asking.patiently(lambda: asking.get(url))


def _address(metadata: asking.Json, name: str) -> str:
    address = metadata.get(name)
    if not isinstance(address, str):
        raise asking.NoAnswer(f"it has no {name}")
    return address


def _id_token(client: Client, endpoint: str, code: str, code_verifier: str) -> str:
    """Exchange a code for what says who it is.

    Raises:
        OidcRefused: the code is not good.
        NoAnswer: there is none, or it is about us.
    """
    import httpx2
    from authlib.integrations.base_client.errors import OAuthError

    try:
        with _session(client) as session:
            answer = session.fetch_token(endpoint, code=code, code_verifier=code_verifier)
    except OAuthError as exc:
        if exc.error in OUR_FAULTS:
            raise asking.NoAnswer(exc.error) from None
        raise OidcRefused from None
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, TypeError, AttributeError) as exc:
        raise asking.NoAnswer(type(exc).__name__) from None
    token = answer.get("id_token")
    if not isinstance(token, str):
        raise asking.NoAnswer("there is no ID token")
    return token


def _checked(
    client: Client, token: str, keys: "KeySet", nonce: str, now: datetime
) -> dict[str, Any]:
    """Return the claims of an ID token (OpenID Connect Core, 3.1.3.7).

    Raises:
        OidcRefused: a check fails.
    """
    from joserfc import jwt
    from joserfc.errors import JoseError

    rules = jwt.JWTClaimsRegistry(
        now=int(now.timestamp()),
        leeway=LEEWAY,
        iss={"essential": True, "value": client.issuer},
        aud={"essential": True, "value": client.client_id},
        sub={"essential": True},
        exp={"essential": True},
        nonce={"essential": True, "value": nonce},
        azp={"value": client.client_id},
    )
    try:
        claims = jwt.decode(token, keys, algorithms=ALGORITHMS).claims
        rules.validate(claims)
    except (JoseError, ValueError, TypeError) as exc:
        reason = type(exc).__name__
    else:
        if isinstance(claims["sub"], str) and claims["sub"]:
            return claims
        reason = "no subject"
    log.info("oidc-refused", reason=reason)
    raise OidcRefused
