"""A real Prometheus reads the counts while there is load, and comes to the same figures as who made the load."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from tests.benchmarks.exchanges import EXCHANGES
from tests.benchmarks.load import CONNECTIONS, run_load
from tests.conftest import MakeDatabase
from tests.support.addresses import find_port
from tests.support.faults import run_impatient_server
from tests.support.server import Server, stop_process
from tests.support.waiting import wait_for

LOAD_SECONDS = 2
SCRAPE_SECONDS = 1
START_SECONDS = 60

OPERATIONS = {"list of 10": ("listTasks", "200"), "create": ("createTask", "201")}


@contextmanager
def run_prometheus(server: Server, folder: Path) -> Iterator[httpx.Client]:
    """Let a Prometheus scrape the server until the block ends; give a client of it."""
    port = find_port()
    configuration = folder / "prometheus.yml"
    configuration.write_text(
        f"scrape_configs: [{{job_name: taskflow, scrape_interval: {SCRAPE_SECONDS}s,"
        f" static_configs: [{{targets: ['{urlsplit(server.url).netloc}']}}]}}]"
    )
    command = ["prometheus", f"--config.file={configuration}", f"--storage.tsdb.path={folder / 'data'}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  our own command
            [*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            wait_for(lambda: _is_ready(client), START_SECONDS)
            yield client
    finally:
        stop_process(process)


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/-/ready").is_success
    except httpx.ConnectError:
        return False


def ask(prometheus: httpx.Client, query: str) -> float:
    """Give the value of a query; 0 where there is none."""
    result = prometheus.get("/api/v1/query", params={"query": query}).raise_for_status().json()["data"]["result"]
    return float(result[0]["value"][1]) if result else 0


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed")
@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_prometheus_and_the_load_agree_within_a_hundredth(make_database: MakeDatabase, tmp_path: Path) -> None:
    """For answers of two operations, by two workers; and it can tell how long they took."""
    url = make_database()
    with (
        run_impatient_server(url, "--workers", "2", DATABASE_TIMEOUT="20") as server,
        psycopg.connect(url, autocommit=True) as database,
        run_prometheus(server, tmp_path) as prometheus,
    ):
        for exchange in (exchange for exchange in EXCHANGES if exchange.name in OPERATIONS):
            operation, status = OPERATIONS[exchange.name]
            exchange.prepare(database)
            sent = run_load(server.url, exchange, seconds=LOAD_SECONDS, length=None)
            assert (sent.requests > 100, sent.wrong) == (True, 0)
            labels = f'operation="{operation}",status="{status}"'
            # What was under way at the end has been counted here, and not there.
            counted = wait_for(lambda labels=labels: _read_when_steady(prometheus, labels), START_SECONDS)  # type: ignore[misc]
            assert 0.99 * sent.requests <= counted <= 1.01 * sent.requests + CONNECTIONS
        total = ask(prometheus, 'sum(taskflow_requests_total{operation!="none"})')
        assert ask(prometheus, "sum(taskflow_request_duration_seconds_count)") >= total
        median = "histogram_quantile(0.5, sum by (le) (taskflow_request_duration_seconds_bucket))"
        assert 0 < ask(prometheus, median) < 1


def _read_when_steady(prometheus: httpx.Client, labels: str) -> float | None:
    """Give a count that two scrapes have found the same, if it is."""
    now, before = (
        ask(prometheus, f"sum(taskflow_requests_total{{{labels}}}{offset})") for offset in ("", " offset 3s")
    )
    return now if now and now == before else None
