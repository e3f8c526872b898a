"""The configuration: read once from the environment and `.env`, checked, then frozen.

Every mistake is one sentence that names the variable and the remedy, and never its value.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MIN_SECRET_BYTES = 32
"""What an HS256 key must have at least (RFC 7518, section 3.2)."""

CommaSeparated = Annotated[tuple[str, ...], NoDecode]


class SettingsError(Exception):
    """The configuration is wrong.

    `sentences` holds one sentence per mistake.
    """

    def __init__(self, sentences: list[str]) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences


def _default_state_dir() -> Path:
    # As root, a folder that the unprivileged user of the embedded PostgreSQL can reach; a home folder often is not one.
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return Path("/var/lib/taskflow")
    state_home = os.environ.get("XDG_STATE_HOME")
    return (Path(state_home) if state_home else Path.home() / ".local" / "state") / "taskflow"


class Settings(BaseSettings):
    """The configuration; a field is set by the variable of the same name in upper case."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    environment: Literal["development", "production"] = "development"

    database_url: SecretStr | None = None
    database_pool_size: int = Field(10, ge=1, le=1000)
    database_queue_size: int = Field(1000, ge=1, le=100_000)
    database_timeout: float = Field(5.0, ge=0.1, le=60)

    better_auth_secret: SecretStr | None = None
    jwt_issuer: CommaSeparated = ()
    jwt_audience: CommaSeparated = ()
    max_token_bytes: int = Field(16_384, ge=1024, le=1_048_576)

    cors_origins: CommaSeparated = ("http://localhost:3000",)
    max_body_bytes: int = Field(1_048_576, ge=1024, le=1_073_741_824)

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65_535)
    web_concurrency: int = Field(1, ge=1, le=256)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    taskflow_state_dir: Path = Field(default_factory=_default_state_dir)

    @property
    def is_production(self) -> bool:
        return self.environment == "production"

    @property
    def dsn(self) -> str:
        """The connection string, for those who connect. Raises SettingsError if there is none."""
        return _reveal(self.database_url, "DATABASE_URL")

    @property
    def secret(self) -> str:
        """The HS256 secret, for those who sign or verify. Raises SettingsError if there is none."""
        return _reveal(self.better_auth_secret, "BETTER_AUTH_SECRET")

    @field_validator("environment", "log_level", mode="before")
    @classmethod
    def _ignore_case(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("jwt_issuer", "jwt_audience", "cors_origins", mode="before")
    @classmethod
    def _split_list(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(entry for part in value.split(",") if (entry := part.strip()))
        return value

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        if not origins:
            raise ValueError("must name at least one origin, such as https://app.example.com")
        return tuple(_check_origin(origin) for origin in origins)

    @field_validator("better_auth_secret")
    @classmethod
    def _check_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value().encode()) < MIN_SECRET_BYTES:
            raise ValueError(
                f"must have at least {MIN_SECRET_BYTES} bytes and equal the frontend's; "
                "make one with `openssl rand -hex 32`"
            )
        return secret

    @field_validator("database_url")
    @classmethod
    def _check_database_url(cls, url: SecretStr | None) -> SecretStr | None:
        return None if url is None else SecretStr(_normalise_database_url(url.get_secret_value()))


def load_settings(**overrides: Any) -> Settings:  # noqa: ANN401  as the variables, any text may come
    """Read the configuration of this process; what the caller names goes before the environment.

    Raises SettingsError with a sentence for every mistake.
    """
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        raise SettingsError([_describe_mistake(dict(mistake)) for mistake in error.errors()]) from None
    missing = [name for name in _REQUIRED_IN_PRODUCTION if name not in settings.model_fields_set]
    if settings.is_production and missing:
        raise SettingsError(
            [f"{name.upper()} must be set in production: {_REQUIRED_IN_PRODUCTION[name]}." for name in missing]
        )
    return settings


_REQUIRED_IN_PRODUCTION = {
    "database_url": "the connection string of the PostgreSQL database, such as Neon shows it",
    "better_auth_secret": "the secret that the frontend's Better Auth signs tokens with",
    "cors_origins": "the comma-separated origins of the frontend, such as https://app.example.com",
}


def _reveal(value: SecretStr | None, variable: str) -> str:
    if value is None:
        raise SettingsError([f"{variable} is not set."])
    return value.get_secret_value()


def _check_origin(origin: str) -> str:
    parts = urlsplit(origin.removesuffix("/"))
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path or parts.query or "*" in origin:
        raise ValueError(
            "must be a comma-separated list of exact origins, such as https://app.example.com, without path or *"
        )
    return parts.geturl()


def _normalise_database_url(url: str) -> str:
    """Bring the spellings in use to the one that libpq takes."""
    url = url.strip().strip("'\"")
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in {"postgres", "postgresql", "postgresql+psycopg"}:
        raise ValueError("must start with postgresql://")
    url = f"postgresql://{rest}"
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # libpq's own message quotes the connection string.
        raise ValueError(
            "is not a connection string that PostgreSQL understands; percent-encode special characters"
        ) from None
    return url


def _describe_mistake(mistake: dict[str, object]) -> str:
    location = mistake["loc"]
    variable = str(location[0]).upper() if isinstance(location, tuple) and location else "The configuration"
    message = str(mistake["msg"]).removeprefix("Value error, ").removeprefix("Input should be ").removesuffix(".")
    if not message.startswith(("must", "is")):
        message = f"must be {message}"
    return f"{variable} {message}."
