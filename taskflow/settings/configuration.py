"""The settings, and what each may be.

Every mistake is one sentence that names the variable and the remedy, and never its value.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from taskflow.settings.addresses import (
    EVERY_ADDRESS,
    MAX_PORT,
    find_key_set,
    find_origin,
    normalise_auth_url,
    normalise_collector_url,
)
from taskflow.settings.connections import normalise_database_url
from taskflow.settings.dotenv import QUOTES, is_quoted
from taskflow.settings.errors import SettingsError
from taskflow.settings.origins import check_header_names, normalise_origins
from taskflow.settings.secrets import MIN_SECRET_BYTES, find_weakness

SHARED_CONNECTIONS = 80
"""What all workers together open by default: a PostgreSQL as it comes allows 97, Neon's smallest as many."""

QUOTES_ARE_KEPT = "they are part of the value here, as docker's --env-file passes them on"

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

CommaSeparated = Annotated[tuple[str, ...], NoDecode]


def _default_state_dir() -> Path:
    # As root, a folder that the unprivileged user of the embedded PostgreSQL can reach; a home folder often is not one.
    if os.geteuid() == 0:
        return Path("/var/lib/taskflow")
    state_home = os.environ.get("XDG_STATE_HOME")
    return (Path(state_home) if state_home else Path.home() / ".local" / "state") / "taskflow"


