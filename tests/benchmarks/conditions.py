"""What a client saves that says what it has: the 304 of a list of 1000 beside its 200.

`python -m tests.benchmarks.conditions`. One server on one core, both kinds of request in turn; the ratio is the median
of the rounds' ratios.
"""

from contextlib import ExitStack
from dataclasses import replace
from statistics import median

import httpx

from tests.benchmarks.exchanges import EXCHANGES
from tests.benchmarks.load import run_load
from tests.benchmarks.servers import TASKFLOW, run_contender
from tests.benchmarks.stage import SERVER_CORE, open_stage
from tests.support.cast import User

ROUNDS = 5
SECONDS = 3


def main() -> None:
    whole = next(exchange for exchange in EXCHANGES if exchange.name == "list of 1000")
    with ExitStack() as stack:
        url, database = stack.enter_context(open_stage())
        whole.prepare(database)
        server, _ = stack.enter_context(run_contender(TASKFLOW, url, cores=SERVER_CORE))
        tag = httpx.get(server + whole.path, headers=User(whole.user).headers).headers["ETag"]
        exchanges = (whole, replace(whole, name="304", status=304, condition=tag))
        rounds = []
        for number in range(ROUNDS):
            rates = []
            for exchange in exchanges:
                length = exchange.probe(server)
                figures = run_load(server, exchange, seconds=SECONDS, length=length)
                if figures.wrong:
                    raise RuntimeError(f"{exchange.name}: {figures.wrong} wrong answers")
                rates.append(figures.rate)
            rounds.append(rates[1] / rates[0])
            print(f"round {number + 1}: 200 {rates[0]:.0f}/s, 304 {rates[1]:.0f}/s, {rounds[-1]:.1f} times", flush=True)
        print(f"A 304 is {median(rounds):.1f} times as fast as its 200.")


if __name__ == "__main__":
    main()
