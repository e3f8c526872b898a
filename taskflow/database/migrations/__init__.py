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
            open_connection(url, connect_timeout=connect_timeout) as connection,
            _cut_after(connection, connect_timeout),
        ):
            check_encoding(connection)
            version = read_version(connection)
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        raise MigrationError(describe_refusal(error)) from error
    if version == NEWEST_VERSION:
        return version
    # Alembic takes a tenth of a worker's memory, and most starts find nothing to do.
    from taskflow.database.migrations.upgrade import upgrade  # noqa: PLC0415

    return upgrade(url, connect_timeout=connect_timeout)


def open_connection(url: str, *, connect_timeout: int) -> psycopg.Connection:
    """Connect for `check_encoding`, which must come first. Raises psycopg.OperationalError.

    The client encoding SQL_ASCII is the only one that a database of every encoding accepts, and it overrides that of
    DATABASE_URL and PGCLIENTENCODING.
    """
    # prepare_threshold: a transaction pooler would break server-side prepared statements.
    return psycopg.connect(url, connect_timeout=connect_timeout, prepare_threshold=None, client_encoding="SQL_ASCII")


def check_encoding(connection: psycopg.Connection) -> None:
    """Raise MigrationError unless the database can hold every text; read and write text from here on.

    `client_encoding` is set for the transaction only, so that nothing stays behind on a pooler.
    """
    row = connection.execute("SHOW server_encoding").fetchone()
    # Under SQL_ASCII text arrives as bytes; a pooler may have chosen another encoding for us.
    found = row[0] if row else ""
    encoding = found.decode() if isinstance(found, bytes) else found
    if encoding != "UTF8":
        raise MigrationError(
            f"The database's encoding is {encoding}, which cannot hold every text: create another one with"
            " CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0, and set DATABASE_URL to it."
        )
    connection.execute("SET LOCAL client_encoding TO 'UTF8'")


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


def is_refusal(error: psycopg.Error) -> bool:
    """Whether the database refused for good; otherwise it is not available, and another try may help.

    The driver counts PostgreSQL's own limits (SQLSTATE class 54, such as the size of an index row) and objects that are
    not in the state that a statement needs (55000) among the operational errors.
    """
    if not isinstance(error, psycopg.OperationalError):
        return True
    state = error.sqlstate or ""
    return state.startswith("54") or state == "55000"


def describe_refusal(error: psycopg.Error) -> str:
    """Say in one sentence what the database did not like."""
    return f"The schema could not be migrated: {error.diag.message_primary or type(error).__name__}."
