"""What `taskflow check` looks at: one finding a line. What is missing while developing is made, as serving would."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import psycopg

from taskflow.app import create_app
from taskflow.auth.jwks import KeyEndpoint, KeysError, PublishedKey
from taskflow.cli.development import provide_database, provide_secret
from taskflow.cli.embedded import EmbeddedPostgresError
from taskflow.concurrency.threads import run_in_thread
from taskflow.contract.loading import ContractError
from taskflow.database.migrations import NEWEST_VERSION, MigrationError, check_encoding, open_connection, read_version
from taskflow.database.migrations.adoption import check_table, find_table
from taskflow.database.parameters import is_transaction_pooler
from taskflow.observability.tracing import make_tracing
from taskflow.settings import Settings, SettingsError

CONNECT_TIMEOUT_SECONDS = 10
ANSWER_TIMEOUT_SECONDS = 15


@dataclass(frozen=True)
class Result:
    """What a check found out, in one line."""

    subject: str
    passed: bool
    finding: str
    is_doubtful: bool = False


def run_checks(settings: Settings) -> Iterator[Result]:
    """Look at each part in turn. The settings have been read, so they are right."""
    callers = ", ".join(settings.cors_origins)
    yield Result("configuration", passed=True, finding=f"{settings.environment}, {callers} may call")
    for sentence in settings.warnings:
        yield Result("configuration", passed=True, finding=sentence, is_doubtful=True)
    try:
        make_tracing(settings)
    except SettingsError as error:
        yield Result("traces", passed=False, finding=str(error))
        return
    try:
        complete = provide_secret(settings)
    except SettingsError as error:
        yield Result("keys", passed=False, finding=str(error))
        return
    if complete.better_auth_secret is not None:
        origin = "kept in the state folder" if settings.better_auth_secret is None else "from BETTER_AUTH_SECRET"
        yield Result("keys", passed=True, finding=f"HS256, secret {origin}")
    if complete.key_set_url is not None:
        yield _check_key_set(complete.key_set_url, complete)
    try:
        with provide_database(complete) as complete:
            yield _check_contract(complete)
            yield _check_database(complete)
    except EmbeddedPostgresError as error:
        yield Result("database", passed=False, finding=str(error))


def _check_key_set(url: str, settings: Settings) -> Result:
    try:
        keys, mistakes = asyncio.run(_fetch_keys(url, settings))
    except KeysError as error:
        return Result("published keys", passed=False, finding=f"{url}: {error}")
    issuers = " or ".join(settings.key_set_issuers) or "anybody"
    found = ", ".join(sorted(key.algorithm for key in keys.values()))
    passed_over = f"; passed over: {'; '.join(mistakes)}" if mistakes else ""
    finding = f"{found} from {url}; tokens issued by {issuers}{passed_over}"
    return Result("published keys", passed=True, finding=finding)


async def _fetch_keys(url: str, settings: Settings) -> tuple[dict[str, PublishedKey], list[str]]:
    endpoint = KeyEndpoint(url, timeout=settings.jwks_timeout, max_bytes=settings.max_jwks_bytes)
    return await endpoint.fetch(), endpoint.mistakes


def _check_contract(settings: Settings) -> Result:
    try:
        create_app(settings)
    except ContractError as error:
        return Result("contract", passed=False, finding=str(error))
    return Result("contract", passed=True, finding="every rule of it is enforced")


def _check_database(settings: Settings) -> Result:
    try:
        attempt = run_in_thread(partial(_read_database, settings.dsn))
        number, current, allowed = attempt.result(timeout=ANSWER_TIMEOUT_SECONDS)
    except TimeoutError:
        return Result("database", passed=False, finding=f"it did not answer in {ANSWER_TIMEOUT_SECONDS} s")
    except MigrationError as error:
        return Result("database", passed=False, finding=str(error))
    except psycopg.Error as error:
        # The operator's own terminal may see what the log may not: host, port and user, and why.
        return Result("database", passed=False, finding=" ".join(str(error).split()))
    if current != NEWEST_VERSION:
        schema = "no schema yet" if current is None else f"schema version {current}, not {NEWEST_VERSION}"
        finding = f"PostgreSQL {number}, {schema}: run `taskflow migrate` (`taskflow serve` does it too)"
        return Result("database", passed=False, finding=finding)
    wanted = settings.web_concurrency * settings.pool_size
    if allowed is not None and wanted > allowed:
        # Not wrong behind a pooler, of which nothing tells us.
        finding = f"{wanted} connections wanted, {allowed} allowed: without a pooler, lower DATABASE_POOL_SIZE"
        return Result("database", passed=True, finding=f"PostgreSQL {number}, schema version {current}; {finding}")
    return Result("database", passed=True, finding=f"PostgreSQL {number}, schema version {current}")


def _read_database(url: str) -> tuple[int, str | None, int | None]:
    """Return PostgreSQL's major version, the schema's, and how many connections it allows (None: unknown, a pooler).

    Raises MigrationError if the database cannot be used, psycopg.Error if it cannot be read.
    """
    with open_connection(url, connect_timeout=CONNECT_TIMEOUT_SECONDS) as connection:
        check_encoding(connection)
        row = connection.execute(
            "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"
            " - coalesce(current_setting('reserved_connections', true)::int, 0)"
        ).fetchone()
        allowed = row[0] if row and not is_transaction_pooler(connection.info.host) else None
        version = read_version(connection)
        if version is None and (table := find_table(connection)) is not None:
            check_table(connection, table)
        return connection.info.server_version // 10_000, version, allowed
