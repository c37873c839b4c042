"""An identity provider that can be made to lie; an honest one is `oidc_provider_mock`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

from tests.fakes.serving import Answer, served

KEY = RSAKey.generate_key(2048, parameters={"kid": "one"}, private=True)
OTHER_KEY = RSAKey.generate_key(2048, parameters={"kid": "one"}, private=True)


@dataclass
class Provider:
    """The server: the ID token it hands out next, and what it answers where."""

    url: str = ""
    id_token: object = None
    paths: dict[str, Answer] = field(default_factory=dict)

    def sign(self, key: RSAKey | OctKey = KEY, alg: str = "RS256", **claims: object) -> None:
        """Hand out a token with these claims."""
        header = {"alg": alg, "kid": "one"}
        self.id_token = jwt.encode(header, dict(claims), key, algorithms=[alg])

    def answer_at(self, path: str) -> Answer:
        """Return what is told there; what a test has put in `paths` goes first."""
        metadata: dict[str, Any] = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
        }
        told: dict[str, Any] = {
            "/.well-known/openid-configuration": metadata,
            "/jwks": KeySet([KEY]).as_dict(private=False),
            "/token": {"access_token": "a", "token_type": "Bearer", "id_token": self.id_token},
        }
        return self.paths.get(path) or Answer(json.dumps(told[path]).encode())


@contextmanager
def running() -> Iterator[Provider]:
    """Run it."""
    provider = Provider()
    with served(provider.answer_at) as provider.url:
        yield provider
