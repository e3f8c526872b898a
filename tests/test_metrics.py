"""/metrics: what the server counts is what clients have seen, whoever of its processes has answered."""

import asyncio
import errno
import math
import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import httpx
import psycopg
import pytest
from prometheus_client import generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

from taskflow.observability.metrics import BUCKETS, Metrics, count_together
from taskflow.settings import SettingsError
from tests.conftest import MakeDatabase
from tests.support.addresses import find_port
from tests.support.cast import ALICE, BOB, SECRET
from tests.support.faults import run_impatient_server
from tests.support.keys import SigningKey, run_key_server
from tests.support.logs import Scene, open_scene
from tests.support.processes import find_workers, run_command
from tests.support.server import START_SECONDS, Server, make_environment, run_server, stop_process
from tests.support.settings import make_settings
from tests.support.waiting import wait_for
from tests.support.wire import connect, write_head

Counts = dict[tuple[str, ...], float]

NAMES = {
    "taskflow_requests",
    "taskflow_request_duration_seconds",
    "taskflow_requests_in_flight",
    "taskflow_database_pool_size",
    "taskflow_database_connections",
    "taskflow_database_waiting",
    "taskflow_database_errors",
    "taskflow_key_fetches",
}


def read(url: str, path: str = "/metrics") -> Counts:
    """Give every sample by its name and the values of its labels, these in order of their own names."""
    response = httpx.get(url + path)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (sample.name, *(label for _, label in sorted(sample.labels.items()))): sample.value
        for family in parse_text(response.text)
        for sample in family.samples
    }


def pick(counts: Counts, name: str) -> Counts:
    """Give the samples of one name, by the values of their labels."""
    return {key[1:]: value for key, value in counts.items() if key[0] == f"taskflow_{name}"}


@pytest.fixture
def scene(make_database: MakeDatabase) -> Iterator[Scene]:
    with open_scene(make_database()) as opened:
        yield opened


def test_requests_are_counted_by_operation_and_status(scene: Scene) -> None:
    """Those too that are no operation's, or are refused before they are a request; each once."""
    url, client = scene.server.url, scene.client
    client.headers.update(ALICE.headers)
    task = f"{ALICE.tasks}/1"
    client.post(ALICE.tasks, json={"title": "Buy groceries"})
    client.post(ALICE.tasks, json={"title": ""})
    for _ in range(3):
        client.get(ALICE.tasks)
    client.head(task)
    client.get(BOB.tasks)
    client.get(ALICE.tasks, headers={"Authorization": ""})
    client.patch(task, json={"is_completed": True})
    client.delete(task)
    client.delete(task)
    client.put(task)
    client.get("/livez")
    client.get("/docs")
    client.get("/nowhere")
    with connect(scene.server) as wire:
        wire.send(b"this is not HTTP\r\n\r\n")
        assert wire.read_answer().status_code == 400
    counts = read(url)
    assert pick(counts, "requests_total") == {
        ("createTask", "201"): 1,
        ("createTask", "422"): 1,
        ("listTasks", "200"): 3,
        ("listTasks", "401"): 1,
        ("listTasks", "403"): 1,
        ("getTask", "200"): 1,
        ("updateTask", "200"): 1,
        ("deleteTask", "204"): 1,
        ("deleteTask", "404"): 1,
        ("getLiveness", "200"): 1,
        ("none", "200"): 1,
        ("none", "400"): 1,
        ("none", "404"): 1,
        ("none", "405"): 1,
    }
    assert pick(counts, "request_duration_seconds_count") == {
        ("createTask",): 2,
        ("listTasks",): 5,
        ("getTask",): 1,
        ("updateTask",): 1,
        ("deleteTask",): 2,
        ("getLiveness",): 1,
        ("none",): 3,
    }


def test_a_request_that_is_given_up_is_no_second_answer(make_database: MakeDatabase) -> None:
    """Its client was told 408 by the server, and nothing by the operation."""
    with run_impatient_server(make_database(), CLIENT_TIMEOUT="0.2") as server, connect(server) as wire:
        wire.send(write_head("POST", ALICE.tasks.encode(), b"Content-Length: 10", user=ALICE) + b"{")
        assert wire.read_answer().status_code == 408
        counted = {("none", "408"): 1, ("createTask", "none"): 1}
        wait_for(lambda: pick(read(server.url), "requests_total") == counted, 10)


def test_many_who_ask_get_one_answer(scene: Scene) -> None:
    """Written once a second: it is dear, and nobody is kept from asking."""
    before = read(scene.server.url)
    scene.client.get("/docs")
    assert read(scene.server.url) == before
    wait_for(lambda: pick(read(scene.server.url), "requests_total").get(("none", "200"), 0) > 1, 10)


