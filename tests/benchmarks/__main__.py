"""Measures all servers side by side: `python -m tests.benchmarks`, or `make bench`."""

import argparse
from contextlib import ExitStack

import psycopg

from tests.benchmarks.exchanges import EXCHANGES, Exchange
from tests.benchmarks.load import Figures, run_load
from tests.benchmarks.report import Results, write_report
from tests.benchmarks.servers import CONTENDERS, LIMIT, Contender, install_fastify, run_contender
from tests.benchmarks.stage import SERVER_CORE, open_stage


def main() -> None:
    options = _read_options()
    exchanges = [exchange for exchange in EXCHANGES if not options.only or exchange.name in options.only]
    contenders = [contender for contender in CONTENDERS if not options.servers or contender.name in options.servers]
    install_fastify()
    with ExitStack() as stack:
        url, database = stack.enter_context(open_stage())
        urls = {
            contender: stack.enter_context(run_contender(contender, url, cores=SERVER_CORE))[0]
            for contender in contenders
        }
        results: Results = {}
        for exchange in exchanges:
            for number in range(options.rounds):
                # Each round begins with another server, so that none always runs after the same one.
                turn = number % len(contenders)
                for contender in contenders[turn:] + contenders[:turn]:
                    if contender is LIMIT and exchange.status >= 400:
                        continue
                    figures = _measure(urls[contender], contender.adapt(exchange), database, options.seconds)
                    results.setdefault((exchange.name, contender.name), []).append(figures)
                    _print_progress(exchange, number, contender, figures)
    write_report(results, [exchange.name for exchange in exchanges], chart=options.chart)


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("tests.benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="for each server and kind of request in each round")
    parser.add_argument("--only", nargs="*", help="kinds of request, such as get")
    parser.add_argument("--servers", nargs="*", help="servers, such as TaskFlow")
    parser.add_argument("--chart", help="an SVG file to draw the requests per second in")
    options = parser.parse_args()
    if options.chart and (options.only or options.servers):
        parser.error("--chart draws a whole run, without --only and --servers")
    return options


def _measure(url: str, exchange: Exchange, database: psycopg.Connection, seconds: int) -> Figures:
    exchange.prepare(database)
    length = exchange.probe(url)
    expected = length if exchange.has_constant_length else None
    run_load(url, exchange, seconds=1, length=None)  # the warm-up
    if exchange.method == "DELETE":
        exchange.prepare(database)
    return run_load(url, exchange, seconds=seconds, length=expected)


def _print_progress(exchange: Exchange, number: int, contender: Contender, figures: Figures) -> None:
    line = f"{exchange.name:<14} round {number + 1}  {contender.name:<34} {figures.rate:>8.0f}/s"
    print(line if not figures.wrong else f"{line}  WRONG: {figures.wrong}", flush=True)


if __name__ == "__main__":
    main()
