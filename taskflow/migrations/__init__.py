"""Brings a database's schema up to date, safely also when many processes start at once."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Timer

import psycopg
from psycopg.sql import SQL, Identifier

VERSION_TABLE = "taskflow_schema_version"
"""Alembic's usual name could be taken: the database may be the frontend's too."""

NEWEST_VERSION = max(path.name.partition("_")[0] for path in (Path(__file__).parent / "versions").glob("[0-9]*.py"))
"""The version that the schema should be at: a migration's file begins with the version that it leads to."""


class MigrationError(Exception):
    """The schema could not be brought up to date; the database is as it was."""


def migrate(url: str, *, connect_timeout: int = 10) -> str:
    """Run the migrations that the database at `url` lacks, in one transaction; give the version it is at.

    Raises psycopg.OperationalError where the database is not available, MigrationError where it refused.
    """
    try:
        with (
            psycopg.connect(url, connect_timeout=connect_timeout, prepare_threshold=None) as connection,
            _cut_after(connection, connect_timeout),
        ):
            version = read_version(connection)
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        raise MigrationError(describe_refusal(error)) from error
    if version == NEWEST_VERSION:
        return version
    # Alembic takes a tenth of a worker's memory, and most starts find nothing to do.
    from taskflow.migrations.upgrade import upgrade  # noqa: PLC0415

    return upgrade(url, connect_timeout=connect_timeout)


@contextmanager
def _cut_after(connection: psycopg.Connection, seconds: float) -> Iterator[None]:
    """End a connection that has been silent for so long, from outside: libpq itself would wait for ever."""
    with socket.socket(fileno=os.dup(connection.fileno())) as link:
        timer = Timer(seconds, _cut, [link])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _cut(link: socket.socket) -> None:
    with suppress(OSError):  # it has ended just now
        link.shutdown(socket.SHUT_RDWR)


def read_version(connection: psycopg.Connection) -> str | None:
    """Give the version of the schema as it is; None if it has never been migrated."""
    table = connection.execute("SELECT to_regclass(%s)", [VERSION_TABLE]).fetchone()
    if table is None or table[0] is None:
        return None
    row = connection.execute(SQL("SELECT version_num FROM {}").format(Identifier(VERSION_TABLE))).fetchone()
    return row[0] if row else None


def describe_refusal(error: psycopg.Error) -> str:
    """Say in one sentence what the database did not like."""
    return f"The schema could not be migrated: {error.diag.message_primary or type(error).__name__}."
