"""What the environment decides; read once, at start."""

from enum import StrEnum
from functools import lru_cache
from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PUBLIC_SECRET = "for-demonstrations-only-everybody-knows-this-one"  # noqa: S105


class Env(StrEnum):
    """What kind of place this process runs in."""

    DEMO = "demo"
    TEST = "test"
    PRODUCTION = "production"


class Settings(BaseSettings):
    """Every knob, each with its unit; `APP_DATABASE_URL` fills `database_url`.

    Raises:
        ValueError: in production, while a secret still has its public default or there is no
            database named.
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
    tile_url: str | None = Field(
        default=None, description="XYZ template of a base map; without it, outlines only"
    )
    tile_attribution: str = ""
    map_approval_number: str | None = Field(default=None, description="审图号, shown on the map")

    @model_validator(mode="after")
    def _safe_in_production(self) -> Self:
        if self.env is not Env.PRODUCTION:
            return self
        for name in ("secret_key", "phone_key"):
            secret = getattr(self, name).get_secret_value()
            if secret == PUBLIC_SECRET or len(secret) < 32:
                raise ValueError(f"set APP_{name.upper()} to 32 random characters or more")
        if self.database_url is None:
            raise ValueError("set APP_DATABASE_URL")
        return self


@lru_cache
def load() -> Settings:
    """Return the settings of this process."""
    return Settings()
