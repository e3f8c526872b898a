"""The run of Alembic."""

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, create_engine, exc, text
from sqlalchemy.pool import NullPool

from taskflow.database.migrations import MigrationError, describe_refusal, is_refusal

_LOCK = 7_256_402_118_905_441
"""Any number, as long as every version of TaskFlow takes the same."""

_LOCK_TIMEOUT_SECONDS = 60


def upgrade(url: str, *, connect_timeout: int) -> str:
    """Run what is missing, in one transaction and under a lock; give the version reached. Raises as `migrate` does."""
    config = Config()
    config.set_main_option("script_location", "taskflow.database:migrations")
    # prepare_threshold: a transaction pooler would break server-side prepared statements.
    # client_encoding: whatever DATABASE_URL or PGCLIENTENCODING says, text is sent and read as UTF-8.
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(
            url, connect_timeout=connect_timeout, prepare_threshold=None, client_encoding="utf8"
        ),
        poolclass=NullPool,
        hide_parameters=True,
    )
    try:
        with engine.begin() as connection:
            _take_lock(connection)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except (exc.DBAPIError, psycopg.Error) as error:
        failure = error.orig if isinstance(error, exc.DBAPIError) else error
        if not isinstance(failure, psycopg.Error):
            raise
        if is_refusal(failure):
            raise MigrationError(describe_refusal(failure)) from error
        raise failure from None
    except CommandError as error:
        raise MigrationError(f"The schema could not be migrated: {error}.") from error
    return str(ScriptDirectory.from_config(config).get_current_head())


def _take_lock(connection: Connection) -> None:
    # Both last as long as the transaction, so they hold behind a transaction pooler too.
    connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT_SECONDS}s'"))
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
