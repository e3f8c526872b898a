"""What the list of 100,000 tasks costs: memory, and the patience of others. `python -m tests.benchmarks.lists`."""

import json
import subprocess
import time
from contextlib import ExitStack

import httpx
import psycopg

from tests.benchmarks.costs import read_cpu, read_memory
from tests.benchmarks.servers import TASKFLOW, run_contender
from tests.benchmarks.stage import SERVER_CORE, open_stage
from tests.support.cast import ALICE, BOB

SIZES = (12_500, 25_000, 50_000, 100_000)
READERS = 3
LISTS_OF_A_READER = 5


def main() -> None:
    with ExitStack() as stack:
        url, database = stack.enter_context(open_stage())
        base_url, process = stack.enter_context(run_contender(TASKFLOW, url, cores=SERVER_CORE))
        client = stack.enter_context(httpx.Client(base_url=base_url, timeout=60))
        for _ in range(1_000):  # what a server holds that has worked, without any long list
            client.get(BOB.tasks, headers=BOB.headers)
        rest = read_memory(process.pid)
        for size in SIZES:
            fill(database, size)
            before, started = read_cpu(process.pid), time.perf_counter()
            first, body = read_list(client, started)
            whole, cpu = time.perf_counter() - started, read_cpu(process.pid) - before
            assert [task["id"] for task in json.loads(body)] == list(range(1, size + 1))
            print(f"{size:>7} tasks, {len(body) / 1e6:.1f} MB: first byte after {first * 1e3:.0f} ms, ", end="")
            print(f"all after {whole * 1e3:.0f} ms; {whole / size * 1e6:.2f} µs a task, ", end="")
            print(f"{cpu / size * 1e6:.2f} µs of the server's CPU")
        added = read_memory(process.pid, "VmHWM") - rest
        print(f"memory: {rest:.1f} MiB without long lists, at most {added:.1f} more with one")
        answers = measure_others(client)
        added = read_memory(process.pid, "VmHWM") - rest
        print(f"with {READERS} at once: at most {added:.1f} more; another client got {len(answers)} answers, ", end="")
        print(f"median {answers[len(answers) // 2] * 1e3:.1f} ms, worst {answers[-1] * 1e3:.1f} ms")


def fill(database: psycopg.Connection, count: int) -> None:
    database.execute("TRUNCATE tasks RESTART IDENTITY")
    database.execute(
        "INSERT INTO tasks (user_id, title, description)"
        " SELECT 'alice', 'Buy groceries, number ' || n, 'Milk, eggs, bread' FROM generate_series(1, %s) AS n",
        [count],
    )
    database.execute("INSERT INTO tasks (user_id, title) SELECT 'bob', n FROM generate_series(1, 10) AS n")
    database.execute("VACUUM ANALYZE tasks")


def read_list(client: httpx.Client, started: float) -> tuple[float, bytes]:
    """Read Alice's list; give the seconds to its first byte, and all of it."""
    with client.stream("GET", ALICE.tasks, headers=ALICE.headers) as response:
        assert response.status_code == 200
        parts = response.iter_bytes()
        beginning = next(parts)
        return time.perf_counter() - started, beginning + b"".join(parts)


def measure_others(client: httpx.Client) -> list[float]:
    """Let some read Alice's list again and again; give the seconds that Bob's requests take meanwhile, sorted."""
    urls = [f"{str(client.base_url).rstrip('/')}{ALICE.tasks}"] * LISTS_OF_A_READER
    command = ["curl", "--silent", "--fail", "--write-out", "", *["--output", "/dev/null"] * len(urls), "--header"]
    token = f"Authorization: {ALICE.headers['Authorization']}"
    readers = [subprocess.Popen([*command, token, *urls]) for _ in range(READERS)]  # noqa: S603  our own command
    seconds = []
    headers = BOB.headers
    while any(reader.poll() is None for reader in readers):
        started = time.perf_counter()
        response = client.get(BOB.tasks, headers=headers)
        seconds.append(time.perf_counter() - started)
        assert len(response.json()) == 10
    assert [reader.returncode for reader in readers] == [0] * READERS
    return sorted(seconds)


if __name__ == "__main__":
    main()