def test_workers_need_a_place_to_count_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one, the server says what to do."""
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    settings = make_settings("", web_concurrency=2, metrics_port=None)
    with pytest.raises(SettingsError, match="METRICS_PORT must be off, or TMPDIR a folder"), count_together(settings):
        pass


def test_durations_are_those_that_clients_wait(scene: Scene) -> None:
    """In buckets from a millisecond to twice the deadline."""
    with scene.database.transaction():
        scene.database.execute("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
        started = monotonic()
        assert scene.client.get(ALICE.tasks, headers=ALICE.headers).status_code == 503
        waited = monotonic() - started
    counts = read(scene.server.url)
    buckets = pick(counts, "request_duration_seconds_bucket")
    assert [float(bound) for bound, _ in buckets] == [*BUCKETS, math.inf]
    assert buckets["2.5", "listTasks"] == 0
    assert buckets["10.0", "listTasks"] == 1
    assert 3 < pick(counts, "request_duration_seconds_sum")["listTasks",] <= waited


def test_what_is_under_way_is_seen(make_database: MakeDatabase) -> None:
    """Requests, connections, and who waits for one."""
    url = make_database()
    with (
        run_impatient_server(url, DATABASE_TIMEOUT="20", DATABASE_POOL_SIZE="2") as server,
        psycopg.connect(url) as locker,
        ThreadPoolExecutor(5) as pool,
    ):
        locker.execute("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
        # Each of the two may have one of the two connections (DATABASE_USER_SHARE).
        users = (ALICE, ALICE, ALICE, BOB, BOB)
        answers = [pool.submit(httpx.get, server.url + user.tasks, headers=user.headers) for user in users]
        # The one that asks is under way too.
        wait_for(lambda: look(server) == {"in_flight": 6, "pool_size": 2, "connections": 2, "waiting": 3}, 10)
        locker.rollback()
        assert [answer.result().status_code for answer in answers] == [200] * 5
        wait_for(lambda: look(server) == {"in_flight": 1, "pool_size": 2, "connections": 2, "waiting": 0}, 10)


@pytest.mark.parametrize(
    "accepted", ["text/plain; version=1.x", "application/openmetrics-text; version=a", "text/plain;version=9.9.9"]
)
def test_a_version_that_is_not_offered_is_passed_over(accepted: str, server: Server) -> None:
    """Anybody may send any: the library fails at some, and each other would be written anew."""
    response = httpx.get(f"{server.url}/metrics", headers={"Accept": accepted})
    kind = accepted.partition(";")[0]
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith(kind)
    assert "9.9.9" not in response.headers["Content-Type"]


def look(server: Server) -> dict[str, float]:
    counts = read(server.url)
    pool = {name: counts[f"taskflow_database_{name}",] for name in ("pool_size", "connections", "waiting")}
    return {"in_flight": counts["taskflow_requests_in_flight",], **pool}


def test_failures_of_the_database_are_counted_by_kind(make_database: MakeDatabase) -> None:
    """What was cut off at the deadline, what the database refused; no text of its."""
    with open_scene(make_database(), DATABASE_TIMEOUT="0.5") as scene:
        scene.client.headers.update(ALICE.headers)
        with scene.database.transaction():
            scene.database.execute("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
            assert scene.client.get(ALICE.tasks).status_code == 503
        scene.database.execute("ALTER TABLE tasks RENAME TO elsewhere")
        for _ in range(2):
            assert scene.client.get(ALICE.tasks).status_code == 500
        counted = {("QueryCanceled",): 1, ("UndefinedTable",): 2}
        assert pick(read(scene.server.url), "database_errors_total") == counted


def test_connections_that_cannot_be_made_are_counted(postgres: str, make_database: MakeDatabase) -> None:
    """Each try, and each request that is told so."""
    with open_scene(make_database()) as scene, psycopg.connect(postgres, autocommit=True) as admin:
        name = str(conninfo_to_dict(scene.database_url)["dbname"])
        admin.execute(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(Identifier(name)))
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])

        def is_counted() -> bool:
            scene.client.get(ALICE.tasks, headers=ALICE.headers)
            counted = pick(read(scene.server.url), "database_errors_total")
            return counted.keys() == {("OperationalError",), ("PoolExhausted",)} and min(counted.values()) > 1

        wait_for(is_counted, 10)


def test_what_cannot_be_told_for_lack_of_files_is_told_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who counts has other work to end, which does not fail for it: a place in the pool would be lost."""
    metrics = Metrics()

    async def count_all() -> None:
        await metrics.open()
        metrics.under_way += 1
        metrics.end_request("listTasks", 200, 0.1)
        metrics.count_refusal(431)
        metrics.count_database_error("QueryCanceled")
        metrics.count_key_fetch(is_done=True)
        await metrics.close()

    def fail(*_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as broken:
        broken.setattr(MetricWrapperBase, "labels", fail)
        asyncio.run(count_all())
    assert b"listTasks" not in generate_latest(metrics.registry)
    asyncio.run(count_all())
    text = generate_latest(metrics.registry).decode()
    for line in [
        'requests_total{operation="listTasks",status="200"} 2.0',
        'request_duration_seconds_count{operation="listTasks"} 2.0',
        'requests_total{operation="none",status="431"} 2.0',
        'database_errors_total{kind="QueryCanceled"} 2.0',
        'key_fetches_total{outcome="done"} 2.0',
    ]:
        assert f"taskflow_{line}\n" in text


@pytest.mark.parametrize(("status", "outcome"), [(200, "done"), (500, "failed")])
def test_fetches_of_keys_are_counted(database_url: str, status: int, outcome: str) -> None:
    """By whether they have brought any."""
    with run_key_server(SigningKey("one")) as frontend:
        frontend.publish(SigningKey("one"), status=status)
        environment = make_environment(
            DATABASE_URL=database_url, BETTER_AUTH_URL=frontend.origin, BETTER_AUTH_SECRET=SECRET, JWKS_COOLDOWN="0.1"
        )
        with run_server(environment) as server:
            wait_for(lambda: pick(read(server.url), "key_fetches_total").get((outcome,), 0) >= 1, 10)
            assert pick(read(server.url), "key_fetches_total").keys() == {(outcome,)}


def test_workers_count_together(make_database: MakeDatabase) -> None:
    """Whichever of them is asked; also what one has counted that has died since, but not what it had under way."""
    with run_impatient_server(make_database(), "--workers", "3", DATABASE_POOL_SIZE="2") as server:
        for _ in range(60):
            # A connection of its own each, so that any worker may have it.
            assert httpx.get(server.url + ALICE.tasks, headers=ALICE.headers).status_code == 200
        # What another worker than the one that is asked has counted is known a second later.
        wait_for(lambda: [count_lists(server.url) for _ in range(10)] == [60] * 10, 10)
        wait_for(lambda: look(server)["connections"] == look(server)["pool_size"] == 6, 10)
        workers = find_workers(server.log.parent)
        os.kill(victim := min(workers), signal.SIGKILL)
        wait_for(lambda: len(find_workers(server.log.parent) - {victim}) == 3, START_SECONDS)
        wait_for(lambda: look(server)["connections"] == look(server)["pool_size"] == 6, START_SECONDS)
        assert httpx.get(server.url + ALICE.tasks, headers=ALICE.headers).status_code == 200
        wait_for(lambda: count_lists(server.url) == 61, 10)


def count_lists(url: str) -> float:
    return pick(read(url), "requests_total").get(("listTasks", "200"), 0)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_they_can_be_moved_to_another_port(make_database: MakeDatabase, workers: str) -> None:
    """Which the proxy in front of the API does not lead to; the API's own knows nothing of them then."""
    port = find_port()
    variables = {"METRICS_PORT": str(port), "DATABASE_TIMEOUT": "20"}
    with run_impatient_server(make_database(), "--workers", workers, **variables) as server:
        for _ in range(20):
            assert httpx.get(server.url + ALICE.tasks, headers=ALICE.headers).status_code == 200
        assert httpx.get(f"{server.url}/metrics").status_code == 404
        url = f"http://127.0.0.1:{port}"
        counted = {("listTasks", "200"): 20, ("none", "404"): 1}
        wait_for(lambda: pick(read(url), "requests_total") == counted, 10)
        wait_for(lambda: read(url)["taskflow_database_connections",] == 10 * int(workers), 10)
        assert f"metrics at {url}/metrics" in server.read_log()
        assert stop_process(server.process) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_a_database_that_has_never_been_there_is_counted() -> None:
    """Each try to make the tables; nothing else is tried before."""
    with run_impatient_server("postgresql://nobody@127.0.0.1:1/nothing") as server:
        wait_for(lambda: pick(read(server.url), "database_errors_total").get(("OperationalError",), 0) > 1, 10)


def test_they_can_be_turned_off(make_database: MakeDatabase) -> None:
    """Then there are none."""
    with run_impatient_server(make_database(), "--workers", "2", METRICS_PORT="off") as server:
        assert httpx.get(f"{server.url}/metrics").status_code == 404


def test_a_port_that_is_taken_is_named(database_url: str) -> None:
    """With the variable that says so, and the remedy."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        environment = make_environment(DATABASE_URL=database_url, METRICS_PORT=str(port), PORT="0")
        result = run_command(environment, "serve")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1] == (
        f"taskflow: METRICS_PORT {port} on METRICS_HOST 127.0.0.1 cannot be listened on (Address already in use); "
        "set them to an address of this machine that is free and that you may use, such as METRICS_PORT=8001."
    )


def test_every_metric_says_what_it_is(server: Server) -> None:
    """In Prometheus' text, and in OpenMetrics for who prefers that. Nobody else's are among them."""
    openmetrics = httpx.get(f"{server.url}/metrics", headers={"Accept": "application/openmetrics-text"})
    assert openmetrics.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    families = list(parse_openmetrics(openmetrics.text))  # type: ignore[no-untyped-call]
    assert {family.name for family in families} == NAMES
    assert all(family.documentation for family in families)
    text = httpx.get(f"{server.url}/metrics").text
    assert {family.name for family in parse_text(text)} == NAMES
