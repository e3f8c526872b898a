"""What the server counts of itself, as Prometheus reads it, with Prometheus' own client library."""

import asyncio
import os
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from taskflow.concurrency.background import Background
from taskflow.settings import Settings, SettingsError

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that tells the library where processes that count together keep their counts."""

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Seconds, from a short list to twice the deadline of a statement."""

SAMPLE_SECONDS = 1.0
"""How old an answer may be, and what another process than the one that is asked has counted."""

NONE = "none"
"""The operation of what is none of the contract's, and the status of what was left without an answer."""

CLIENT_GONE = 499
"""What the log says of a request whose client has not waited for an answer."""


@dataclass(slots=True)
class _Tally:
    """Requests of one operation and status that have ended since the last look: how many, by duration, and how long.

    To count each with the library would cost five times as much, and more where several processes count together.
    """

    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    seconds: float = 0


class ConnectionPool(Protocol):
    """What is looked at of the database: how many connections there are to be, are open, and are waited for."""

    size: int

    @property
    def connections(self) -> int: ...

    @property
    def waiting(self) -> int: ...


_OTHER_VERSION = re.compile(r"version=(?!(?:0\.0\.[14]|1\.0\.0)\s*(?:[;,]|$))[^;,]*")
"""A version that is not offered: the library fails at some, and would write each other one anew."""


