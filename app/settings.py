"""What the environment decides; read once, at start."""

from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import unquote, urlsplit

import limits
from pydantic import AfterValidator, Field, FilePath, SecretStr, ValidationError, model_validator
from pydantic_settings import SettingsConfigDict

from app.machine import Refusal
from app.ways_settings import WaySettings

PUBLIC_SECRET = "for-demonstrations-only-everybody-knows-this-one"  # noqa: S105


class Env(StrEnum):
    """What kind of place this process runs in."""

    DEMO = "demo"
    TEST = "test"
    PRODUCTION = "production"


class Counting(StrEnum):
    """Where requests are counted."""

    MEMORY = "memory"
    DATABASE = "database"


def _rates(text: str | None) -> str | None:
    if text:
        limits.parse_many(text)
    return text


def _is_origin(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in {"http", "https"} and text == f"{parts.scheme}://{parts.netloc}".lower()


def _origin(text: str) -> str:
    if not _is_origin(text):
        raise ValueError("write it as https://host, with nothing behind it")
    return text


def _origins(text: str) -> str:
    if not all(origin == "*" or _is_origin(origin) for origin in filter(None, text.split(","))):
        raise ValueError("write each origin as https://host, with nothing behind it")
    return text


Rates = Annotated[str | None, AfterValidator(_rates)]
"""Such as `600/minute` or `20/second;600/minute`; empty for none."""
Origin = Annotated[str, AfterValidator(_origin)]
Origins = Annotated[str, AfterValidator(_origins)]
DEMO_CLUSTER = "/.data/demo"
MOVED_CLUSTER = "/party-map-"
"""Where the sockets of a checkout's own server lie; see `app/cluster.py`."""


class PasswordProfile(StrEnum):
    """Whose rules passwords follow: 等保 2.0, or NIST SP 800-63B-4."""

    MLPS = "mlps"
    NIST = "nist"


class Settings(WaySettings):
    """Every knob, each with its unit; `APP_DATABASE_URL` fills `database_url`.

    Raises:
        ValueError: in production, while a secret still has its public default, there is no
            database named, or a door stands open.
    """

    model_config = SettingsConfigDict(
        env_prefix="APP_", env_file=".env", extra="ignore", frozen=True
    )

    env: Env = Env.DEMO
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    database_url: str | None = Field(
        default=None, description="postgresql://...; without it, the checkout's embedded server"
    )
    pool_size: int = Field(
        default=20, ge=1, description="database connections, and requests served at once, a process"
    )
    queue_seconds: float = Field(
        default=30, gt=0, description="longest wait of a request for its turn; then 503"
    )
    secret_key: SecretStr = Field(
        default=SecretStr(PUBLIC_SECRET), description="signs access tokens; >= 32 characters"
    )
    phone_key: SecretStr = Field(
        default=SecretStr(PUBLIC_SECRET), description="encrypts phone numbers; >= 32 characters"
    )
    access_minutes: int = Field(default=15, ge=1, le=60)
    refresh_days: int = Field(default=30, ge=1, le=365)
    password_profile: PasswordProfile = PasswordProfile.MLPS
    oidc_issuer: str | None = Field(
        default=None, description="URL of the identity provider; without it, nobody signs in there"
    )
    oidc_client_id: str | None = None
    oidc_client_secret: SecretStr | None = None
    oidc_redirect_url: str | None = Field(
        default=None, description="page of ours that the provider sends people back to"
    )
    audit_months: int = Field(default=12, ge=6, le=120, description="life of an audit event")
    tile_url: str | None = Field(
        default=None, description="XYZ template of a base map; without it, outlines only"
    )
    tile_attribution: str = ""
    map_approval_number: str | None = Field(default=None, description="审图号, shown on the map")
    public_url: Origin | None = Field(
        default=None, description="where people find the pages; without it, where they asked"
    )
    font: FilePath | None = Field(
        default=None, description="file of a Chinese font; without it, one the machine has"
    )
    photo_folder: Path | None = Field(
        default=None, description="where photos are kept; without it, `.data/photos`"
    )
    s3_bucket: str | None = Field(
        default=None, description="bucket that photos are kept in, instead of a folder"
    )
    s3_endpoint_url: str | None = None
    s3_region: str | None = None
    s3_access_key: str | None = None
    s3_secret_key: SecretStr | None = None

    rate_per_address: Rates = Field(
        default=None, description="requests of the API by whoever is not signed in, an address"
    )
    rate_per_account: Rates = Field(
        default=None, description="requests of the API by whoever is signed in, an account"
    )
    rate_sign_in: Rates = Field(
        default=None, description="attempts to sign in and public forms sent, an address"
    )
    rate_store: Counting = Field(
        default=Counting.MEMORY, description="`database` where several processes answer"
    )
    trusted_proxies: str = Field(
        default="127.0.0.1",
        description="addresses, comma-separated, whose `X-Forwarded-For` is believed",
    )
    cors_origins: Origins = Field(
        default="", description="origins, comma-separated, whose pages may call the API"
    )
    webhook_hosts: str = Field(
        default="",
        description="`host:port`, comma-separated, that webhooks may call without https and inside"
        " the network; for demonstrations and tests, refused in production",
    )
    metrics_token: SecretStr | None = Field(
        default=None, description="reads `/metrics`; without it, only this machine does"
    )
    body_kb: int = Field(default=256, ge=1, description="largest body of a request")
    upload_mb: int = Field(default=10, ge=1, description="largest file sent")

    @model_validator(mode="after")
    def _safe_in_production(self) -> Self:
        if self.env is not Env.PRODUCTION:
            return self
        _secrets_are_safe(self.secret_key, self.phone_key)
        self.ways_are_safe()
        if self.database_url is None:
            raise ValueError("Set APP_DATABASE_URL to the production database.")
        if _is_own(self.database_url):
            raise ValueError("Set APP_DATABASE_URL to a server other than the demonstration's.")
        if self.photo_folder is None and self.s3_bucket is None:
            raise ValueError(
                "Set APP_PHOTO_FOLDER to a folder that is backed up, or APP_S3_BUCKET."
            )
        if self.webhook_hosts:
            raise ValueError("Set APP_WEBHOOK_HOSTS to nothing: webhooks call public hosts only.")
        for name in ("cors_origins", "trusted_proxies"):
            if "*" in getattr(self, name):
                raise ValueError(f"Set APP_{name.upper()} to a list without `*`.")
        return self


def _secrets_are_safe(secret_key: SecretStr, phone_key: SecretStr) -> None:
    for name, kept in (("SECRET_KEY", secret_key), ("PHONE_KEY", phone_key)):
        secret = kept.get_secret_value()
        if secret == PUBLIC_SECRET or len(secret) < 32:
            raise ValueError(f"Set APP_{name} to 32 random characters or more.")
    if secret_key == phone_key:
        raise ValueError("Set APP_SECRET_KEY and APP_PHONE_KEY to two different secrets.")


def _is_own(url: str) -> bool:
    """Tell whether a URL leads to the server that a checkout keeps for its demonstration."""
    return any(folder in unquote(url) for folder in (DEMO_CLUSTER, MOVED_CLUSTER))


@lru_cache
def load() -> Settings:
    """Return the settings of this process.

    Raises:
        Refusal: they are not fit to start with; a sentence for each that is not.
    """
    try:
        return Settings()
    except ValidationError as error:
        faults = [_sentence(fault["loc"], fault["msg"]) for fault in error.errors()]
        # Not chained: the library's own words repeat what was given, which may be a secret.
        raise Refusal("\n  ".join(faults)) from None


def _sentence(path: tuple[int | str, ...], text: str) -> str:
    told = text.removeprefix("Value error, ")
    return f"APP_{str(path[0]).upper()}: {told}." if path else told
