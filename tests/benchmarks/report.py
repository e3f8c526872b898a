"""From figures to a table, and to a chart."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from tests.benchmarks.load import Figures
from tests.benchmarks.servers import CONTENDERS, FASTIFY_PG, LIMIT, PEERS, TASKFLOW

Results = dict[tuple[str, str], list[Figures]]
"""The figures of each round, by the names of the request and the server."""


def write_report(results: Results, exchanges: Sequence[str], *, chart: str | None) -> None:
    """Print two tables in Markdown: every server's figures, and TaskFlow's ratios to the others."""
    print("\n| Request | Server | req/s | p50 ms | p95 ms | p99 ms | wrong |\n|---|---|---:|---:|---:|---:|---:|")
    for exchange in exchanges:
        for contender in CONTENDERS:
            rounds = results.get((exchange, contender.name))
            if rounds:
                print(f"| {exchange} | {contender.name} | {_format_figures(rounds)} |")
    print("\n| TaskFlow | to the best FastAPI peer | to the bare function | to Fastify | p99 to the best peer's |")
    print("|---|---:|---:|---:|---:|")
    for exchange in exchanges:
        print(f"| {exchange} | {' | '.join(_compute_ratios(results, exchange))} |")
    if chart:
        draw_chart(results, exchanges, Path(chart))


def _format_figures(rounds: Sequence[Figures]) -> str:
    rate = median(figures.rate for figures in rounds)
    p50 = median(figures.p50_ms for figures in rounds)
    p95 = median(figures.p95_ms for figures in rounds)
    p99 = median(figures.p99_ms for figures in rounds)
    return f"{rate:.0f} | {p50:.1f} | {p95:.1f} | {p99:.1f} | {sum(figures.wrong for figures in rounds)}"


def _compute_ratios(results: Results, exchange: str) -> list[str]:
    """Give the medians of the ratios of each round; of the peers, the one counts that is better in it."""

    def compare(others: Sequence[str], read: Callable[[Figures], float], best: Callable[[list[float]], float]) -> str:
        ours = results.get((exchange, TASKFLOW.name), [])
        # The bare function refuses nothing: there, refusals are compared with its get.
        theirs = [results.get((exchange, name), results.get(("get", name))) for name in others]
        theirs = [rounds for rounds in theirs if rounds]
        if not ours or not theirs:
            return "-"
        pairs = zip(ours, zip(*theirs, strict=True), strict=True)
        return f"{median(read(own) / best([read(other) for other in rest]) for own, rest in pairs):.2f}"

    peers = [peer.name for peer in PEERS]
    return [
        compare(peers, lambda figures: figures.rate, max),
        compare([LIMIT.name], lambda figures: figures.rate, max),
        compare([FASTIFY_PG.name], lambda figures: figures.rate, max),
        # Who has answered nothing in a round has no p99 that another could be compared with.
        compare(peers, lambda figures: figures.p99_ms if figures.requests else math.inf, min),
    ]


def _compute_share(results: Results, exchange: str, name: str) -> float:
    limits = results.get((exchange, LIMIT.name)) or results["get", LIMIT.name]
    pairs = zip(results.get((exchange, name), []), limits, strict=False)
    return median([own.rate / limit.rate for own, limit in pairs] or [0])


def draw_chart(results: Results, exchanges: Sequence[str], path: Path) -> None:
    """Draw the requests per second, as shares of the bare function's, in bars side by side."""
    from matplotlib.figure import Figure  # noqa: PLC0415  only who draws waits for it

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    axes = figure.subplots()
    names = [contender.name for contender in CONTENDERS if (exchanges[0], contender.name) in results]
    width = 0.8 / len(names)
    for index, name in enumerate(names):
        shares = [_compute_share(results, exchange, name) for exchange in exchanges]
        positions = [number + (index - (len(names) - 1) / 2) * width for number in range(len(exchanges))]
        axes.bar(positions, shares, width, label=name)
    axes.set_xticks(range(len(exchanges)), exchanges)
    axes.set_ylabel("requests per second; the bare function's = 1\n(of 401 and 422: its get's)")
    axes.legend(fontsize="small")
    figure.savefig(path, metadata={"Date": None})
