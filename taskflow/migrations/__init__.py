"""Brings a database's schema up to date, safely also when many processes start at once."""

from typing import Any

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from psycopg.sql import SQL, Identifier
from sqlalchemy import Connection, create_engine, exc, text
from sqlalchemy.pool import NullPool

VERSION_TABLE = "taskflow_schema_version"
"""Alembic's usual name could be taken: the database may be the frontend's too."""

_LOCK = 7_256_402_118_905_441
"""Any number, as long as every version of TaskFlow takes the same."""

_LOCK_TIMEOUT_SECONDS = 60


class MigrationError(Exception):
    """The schema could not be brought up to date; the database is as it was."""


def migrate(url: str, *, connect_timeout: int = 10) -> str:
    """Run the migrations that the database at `url` lacks, in one transaction; give the version it is at.

    Raises psycopg.OperationalError where the database is not available, MigrationError where it refused.
    """
    config = _make_config()
    # prepare_threshold: a transaction pooler would break server-side prepared statements.
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(url, connect_timeout=connect_timeout, prepare_threshold=None),
        poolclass=NullPool,
        hide_parameters=True,
    )
    try:
        with engine.begin() as connection:
            _take_lock(connection)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except exc.DBAPIError as error:
        if isinstance(error.orig, psycopg.OperationalError):
            raise error.orig from None
        raise MigrationError(f"The schema could not be migrated: {_describe(error.orig)}.") from error
    except CommandError as error:
        raise MigrationError(f"The schema could not be migrated: {error}.") from error
    return str(ScriptDirectory.from_config(config).get_current_head())


def read_versions(connection: psycopg.Connection) -> tuple[str | None, str]:
    """Give the version of the schema as it is (None: never migrated), and as it should be."""
    newest = str(ScriptDirectory.from_config(_make_config()).get_current_head())
    table = connection.execute("SELECT to_regclass(%s)", [VERSION_TABLE]).fetchone()
    if table is None or table[0] is None:
        return None, newest
    row = connection.execute(SQL("SELECT version_num FROM {}").format(Identifier(VERSION_TABLE))).fetchone()
    return (row[0] if row else None), newest


def _make_config() -> Config:
    config = Config()
    config.set_main_option("script_location", "taskflow:migrations")
    return config


def _take_lock(connection: Connection) -> None:
    # Both last as long as the transaction, so they hold behind a transaction pooler too.
    connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT_SECONDS}s'"))
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


def _describe(error: Any) -> str:  # noqa: ANN401  the driver's error, which SQLAlchemy does not type
    return getattr(error.diag, "message_primary", None) or type(error).__name__
