"""Twice what the server can do, for a minute; then clients that do not wait at all."""

import json
import os
import re
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from threading import Event, Thread

import httpx

from tests.soak.stage import Stage, open_stage
from tests.support.cast import ALICE

CROWD = 3500
"""Connections, fewer than MAX_CONNECTIONS and more than MAX_REQUESTS."""

PATH = f"{ALICE.tasks}/1"
PROBE_SECONDS = 0.05


@dataclass(frozen=True)
class Load:
    """What came of a load."""

    answers: int
    refused: int
    lost: int
    seconds: float

    @property
    def rate(self) -> float:
        """Answers a second that were no refusals."""
        return (self.answers - self.refused) / self.seconds

    def describe(self) -> str:
        return (
            f"{self.answers / self.seconds:.0f}/s sent, {self.rate:.0f}/s answered, "
            f"{self.refused / self.seconds:.0f}/s refused, {self.lost} lost"
        )


def overload(*, seconds: int) -> None:
    print(f"# Twice what the server can do, for {seconds} s")
    with open_stage() as stage:
        stage.database.execute("INSERT INTO tasks (user_id, title) VALUES (%s, 'Buy groceries')", [ALICE.id])
        _load(stage, connections=50, seconds=3)
        capacity = median(_load(stage, connections=500, seconds=5).rate for _ in range(3))
        print(f"capacity with 500 connections: {capacity:.0f}/s; at rest: {stage.describe()}")
        for name, think_ms in (("paced to twice that", 1000 * CROWD / (2 * capacity)), ("that do not wait", 0.0)):
            with _probe(stage) as probes:
                load = _load(stage, connections=CROWD, seconds=seconds, think_ms=think_ms)
            print(f"{CROWD} connections {name}: {load.describe()}; {load.rate / capacity:.0%} of capacity")
            for status, latencies in sorted(probes.items()):
                ordered = sorted(latencies)
                p95 = ordered[int(len(ordered) * 0.95)]
                print(f"  beside them, {len(ordered)} x {status}: p50 {median(ordered):.0f} ms, p95 {p95:.0f} ms")
            ended = time.perf_counter()
            _wait_for_200(stage)
            print(f"  first 200 after the end: {(time.perf_counter() - ended) * 1000:.0f} ms; {stage.describe()}")
    print(flush=True)


def _load(stage: Stage, *, connections: int, seconds: int, think_ms: float = 0) -> Load:
    command = ["wrk", "--threads=1", f"--connections={connections}", f"--duration={seconds}s", "--timeout=20s"]
    environment = {"THINK_MS": f"{think_ms:.1f}", "TOKEN": ALICE.token, "REQUEST_PATH": PATH}
    result = subprocess.run(  # noqa: S603  our own command
        [*command, "--script", str(Path(__file__).with_name("paced.lua")), stage.url],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"^RESULT (.*)$", result.stdout, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"wrk ended without a result: {result.stdout}{result.stderr}")
    return Load(**json.loads(found[1]))


@contextmanager
def _probe(stage: Stage) -> Iterator[dict[int, list[float]]]:
    """Ask like anybody, each time over a connection of its own; give milliseconds by status."""
    probes: dict[int, list[float]] = defaultdict(list)
    done = Event()

    def ask() -> None:
        while not done.wait(PROBE_SECONDS):
            started = time.perf_counter()
            status = httpx.get(stage.url + PATH, headers=ALICE.headers, timeout=30).status_code
            probes[status].append((time.perf_counter() - started) * 1000)

    asker = Thread(target=ask)
    asker.start()
    try:
        yield probes
    finally:
        done.set()
        asker.join()


def _wait_for_200(stage: Stage) -> None:
    while httpx.get(stage.url + PATH, headers=ALICE.headers, timeout=30).status_code != 200:
        pass
