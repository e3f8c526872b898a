"""The configuration is read once, checked and frozen, and no mistake in it goes unnamed or shows what is secret."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict
from pydantic import ValidationError

from taskflow.settings import SettingsError, load_settings
from tests.support.configuration import (
    NEON_URL,
    PRODUCTION,
    SECRET,
    SHORT_SECRET,
    VARIABLES,
    complain,
    load,
)
from tests.support.server import REPOSITORY


def test_everything_has_a_default_that_suits_development() -> None:
    """With no variable set, these are the settings."""
    assert load_settings().model_dump() == {
        "environment": "development",
        "database_url": None,
        "database_pool_size": 10,
        "database_queue_size": 1000,
        "database_timeout": 5.0,
        "database_search_timeout": 3.0,
        "database_search_share": 0.25,
        "database_user_share": 0.5,
        "better_auth_url": None,
        "jwks_url": None,
        "jwks_timeout": 3.0,
        "jwks_cooldown": 2.0,
        "jwks_burst": 5,
        "jwks_max_age": 300.0,
        "jwks_max_age_stale": 86_400.0,
        "jwks_queue_size": 100,
        "max_jwks_bytes": 65_536,
        "idempotency_key_lifetime": 86_400,
        "better_auth_secret": None,
        "jwt_issuer": (),
        "jwt_audience": (),
        "max_token_bytes": 16_384,
        "token_cache_size": 10_000,
        "cors_origins": ("http://localhost:3000",),
        "cors_headers": (),
        "max_body_bytes": 1_048_576,
        "max_url_bytes": 8192,
        "max_header_bytes": 32_768,
        "max_pipelined": 100,
        "max_requests": 1000,
        "max_connections": 4000,
        "client_timeout": 30.0,
        "keep_alive_timeout": 5,
        "host": "127.0.0.1",
        "port": 8000,
        "root_path": None,
        "metrics_host": "127.0.0.1",
        "metrics_port": None,
        "metrics_max_connections": 20,
        "otel_exporter_otlp_endpoint": None,
        "web_concurrency": 1,
        "shutdown_delay": 1.0,
        "shutdown_timeout": 30,
        "log_level": "info",
        "taskflow_state_dir": Path("/state/taskflow"),
    }


def test_the_state_folder_is_where_the_user_keeps_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """XDG's default without XDG's variable; for root a folder that the account of PostgreSQL can enter."""
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/alice")
    assert load_settings().taskflow_state_dir == Path("/home/alice/.local/state/taskflow")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert load_settings().taskflow_state_dir == Path("/var/lib/taskflow")


@pytest.mark.parametrize("variable", ["DATABASE_URL", "BETTER_AUTH_SECRET", "CORS_ORIGINS"])
@pytest.mark.parametrize("text", [None, ""])
def test_production_needs_what_only_the_operator_knows(
    variable: str, text: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In production nothing is made up; an empty variable counts as one that is not set."""
    variables = {name: value for name, value in PRODUCTION.items() if name != variable}
    if text is not None:
        variables[variable] = text
    (sentence,) = complain(monkeypatch, **variables)
    assert sentence.startswith(f"{variable} must be set in production: ")


def test_what_is_missing_is_named_beside_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """In production too, one start tells of every mistake."""
    sentences = complain(monkeypatch, ENVIRONMENT="production", BETTER_AUTH_SECRET=SECRET, PORT="x")
    assert sorted(sentence.split()[0] for sentence in sentences) == ["CORS_ORIGINS", "DATABASE_URL", "PORT"]


def test_production_is_told_by_its_name_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """A capital letter must not turn a production server into one that makes tokens for everybody."""
    assert load(monkeypatch, **{**PRODUCTION, "ENVIRONMENT": "Production"}).is_production


