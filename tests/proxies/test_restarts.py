"""Two servers behind a proxy, restarted one after the other under load: every POST is answered 201."""

import http.client
import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from tests.conftest import MakeDatabase
from tests.support.addresses import find_port
from tests.support.cast import ALICE, SECRET
from tests.support.proxies import Proxy, RunProxy, needs_haproxy, needs_nginx, run_haproxy, run_nginx
from tests.support.server import Server, make_environment, run_server
from tests.support.waiting import wait_for

CLIENTS = 16
POSTS_BETWEEN = 500
"""How many requests the clients send at least between two restarts."""

BODY = json.dumps({"title": "Buy groceries"})
HEADERS = {"Content-Type": "application/json", **ALICE.headers}


class Pair:
    """Two servers on one database, each at its own port whenever it runs."""

    def __init__(self, database_url: str) -> None:
        self._environment = make_environment(
            DATABASE_URL=database_url, BETTER_AUTH_SECRET=SECRET, DATABASE_POOL_SIZE="5", KEEP_ALIVE_TIMEOUT="75"
        )
        self._ports = (find_port(), find_port())
        self.urls = [f"http://127.0.0.1:{port}" for port in self._ports]
        self._running: list[ExitStack] = []

    @contextmanager
    def run(self, workers: str) -> Iterator[None]:
        self._arguments = ["--workers", workers]
        try:
            self._running = [self._start(number) for number in (0, 1)]
            yield
        finally:
            for running in self._running:
                running.close()

    def restart(self, number: int) -> None:
        """Stop a server as its supervisor would, and start it again."""
        self._running[number].close()
        self._running[number] = self._start(number)

    def _start(self, number: int) -> ExitStack:
        running = ExitStack()
        server: Server = running.enter_context(
            run_server(self._environment, "--port", str(self._ports[number]), *self._arguments)
        )
        wait_for(lambda: httpx.get(f"{server.url}/readyz").status_code == 200, 20)
        return running


class Load:
    """Clients that post over connections that they keep, one request after the other, until the block ends."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._address = urlsplit(proxy.url).netloc
        self._ending = threading.Event()
        self.answers: Counter[int] = Counter()

    @contextmanager
    def run(self) -> Iterator[None]:
        with ThreadPoolExecutor(CLIENTS) as pool:
            posting = [pool.submit(self._post) for _ in range(CLIENTS)]
            try:
                yield
            finally:
                self._ending.set()
        for client in posting:
            self.answers += client.result()

    def wait_for_posts(self, number: int) -> None:
        before = self.count
        wait_for(lambda: self.count >= before + number, 60)

    count = 0

    def _post(self) -> Counter[int]:
        statuses: Counter[int] = Counter()
        connection = http.client.HTTPSConnection(self._address, context=self._proxy.trust, timeout=30)
        while not self._ending.is_set():
            connection.request("POST", ALICE.tasks, BODY, HEADERS)
            with connection.getresponse() as response:
                response.read()
                statuses[response.status] += 1
            self.count += 1  # near enough
        connection.close()
        return statuses


@pytest.mark.parametrize(
    ("run_proxy", "workers"),
    [
        pytest.param(run_nginx, "1", marks=needs_nginx, id="nginx"),
        pytest.param(run_nginx, "2", marks=needs_nginx, id="nginx, two workers"),
        pytest.param(run_haproxy, "1", marks=needs_haproxy, id="HAProxy"),
    ],
)
def test_a_restart_loses_no_post(run_proxy: RunProxy, workers: str, make_database: MakeDatabase) -> None:
    """And every answer has its one row."""
    database_url = make_database()
    pair = Pair(database_url)
    with pair.run(workers), run_proxy(pair.urls) as proxy:
        load = Load(proxy)
        with load.run():
            for number in (0, 1):
                load.wait_for_posts(POSTS_BETWEEN)
                pair.restart(number)
            load.wait_for_posts(POSTS_BETWEEN)
    assert load.answers == {201: sum(load.answers.values())}
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM tasks").fetchone() == (load.answers[201],)
