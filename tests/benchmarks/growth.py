"""Whether a request costs more in a large table: 10 million tasks of 100,000 users beside 10 thousand of 100.

`python -m tests.benchmarks.growth`. Two databases in one PostgreSQL, a server for each, asked in turn, one request
after the other; the cost is the CPU of the server and of all of PostgreSQL.
"""

import os
import random
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx
import psycopg
from psycopg.conninfo import conninfo_to_dict

from taskflow.cli.embedded import run_postgres
from taskflow.database.migrations import migrate
from tests.benchmarks.costs import read_cpu
from tests.benchmarks.servers import TASKFLOW, run_contender
from tests.conftest import make_url
from tests.support.cast import User
from tests.support.development import make_state_folder
from tests.support.postgres import find_server_processes

ROUNDS = 5
REQUESTS = 2_000
TASKS_OF_A_USER = 100
CLIENTS = 100
"""How many users ask; as many others in both tables, spread over all of it."""


@dataclass(frozen=True)
class Table:
    """A table of a size, and the server on it."""

    users: int
    client: httpx.Client
    server: int

    def find_user(self) -> tuple[User, int]:
        """Give a user who asks, and one of its tasks: the n-th user has the ids n, n + users, and so on."""
        number = random.randrange(CLIENTS) * (self.users // CLIENTS) + 1  # noqa: S311  no secret
        task = number + self.users * random.randrange(TASKS_OF_A_USER)  # noqa: S311
        return User(f"user_{number}"), task


HEADERS: dict[str, dict[str, str]] = {}


def ask(table: Table, method: str, path: str, user: User, **body: object) -> None:
    if user.id not in HEADERS:
        HEADERS[user.id] = user.headers
    headers = HEADERS[user.id]
    response = table.client.request(method, path, headers=headers, json=body or None)
    assert response.status_code in {200, 201}, response.text


def get(table: Table) -> None:
    user, task = table.find_user()
    ask(table, "GET", f"{user.tasks}/{task}", user)


def list_ten(table: Table) -> None:
    user = User(f"ten_{random.randrange(CLIENTS)}")  # noqa: S311
    ask(table, "GET", user.tasks, user)


def create(table: Table) -> None:
    user, _ = table.find_user()
    ask(table, "POST", user.tasks, user, title="Buy groceries")


def patch(table: Table) -> None:
    user, task = table.find_user()
    ask(table, "PATCH", f"{user.tasks}/{task}", user, is_completed=True)


KINDS: dict[str, Callable[[Table], None]] = {"get": get, "list of 10": list_ten, "create": create, "patch": patch}


def main() -> None:
    with ExitStack() as stack:
        folder = stack.enter_context(make_state_folder())
        os.sched_setaffinity(0, {1})
        url = stack.enter_context(run_postgres(folder))
        small, large = (open_table(stack, url, users) for users in (100, 100_000))
        print("| Request | 10 thousand tasks, µs of CPU | 10 million | ratio |\n|---|---:|---:|---:|")
        for name, kind in KINDS.items():
            measure(small, kind, folder)  # the warm-up
            measure(large, kind, folder)
            rounds = [(measure(small, kind, folder), measure(large, kind, folder)) for _ in range(ROUNDS)]
            before, after = (median(costs) * 1e6 for costs in zip(*rounds, strict=True))
            ratio = median(large_cost / small_cost for small_cost, large_cost in rounds)
            print(f"| {name} | {before:.0f} | {after:.0f} | {ratio:.2f} |", flush=True)


def open_table(stack: ExitStack, url: str, users: int) -> Table:
    """Fill a database of its own and start a server on it."""
    name = f"tasks_of_{users}"
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    url = make_url({**conninfo_to_dict(url), "dbname": name})
    migrate(url)
    with psycopg.connect(url, autocommit=True) as database:
        database.execute(
            "INSERT INTO tasks (user_id, title, description)"
            " SELECT 'user_' || (n - 1) %% %(users)s + 1, 'Buy groceries, number ' || n, 'Milk, eggs, bread'"
            " FROM generate_series(1, %(users)s * %(each)s) AS n",
            {"users": users, "each": TASKS_OF_A_USER},
        )
        database.execute(
            "INSERT INTO tasks (user_id, title) SELECT 'ten_' || n % 100, n FROM generate_series(1, 1000) n"
        )
        database.execute("VACUUM ANALYZE tasks")
        database.execute("CHECKPOINT")
    base_url, process = stack.enter_context(run_contender(TASKFLOW, url, cores={0}))
    client = stack.enter_context(httpx.Client(base_url=base_url, timeout=60))
    return Table(users, client, process.pid)


def measure(table: Table, kind: Callable[[Table], None], folder: Path) -> float:
    """Give the seconds of CPU that a request costs, PostgreSQL included."""
    processes = {table.server, *find_server_processes(folder)}
    before = read_cpu(*processes)
    for _ in range(REQUESTS):
        kind(table)
    return (read_cpu(*processes) - before) / REQUESTS


if __name__ == "__main__":
    main()
