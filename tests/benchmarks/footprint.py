"""How soon a server answers and how much memory it holds. `python -m tests.benchmarks.footprint`."""

import time
from contextlib import ExitStack
from statistics import median

from tests.benchmarks.costs import read_memory
from tests.benchmarks.exchanges import EXCHANGES
from tests.benchmarks.load import run_load
from tests.benchmarks.servers import TASKFLOW, run_contender
from tests.benchmarks.stage import SERVER_CORE, open_stage

STARTS = 5
LOADS = 4
REQUESTS_OF_A_LOAD = 50_000


def main() -> None:
    exchange = next(exchange for exchange in EXCHANGES if exchange.name == "list of 10")
    with ExitStack() as stack:
        url, database = stack.enter_context(open_stage())
        exchange.prepare(database)
        starts = []
        for _ in range(STARTS):
            started = time.perf_counter()
            with run_contender(TASKFLOW, url, cores=SERVER_CORE) as (base_url, _):
                exchange.probe(base_url)
                starts.append(time.perf_counter() - started)
        print(f"start to first 200: median {median(starts):.2f} s, worst {max(starts):.2f} s of {STARTS}")
        base_url, process = stack.enter_context(run_contender(TASKFLOW, url, cores=SERVER_CORE))
        exchange.probe(base_url)
        print(f"memory at rest: {read_memory(process.pid):.1f} MiB")
        sent = 0
        for _ in range(LOADS):
            target = sent + REQUESTS_OF_A_LOAD
            while sent < target:
                figures = run_load(base_url, exchange, seconds=3, length=None)
                assert figures.wrong == 0
                sent += figures.requests
            print(f"memory after {sent:,} requests: {read_memory(process.pid):.1f} MiB", flush=True)


if __name__ == "__main__":
    main()
