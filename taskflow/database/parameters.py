"""The parameters of a connection: what they mean here, and whether the database refuses what they ask for."""

import math
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from taskflow.settings import SettingsError

_VARIABLES = ("PGDATESTYLE", "PGGEQO", "PGOPTIONS", "PGTZ")
"""What libpq sends to the server out of its environment (PostgreSQL 18, section 34.15)."""

_OPTIONS = "DATABASE_URL"


def round_connect_timeout(deadline: float) -> int:
    """Round a deadline in seconds to what libpq takes: whole seconds, at least 2."""
    return max(2, math.ceil(deadline))


def is_transaction_pooler(host: str) -> bool:
    """Whether a host is one of Neon's poolers, which hand each transaction to a different session."""
    return "-pooler" in host


def check_parameters(url: str, *, connect_timeout: int) -> None:
    """Raise SettingsError if the database lets us in but for what `url` or the environment asks of the session.

    To be called where connecting has failed, and where no other thread connects: it changes the environment meanwhile.
    """
    asked = {name for name in _VARIABLES if os.environ.get(name)}
    if "options" in conninfo_to_dict(url):
        asked = asked - {"PGOPTIONS"} | {_OPTIONS}
    if not asked or not _can_connect(url, connect_timeout, asking_for=()):
        return
    refused = sorted(name for name in asked if not _can_connect(url, connect_timeout, asking_for={name}))
    # It may have gone away meanwhile.
    if refused and _can_connect(url, connect_timeout, asking_for=()):
        raise SettingsError([_explain(name) for name in refused])


def _explain(name: str) -> str:
    if name == _OPTIONS:
        return "DATABASE_URL is wrong in options, which the database refuses: `taskflow check` says why."
    return (
        f"DATABASE_URL is wrong in {name} of the environment, which the database refuses: unset it, or look at what"
        " `taskflow check` says."
    )


def _can_connect(url: str, connect_timeout: int, *, asking_for: Collection[str]) -> bool:
    # An empty value goes before the environment's, and before that of a service file.
    hidden = {} if {_OPTIONS, "PGOPTIONS"} & set(asking_for) else {"options": ""}
    try:
        with _hide_variables(set(_VARIABLES).difference(asking_for)):
            connection = psycopg.connect(make_conninfo(url, **hidden), connect_timeout=connect_timeout)
    except psycopg.OperationalError:
        return False
    connection.close()
    return True


@contextmanager
def _hide_variables(names: Collection[str]) -> Iterator[None]:
    hidden = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)