@pytest.mark.parametrize("variable", sorted(VARIABLES))
def test_an_empty_variable_counts_as_unset(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As compose files and CI systems hand down what nobody has set."""
    defaults = load_settings()
    assert load(monkeypatch, **{variable: ""}) == defaults


@pytest.mark.parametrize(
    "text",
    [
        NEON_URL,
        NEON_URL.replace("postgresql://", "postgres://"),
        NEON_URL.replace("postgresql://", "postgresql+psycopg://"),
        f"  {NEON_URL}\n",
        f"'{NEON_URL}'",
        f' "{NEON_URL}" ',
    ],
)
def test_each_spelling_of_the_database_url_means_the_same(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neon's parameters, the encoded equals sign included, arrive at libpq as they were meant."""
    settings = load(monkeypatch, DATABASE_URL=text)
    assert settings.dsn == NEON_URL
    assert conninfo_to_dict(settings.dsn) == {
        "user": "owner",
        "password": "pa/ss",
        "host": "ep-cool-1-pooler.eu-central-1.aws.neon.tech",
        "dbname": "neondb",
        "sslmode": "require",
        "channel_binding": "require",
        "options": "endpoint=ep-cool-1",
    }


def test_a_dotenv_file_is_read_and_the_environment_wins(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`.env` of the working folder; lines that are somebody else's are passed over, and the caller goes first."""
    (folder / ".env").write_text(f'PORT=1111\nLOG_LEVEL=debug\nNEXT_PUBLIC_URL=x\nBETTER_AUTH_SECRET="{SECRET}"\n')
    settings = load(monkeypatch, PORT="2222")
    assert (settings.port, settings.log_level, settings.secret) == (2222, "debug", SECRET)
    assert load_settings(port="3333").port == 3333


def test_a_mistake_in_the_dotenv_file_is_named_the_same_way(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever a value comes from, the sentence is the same."""
    (folder / ".env").write_text("BETTER_AUTH_SECRET=short\n")
    assert complain(monkeypatch) == [SHORT_SECRET]


def test_no_secret_can_be_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither repr nor str nor JSON shows the secret or anything of the connection string; who asks gets them."""
    settings = load(monkeypatch, **PRODUCTION)
    for text in (repr(settings), str(settings), f"{settings.model_dump()}", settings.model_dump_json()):
        assert SECRET not in text
        assert "owner" not in text
        assert "neon" not in text
    assert (settings.secret, settings.dsn) == (SECRET, NEON_URL)


@pytest.mark.parametrize(("attribute", "variable"), [("secret", "BETTER_AUTH_SECRET"), ("dsn", "DATABASE_URL")])
def test_what_is_not_set_cannot_be_used(attribute: str, variable: str) -> None:
    """Who asks for a secret that is not there gets a sentence, not an empty key."""
    with pytest.raises(SettingsError, match=f"^{variable} is not set\\.$"):
        getattr(load_settings(), attribute)


@pytest.mark.parametrize(
    ("workers", "configured", "connections"),
    [("1", "", 10), ("8", "", 10), ("9", "", 8), ("16", "", 5), ("256", "", 1), ("16", "10", 10), ("1", "30", 30)],
)
def test_workers_share_what_a_small_database_allows(
    monkeypatch: pytest.MonkeyPatch, workers: str, configured: str, connections: int
) -> None:
    """Unless the operator has said how many connections each may open."""
    settings = load(monkeypatch, WEB_CONCURRENCY=workers, DATABASE_POOL_SIZE=configured)
    assert settings.pool_size == connections


def test_the_settings_are_frozen() -> None:
    """What was checked at the start holds to the end."""
    settings: Any = load_settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.port = 1


def test_the_example_documents_every_variable_and_its_default(folder: Path) -> None:
    """`.env.example` sets each variable once, to what it would be without; copied, it changes nothing."""
    defaults = load_settings().model_dump()
    example = (REPOSITORY / ".env.example").read_text()
    assert sorted(re.findall(r"^([A-Z][A-Z_]*)=", example, re.MULTILINE)) == sorted(VARIABLES)
    (folder / ".env").write_text(example)
    assert load_settings().model_dump() == defaults


def test_a_file_that_is_not_text_is_named(folder: Path) -> None:
    """Some editors write UTF-16."""
    (folder / ".env").write_text("PORT=8001", encoding="utf-16")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert caught.value.sentences == [".env is not UTF-8 text; save it as such."]
