"""What every benchmark begins with: a PostgreSQL on the core of the load, and the tables in it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from taskflow.cli.embedded import run_postgres
from taskflow.database.migrations import migrate
from tests.support.development import make_state_folder

SERVER_CORE = {0}
OTHER_CORE = {1}


@contextmanager
def open_stage() -> Iterator[tuple[str, psycopg.Connection]]:
    """Give the address of a database without tasks, and a connection to it.

    From here on the caller runs on the core that is not the server's, and so does all that it starts there.
    """
    os.sched_setaffinity(0, OTHER_CORE)
    with make_state_folder() as folder, run_postgres(folder) as url:
        migrate(url)
        with psycopg.connect(url, autocommit=True) as database:
            yield url, database
