"""What list queries cost in a table of 10 million tasks, for users of a hundred, ten thousand and a million of them.

`python -m tests.benchmarks.queries`. Each page is asked for by HTTP; the plan is that of the statement behind it.
"""

import time
from contextlib import ExitStack
from statistics import median

import httpx
import psycopg

from taskflow.database import statements
from tests.benchmarks.servers import TASKFLOW, run_contender
from tests.benchmarks.stage import SERVER_CORE, open_stage
from tests.support.cast import User

ROUNDS = 20

USERS = {"small": "n % 100000 = 3", "middle": "n % 1000 = 2", "large": "n % 10 = 1"}
"""Who has which of the tasks; all others belong to a crowd of a hundred tasks each. `late` has the last million."""

QUERIES = (
    "sort=id",
    "sort=-id",
    "sort=-id&is_completed=false",
    "sort=-id&q=77777",
    "sort=created_at",
    "sort=-updated_at",
    "sort=title",
)


def main() -> None:
    with ExitStack() as stack:
        url, database = stack.enter_context(open_stage())
        fill(database)
        base_url, _ = stack.enter_context(run_contender(TASKFLOW, url, cores=SERVER_CORE))
        client = stack.enter_context(httpx.Client(base_url=base_url, timeout=60))
        names = [*USERS, "late"]
        print(f"| Query, limit=50 | {' | '.join(names)} | reads |\n|---|{'---:|' * len(names)}---|")
        for query in QUERIES:
            costs = [f"{measure(client, User(name), query) * 1e3:.1f} ms" for name in names]
            print(f"| {query} | {' | '.join(costs)} | {find_plan(database, query)} |", flush=True)


def fill(database: psycopg.Connection) -> None:
    owner = " ".join(f"WHEN {condition} THEN '{name}'" for name, condition in USERS.items())
    # Built of nothing but the constants above.
    database.execute(
        "INSERT INTO tasks (user_id, title, description, is_completed, updated_at)"  # noqa: S608
        f" SELECT CASE WHEN n > 9000000 THEN 'late' {owner} ELSE 'user_' || n % 99991 END,"
        " md5(n::text) || n, 'Milk, eggs, bread', n % 7 = 0, now() + n % 86400 * interval '1 second'"
        " FROM generate_series(1, 10000000) AS n".encode()
    )
    database.execute("VACUUM ANALYZE tasks")


def measure(client: httpx.Client, user: User, query: str) -> float:
    """Give the median of the seconds that a page takes: the first one, and those after it in turn."""
    seconds = []
    headers = user.headers
    first = target = f"{user.tasks}?{query}&limit=50"
    for _ in range(ROUNDS):
        started = time.perf_counter()
        response = client.get(target, headers=headers)
        seconds.append(time.perf_counter() - started)
        assert response.status_code == 200, response.text
        target = response.links.get("next", {}).get("url", first)
    return median(seconds)


def find_plan(database: psycopg.Connection, query: str) -> str:
    """Say by which index the large user's tasks are found, and whether they are sorted."""
    parameters = httpx.QueryParams(query)
    filters = frozenset(parameters) - {"sort"}
    statement = statements.compile_query(parameters["sort"], filters=filters, is_continued=False)
    values = {"user_id": "'large'", "limit": "50", "is_completed": "false", "q": "'77777'"}
    database.execute(b"PREPARE page AS " + statement.text)
    arguments = ", ".join(values[name] for name in statement.parameters)
    rows = database.execute(f"EXPLAIN EXECUTE page ({arguments})".encode()).fetchall()
    database.execute("DEALLOCATE page")
    lines = [row[0].strip() for row in rows]
    scans = [line for line in lines if " on tasks " in line or "Index Scan on" in line]
    sorts = [line for line in lines if line.startswith("Sort Key") and "tasks." in line]
    return "; ".join(line.removeprefix("->").partition("(")[0].strip() for line in scans + sorts)


if __name__ == "__main__":
    main()