class Metrics:
    """The counts of this process. It answers for all that serve with it."""

    def __init__(self) -> None:
        # Not before: with its first import, the library decides whether processes count together.
        from prometheus_client import (  # noqa: PLC0415
            CollectorRegistry,
            Counter,
            Gauge,
            Histogram,
            disable_created_metrics,
            multiprocess,
        )

        # Of processes that count together the library does not know when they began; so it is never said.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        own = self.registry = CollectorRegistry()
        if SHARED_FOLDER in os.environ:
            multiprocess.MultiProcessCollector(self.registry)  # type: ignore[no-untyped-call]
            own = CollectorRegistry()

        def count(name: str, meaning: str, *labels: str) -> Counter:
            return Counter(f"taskflow_{name}", meaning, labels, registry=own)

        def gauge(name: str, meaning: str) -> Gauge:
            return Gauge(f"taskflow_{name}", meaning, registry=own, multiprocess_mode="livesum")

        self._requests = count("requests", "Answers, by operation of the contract and status.", "operation", "status")

        class SummableHistogram(Histogram):
            """A histogram that takes many observations at once, as the library's own does not."""

            def add(self, buckets: list[int], total: float) -> None:
                """Add observations: how many there are in each bucket, and their sum."""
                self._sum.inc(total)
                for bucket, number in zip(self._buckets, buckets, strict=True):
                    if number:
                        bucket.inc(number)

        self._durations = SummableHistogram(
            "taskflow_request_duration_seconds",
            "From the head of a request to the end of its answer, by operation of the contract.",
            ["operation"],
            buckets=BUCKETS,
            registry=own,
        )
        self._in_flight = gauge("requests_in_flight", "Requests under way on the API's port.")
        self._pool_size = gauge("database_pool_size", "Connections to the database that there are to be.")
        self._connections = gauge("database_connections", "Connections to the database that are open.")
        self._waiting = gauge("database_waiting", "Requests that wait for a connection to the database.")
        self._database_errors = count("database_errors", "Statements and connections that failed, by kind.", "kind")
        self._key_fetches = count("key_fetches", "Fetches of the published keys, by outcome.", "outcome")
        self._tallies: defaultdict[tuple[str, object], _Tally] = defaultdict(_Tally)
        self._events: defaultdict[tuple[Counter, *tuple[object, ...]], int] = defaultdict(int)
        self._pool: ConnectionPool | None = None
        self._sampling = Background(self._keep_sampling)
        self._answers: dict[str, Response] = {}
        self.under_way = 0
        """The requests under way. Who answers them counts here."""

    def watch(self, pool: ConnectionPool) -> None:
        self._pool = pool

    def end_request(self, operation: str | None, status: int | None, seconds: float) -> None:
        """Count a request: its operation in the contract and the status of its answer, if it had them."""
        self.under_way -= 1
        tally = self._tallies[operation or NONE, NONE if status is None or status == CLIENT_GONE else status]
        tally.seconds += seconds
        tally.buckets[bisect_left(BUCKETS, seconds)] += 1

    def count_refusal(self, status: int) -> None:
        """Count the answer to what was no request, or was one too many."""
        self._events[self._requests, NONE, status] += 1

    def count_database_error(self, kind: str) -> None:
        self._events[self._database_errors, kind] += 1

    def count_key_fetch(self, is_done: bool) -> None:  # noqa: FBT001  what is told of a fetch
        self._events[self._key_fetches, "done" if is_done else "failed"] += 1

    async def open(self) -> None:
        """Begin to tell the library, from time to time, what has been counted, and how things stand."""
        self._sampling.start()

    async def close(self) -> None:
        await self._sampling.stop()
        self._sample()

    async def answer(self, request: Request) -> Response:
        """Give all counts in the form that is asked for: Prometheus' text, or OpenMetrics.

        Written once in a second, however many ask: it takes as long as twenty requests, or more with many workers.
        """
        from prometheus_client.exposition import choose_encoder  # noqa: PLC0415  as above

        encode, media_type = choose_encoder(_OTHER_VERSION.sub("", request.headers.get("Accept", "")))
        if media_type not in self._answers:
            self._sample()
            self._answers[media_type] = Response(encode(self.registry), headers={"Content-Type": media_type})
            asyncio.get_running_loop().call_later(SAMPLE_SECONDS, self._answers.pop, media_type)
        return self._answers[media_type]

    async def _keep_sampling(self) -> None:
        while True:
            self._sample()
            await asyncio.sleep(SAMPLE_SECONDS)

    def _sample(self) -> None:
        # The first of its kind needs a file where workers count together. Files may have run out, or the disk is full.
        # What cannot be told now is told later.
        with suppress(OSError):
            self._tell_library()

    def _tell_library(self) -> None:
        for operation, status in list(self._tallies):
            requests, durations = self._requests.labels(operation, status), self._durations.labels(operation)
            tally = self._tallies.pop((operation, status))
            requests.inc(sum(tally.buckets))
            durations.add(tally.buckets, tally.seconds)
        for event in list(self._events):
            counter, *labels = event
            counter.labels(*labels).inc(self._events.pop(event))
        self._in_flight.set(self.under_way)
        if self._pool is not None:
            self._pool_size.set(self._pool.size)
            self._connections.set(self._pool.connections)
            self._waiting.set(self._pool.waiting)


def make_metrics(settings: Settings) -> Metrics | None:
    """Give the counts of this process, unless METRICS_PORT is off."""
    return None if settings.metrics_port == "off" else Metrics()


@contextmanager
def count_together(settings: Settings) -> Iterator[None]:
    """Let the processes that are started meanwhile count together, if there are to be several.

    Raises SettingsError where there is no place for that.
    """
    os.environ.pop(SHARED_FOLDER, None)
    if settings.metrics_port == "off" or settings.web_concurrency == 1:
        yield
        return
    try:
        shared = TemporaryDirectory(prefix="taskflow-metrics-")
    except OSError:
        raise SettingsError(
            ["METRICS_PORT must be off, or TMPDIR a folder that can be written to, for several workers to count in."]
        ) from None
    with shared as folder:
        os.environ[SHARED_FOLDER] = folder
        yield


def forget_process(pid: int) -> None:
    """Leave out of the sums what a process that has ended had under way."""
    if SHARED_FOLDER in os.environ:
        from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415  as above

        mark_process_dead(pid)  # type: ignore[no-untyped-call]