class Settings(BaseSettings):
    """The configuration; a field is set by the variable of the same name in upper case."""

    model_config = SettingsConfigDict(
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    environment: Literal["development", "production"] = "development"

    database_url: SecretStr | None = None
    database_pool_size: int = Field(default=10, ge=1, le=1000)
    database_queue_size: int = Field(default=1000, ge=1, le=100_000)
    database_timeout: float = Field(default=5.0, ge=0.1, le=60)
    database_search_timeout: float = Field(default=3.0, ge=0.1, le=60)
    database_search_share: float = Field(default=0.25, gt=0, le=1)
    database_user_share: float = Field(default=0.5, gt=0, le=1)
    # Not less than a day: the contract promises it.
    idempotency_key_lifetime: int = Field(default=86_400, ge=86_400, le=31_536_000)

    better_auth_url: str | None = None
    jwks_url: str | None = None
    jwks_timeout: float = Field(default=3.0, ge=0.1, le=10)
    jwks_cooldown: float = Field(default=2.0, ge=0.1, le=10)
    jwks_burst: int = Field(default=5, ge=1, le=1000)
    jwks_max_age: float = Field(default=300.0, ge=1, le=86_400)
    jwks_max_age_stale: float = Field(default=86_400.0, ge=1, le=2_592_000)
    jwks_queue_size: int = Field(default=100, ge=1, le=100_000)
    max_jwks_bytes: int = Field(default=65_536, ge=1024, le=1_048_576)
    # Behind those two: where keys are published, a secret need not be shared.
    better_auth_secret: SecretStr | None = None
    jwt_issuer: CommaSeparated = ()
    jwt_audience: CommaSeparated = ()
    max_token_bytes: int = Field(default=16_384, ge=1024, le=1_048_576)
    token_cache_size: int = Field(default=10_000, ge=0, le=1_000_000)

    cors_origins: CommaSeparated = ("http://localhost:3000",)
    cors_headers: CommaSeparated = ()
    max_body_bytes: int = Field(default=1_048_576, ge=1024, le=1_073_741_824)
    max_url_bytes: int = Field(default=8192, ge=1024, le=65_535)
    max_header_bytes: int = Field(default=32_768, ge=1024, le=1_048_576)
    max_pipelined: int = Field(default=100, ge=1, le=10_000)
    max_requests: int = Field(default=1000, ge=1, le=100_000)
    max_connections: int = Field(default=4000, ge=1, le=1_000_000)
    client_timeout: float = Field(default=30.0, ge=0.1, le=3600)
    keep_alive_timeout: int = Field(default=5, ge=1, le=3600)

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=MAX_PORT)
    root_path: str | None = None
    metrics_host: str = "127.0.0.1"
    metrics_port: int | Literal["off"] | None = None
    metrics_max_connections: int = Field(default=20, ge=1, le=10_000)
    otel_exporter_otlp_endpoint: str | None = None
    web_concurrency: int = Field(default=1, ge=1, le=256)
    shutdown_delay: float = Field(default=1.0, ge=0, le=60)
    shutdown_timeout: int = Field(default=30, ge=1, le=3600)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    taskflow_state_dir: Path = Field(default_factory=_default_state_dir)

    _warnings: tuple[str, ...] = PrivateAttr(default=())

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is doubtful in the configuration, and no reason to refuse it: a sentence each."""
        return self._warnings

    def add_warnings(self, sentences: Iterable[str]) -> None:
        """Add to what is doubtful; what is set stays frozen."""
        self._warnings = (*self._warnings, *sentences)

    @property
    def secret_file(self) -> Path:
        """Where a development secret is kept."""
        return self.taskflow_state_dir / "better-auth-secret"

    @property
    def is_production(self) -> bool:
        return self.environment == "production"

    @property
    def pool_size(self) -> int:
        """How many connections each worker keeps: what is configured, or a share of what a small database allows."""
        if "database_pool_size" in self.model_fields_set:
            return self.database_pool_size
        return max(1, min(self.database_pool_size, SHARED_CONNECTIONS // self.web_concurrency))

    @property
    def dsn(self) -> str:
        """The connection string, for those who connect. Raises SettingsError if there is none."""
        return _reveal(self.database_url, "DATABASE_URL")

    @property
    def secret(self) -> str:
        """The HS256 secret, for those who sign or verify. Raises SettingsError if there is none."""
        return _reveal(self.better_auth_secret, "BETTER_AUTH_SECRET")

    @property
    def key_set_url(self) -> str | None:
        """Where the keys of tokens that are not signed with the secret are published, if anywhere."""
        return self.jwks_url or (self.better_auth_url and find_key_set(self.better_auth_url))

    @property
    def key_set_issuers(self) -> tuple[str, ...]:
        """Who may have issued tokens signed with those keys; empty, anybody."""
        return self.jwt_issuer or ((find_origin(self.better_auth_url),) if self.better_auth_url else ())

    @field_validator("environment", "log_level", mode="before")
    @classmethod
    def _ignore_case(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("root_path")
    @classmethod
    def _normalise_root_path(cls, value: str | None) -> str | None:
        path = (value or "").strip().rstrip("/")
        if not re.fullmatch(r"(/(?!\.\.?(/|$))[A-Za-z0-9._~-]+)*", path):
            raise ValueError("must be a path such as /taskflow, of letters, digits and ._~-")
        return path or None

    @field_validator("metrics_port", mode="before")
    @classmethod
    def _read_port(cls, value: object, info: ValidationInfo) -> object:
        if value is None:
            return None
        text = str(value).strip().lower()
        if text == "off":
            return text
        if not re.fullmatch("[0-9]{1,5}", text) or int(text) > MAX_PORT:
            raise ValueError(f"must be off, or a port from 0 to {MAX_PORT}")
        hosts = {info.data.get("host"), info.data.get("metrics_host")}
        if 0 < int(text) == info.data.get("port") and (len(hosts) == 1 or hosts & EVERY_ADDRESS):
            raise ValueError("must be another port than PORT; unset, it is that of the API")
        return int(text)

    @field_validator("jwt_issuer", "jwt_audience", "cors_origins", "cors_headers", mode="before")
    @classmethod
    def _split_list(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, str):
            entries = tuple(entry for part in value.split(",") if (entry := part.strip()))
            if any(entry[0] in QUOTES or entry[-1] in QUOTES for entry in entries):
                raise ValueError(f"must name values without quotes around them; {QUOTES_ARE_KEPT}")
            if value.startswith("[") and value.endswith("]") and info.field_name != "cors_origins":
                raise ValueError("must name values separated by commas, without brackets")
            if not entries:
                # Of JWT_ISSUER, an empty list would switch the check off.
                raise ValueError("must name at least one value, separated by commas")
            return entries
        return value

    # Of validators that go before, the last one written goes first.
    @field_validator("database_url", "better_auth_secret", "cors_origins", mode="before")
    @classmethod
    def _require_in_production(cls, value: object, info: ValidationInfo) -> object:
        # Defaults come here too, and what an operator sets is text.
        # An address that is wrong is missing from the data, and complained about on its own.
        has_keys = any(info.data.get(name, "wrong") for name in ("better_auth_url", "jwks_url"))
        if info.field_name == "better_auth_secret" and has_keys:
            return value
        if info.data.get("environment") == "production" and not isinstance(value, str | SecretStr):
            raise ValueError(f"must be set in production: {_REQUIRED_IN_PRODUCTION[str(info.field_name)]}")
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _check_text(cls, value: object, info: ValidationInfo) -> object:
        if not isinstance(value, str):
            return value
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError("must be UTF-8 text")
        if info.field_name in {"database_url", "better_auth_secret"}:  # which have rules of their own
            return value
        value = value.strip()
        if not value:
            raise ValueError("must not be blank")
        # URLs and origins are checked for them where their form is.
        if _CONTROL.search(value) and not re.search("_url$|^cors_", str(info.field_name)):
            raise ValueError("must be without control characters and ends of lines")
        if is_quoted(value):
            raise ValueError(f"must be without the quotes around it; {QUOTES_ARE_KEPT}")
        return value

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        return normalise_origins(origins)

    @field_validator("cors_headers")
    @classmethod
    def _check_headers(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return check_header_names(names)

    @field_validator("better_auth_url", "jwks_url")
    @classmethod
    def _check_auth_url(cls, url: str | None, info: ValidationInfo) -> str | None:
        if url is None:
            return None
        may_be_plain = info.data.get("environment") != "production"
        return normalise_auth_url(url, may_be_plain=may_be_plain, may_have_query=info.field_name == "jwks_url")

    @field_validator("otel_exporter_otlp_endpoint")
    @classmethod
    def _check_collector(cls, url: str | None) -> str | None:
        return None if url is None else normalise_collector_url(url)

    @field_validator("better_auth_secret")
    @classmethod
    def _check_secret(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if secret is None:
            return None
        if len(secret.get_secret_value().encode()) < MIN_SECRET_BYTES:
            raise ValueError(
                f"must have at least {MIN_SECRET_BYTES} bytes and equal the frontend's; "
                "make one with `openssl rand -hex 32`"
            )
        weakness = find_weakness(secret.get_secret_value())
        if weakness is not None and info.data.get("environment") == "production":
            raise ValueError(weakness)
        return secret

    @field_validator("taskflow_state_dir")
    @classmethod
    def _expand_home(cls, folder: Path) -> Path:
        try:
            return folder.expanduser()
        except RuntimeError:
            raise ValueError("must not begin with the home folder of a user who has none") from None

    @field_validator("database_url")
    @classmethod
    def _check_database_url(cls, url: SecretStr | None) -> SecretStr | None:
        return None if url is None else SecretStr(normalise_database_url(url.get_secret_value()))


_REQUIRED_IN_PRODUCTION = {
    "database_url": "the connection string of the PostgreSQL database, such as Neon shows it",
    "better_auth_secret": "the secret that the frontend's Better Auth signs tokens with; "
    "or BETTER_AUTH_URL, where it publishes its keys",
    "cors_origins": "the comma-separated origins of the frontend, such as https://app.example.com",
}


def _reveal(value: SecretStr | None, variable: str) -> str:
    if value is None:
        raise SettingsError([f"{variable} is not set."])
    return value.get_secret_value()
