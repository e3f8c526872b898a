"""Where the soaks play: one worker of TaskFlow on one core, its database and its clients on the other."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import psycopg

from taskflow.cli.embedded import run_postgres
from taskflow.database.migrations import migrate
from tests.benchmarks.costs import read_memory
from tests.benchmarks.servers import TASKFLOW, run_contender
from tests.support.development import make_state_folder
from tests.support.processes import count_files


@dataclass(frozen=True)
class Stage:
    """A running server, and what it holds."""

    url: str
    process: int
    database: psycopg.Connection

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return str(parts.hostname), int(parts.port or 80)

    def describe(self) -> str:
        """Say in one line what the server holds at this moment."""
        row = self.database.execute(
            "SELECT count(*) FILTER (WHERE state IS NOT NULL), count(*) FILTER (WHERE state LIKE 'idle in%')"
            " FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone()
        connections, transactions = row or (0, 0)
        return (
            f"{read_memory(self.process):6.1f} MiB (most {read_memory(self.process, 'VmHWM'):6.1f}), "
            f"{count_files(self.process):4} files, {connections} connections to the database, "
            f"{transactions} open transactions"
        )


@contextmanager
def open_stage() -> Iterator[Stage]:
    os.sched_setaffinity(0, {1})  # inherited by PostgreSQL and by wrk
    with make_state_folder() as folder, run_postgres(folder) as url:
        migrate(url)
        with (
            psycopg.connect(url, autocommit=True) as database,
            run_contender(TASKFLOW, url, cores={0}) as (server, process),
        ):
            yield Stage(server, process.pid, database)
