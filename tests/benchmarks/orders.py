"""What whole lists cost in other orders, beside the plain list. `python -m tests.benchmarks.orders`."""

import subprocess
import time
from contextlib import ExitStack
from statistics import median

from tests.benchmarks.servers import TASKFLOW, run_contender
from tests.benchmarks.stage import SERVER_CORE, open_stage
from tests.support.cast import ALICE

SIZES = (10_000, 100_000)
ROUNDS = 5

ORDERS = (
    "sort=-id",
    "sort=created_at",
    "sort=-updated_at",
    "sort=title",
    "sort=-title",
    "q=e",
    "sort=title&q=e",
    "sort=title&is_completed=false",
)
"""All but the last hold every task. The plain list is asked for between them."""


def main() -> None:
    with ExitStack() as stack:
        url, database = stack.enter_context(open_stage())
        base_url, _ = stack.enter_context(run_contender(TASKFLOW, url, cores=SERVER_CORE))
        print(f"| Query, times the plain list | {' | '.join(f'{size:,} tasks' for size in SIZES)} |")
        print(f"|---|{'---:|' * len(SIZES)}")
        ratios: dict[str, list[str]] = {order: [] for order in ORDERS}
        for size in SIZES:
            database.execute("TRUNCATE tasks RESTART IDENTITY")
            database.execute(
                "INSERT INTO tasks (user_id, title, description, is_completed, created_at, updated_at)"
                " SELECT 'alice', md5(n::text) || ' e', 'Milk, eggs, bread', n %% 5 = 0,"
                " now() + n * 7919 %% 100003 * interval '1 second', now() + n * 31 %% 90007 * interval '1 second'"
                " FROM generate_series(1, %s) AS n",
                [size],
            )
            database.execute("VACUUM ANALYZE tasks")
            rounds: dict[str, list[float]] = {order: [] for order in ORDERS}
            for _ in range(ROUNDS):
                for order in ORDERS:
                    plain = measure(f"{base_url}{ALICE.tasks}")
                    rounds[order].append(measure(f"{base_url}{ALICE.tasks}?{order}") / plain)
            for order in ORDERS:
                values = rounds[order]
                ratios[order].append(f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})")
        for order in ORDERS:
            print(f"| {order} | {' | '.join(ratios[order])} |")


def measure(url: str) -> float:
    """Return the seconds until the whole list is there, by a client that costs little itself."""
    token = f"Authorization: {ALICE.headers['Authorization']}"
    command = ["curl", "--silent", "--fail", "--output", "/dev/null", "--header", token, url]
    started = time.perf_counter()
    subprocess.run(command, check=True)  # noqa: S603  our own command
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
