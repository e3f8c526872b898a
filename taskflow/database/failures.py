"""What a failure of the driver means for the client: the one table of what is 503; everything else is a defect, 500."""

import logging
import re

import psycopg

from taskflow.errors import DatabaseTimeout, DatabaseUnavailable, Problem

_UNAVAILABLE_CLASSES = frozenset({"08", "53", "57", "58"})
"""SQLSTATE classes: connection, resources, operator intervention, system."""

_UNAVAILABLE_STATES = frozenset({"25006", "25P03", "40001", "40P01", "55P03"})
"""Read-only, idle in transaction, serialisation failure, deadlock, lock not available."""

_QUOTED = re.compile(r"""(["']).*?\1""")

logger = logging.getLogger(__name__)


class DatabaseDefect(Exception):
    """The database refused a statement that we should not have sent.

    Holds only the driver's class and the SQLSTATE: its message can quote what users wrote.
    """


class RowExists(DatabaseDefect):
    """The row that a statement was to write is there already; nothing was written. A defect where nobody expects it."""


def explain_failure(error: psycopg.Error) -> Problem | DatabaseDefect:
    """Give what is to be raised instead of the driver's error; what is 503 is logged here."""
    state = error.sqlstate or ""
    if isinstance(error, psycopg.errors.QueryCanceled):
        problem: Problem = DatabaseTimeout()
    elif (
        # Without a SQLSTATE it is libpq that speaks, of a connection. With one, the driver's classes are too wide.
        (not state and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError))
        or state[:2] in _UNAVAILABLE_CLASSES
        or state in _UNAVAILABLE_STATES
    ):
        problem = DatabaseUnavailable()
    elif isinstance(error, psycopg.errors.UniqueViolation):
        return RowExists(name_error(error))
    else:
        return DatabaseDefect(name_error(error))
    logger.warning("answering 503: %s", name_error(error))
    return problem


def name_error(error: psycopg.Error) -> str:
    """Name an error for the log, without host, port, user, database or anything that a user wrote."""
    name = type(error).__name__
    if error.sqlstate:
        return f"{name} {error.sqlstate}"
    # A failure to connect has no SQLSTATE. Its reason stands behind host and port, and may quote user and database:
    # all of these stay out of logs.
    lines = str(error).splitlines() or [""]
    reason = next((line for line in lines if "failed: " in line), lines[0]).rsplit("failed: ", 1)[-1]
    return f"{name}: {_QUOTED.sub('...', reason).strip()}"
