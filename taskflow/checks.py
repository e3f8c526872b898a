"""What `taskflow check` looks at: one finding a line. What is missing while developing is made, as serving would."""

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

from taskflow.development import provide_defaults
from taskflow.embedded import EmbeddedPostgresError
from taskflow.migrations import read_versions
from taskflow.settings import Settings, SettingsError

CONNECT_TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class Result:
    """What a check found out, in one line."""

    subject: str
    passed: bool
    finding: str


def run_checks(settings: Settings) -> Iterator[Result]:
    """Look at each part in turn. The settings have been read, so they are right."""
    yield Result(
        "configuration", passed=True, finding=f"{settings.environment}, {', '.join(settings.cors_origins)} may call"
    )
    try:
        with provide_defaults(settings) as complete:
            kept = "kept in the state folder" if settings.better_auth_secret is None else "from BETTER_AUTH_SECRET"
            yield Result("keys", passed=True, finding=f"HS256, secret {kept}")
            yield _check_database(complete.dsn)
    except (EmbeddedPostgresError, SettingsError) as error:
        yield Result("database", passed=False, finding=str(error))


def _check_database(url: str) -> Result:
    try:
        with psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_SECONDS) as connection:
            current, newest = read_versions(connection)
            number = connection.info.server_version // 10_000
    except psycopg.Error as error:
        # The operator's own terminal may see what the log may not: host, port and user, and why.
        return Result("database", passed=False, finding=" ".join(str(error).split()))
    if current != newest:
        return Result(
            "database",
            passed=False,
            finding=f"PostgreSQL {number}, schema version {current or 'none'} of {newest}: "
            "run `taskflow migrate` (`taskflow serve` does it too)",
        )
    return Result("database", passed=True, finding=f"PostgreSQL {number}, schema version {current}")
