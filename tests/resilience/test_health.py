"""/livez and /readyz: a supervisor learns what is missing, in time, and for next to nothing."""

import asyncio
from collections.abc import Iterator, Mapping
from time import monotonic

import httpx
import pytest

from taskflow.auth.tokens import TokenVerifier
from taskflow.database import Database, Row, Statement, Value
from taskflow.operations.health import Readiness
from tests.conftest import MakeDatabase
from tests.support.cast import SECRET
from tests.support.cluster import Cluster, make_cluster
from tests.support.contract import check_response
from tests.support.faults import run_impatient_server
from tests.support.keys import SigningKey, run_key_server
from tests.support.problems import expect_problem
from tests.support.refusals import check_parameter_refusal
from tests.support.server import Server, make_environment, run_server
from tests.support.settings import make_settings
from tests.support.waiting import wait_for

WELL = (200, {"status": "ok"})

IN_TIME = 1.5
"""Seconds: a probe waits 0.8 of them for the database; the rest is for a busy machine."""

RECOVERY_SECONDS = 5


def expect_missing(**parts: str) -> tuple[int, object]:
    """Give status and body of the answer that names these parts."""
    detail = "; ".join(f"{part} {wrong}" for part, wrong in parts.items())
    errors = [{"detail": wrong, "pointer": part} for part, wrong in parts.items()]
    return 503, {**expect_problem(503, f"{detail}."), "errors": errors}


NO_DATABASE = expect_missing(database="cannot be reached")
SLOW_DATABASE = expect_missing(database="does not answer in time")
NO_KEYS = expect_missing(keys="cannot be fetched")
STALE_KEYS = (
    200,
    {
        "status": "ok",
        "warnings": [{"detail": "cannot be fetched; those known are used for the time being", "pointer": "keys"}],
    },
)
NOTHING = expect_missing(database="cannot be reached", keys="cannot be fetched")


@pytest.fixture(scope="module")
def shared_cluster() -> Iterator[Cluster]:
    with make_cluster() as made:
        yield made


@pytest.fixture
def cluster(shared_cluster: Cluster) -> Cluster:
    """A PostgreSQL that runs."""
    shared_cluster.stop()
    shared_cluster.start()
    return shared_cluster


def ask(server: Server, path: str = "/readyz") -> tuple[int, object]:
    """Give status and body of a probe's answer, which comes in time and as the contract says."""
    started = monotonic()
    response = httpx.get(server.url + path)
    assert monotonic() - started < IN_TIME
    check_response(response)
    return response.status_code, response.json()


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/livez/"])
def test_a_server_that_is_well_says_so_to_anybody(anybody: httpx.Client, path: str) -> None:
    """Without a token; a wrong one is not looked at. By HEAD too."""
    for headers in ({}, {"Authorization": "Bearer x"}):
        response = anybody.get(path, headers=headers)
        assert (response.status_code, response.json()) == WELL
        assert response.headers["Cache-Control"] == "no-store"
    assert anybody.head(path).status_code == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_a_probe_is_an_operation_like_the_others(anybody: httpx.Client, path: str) -> None:
    """What it does not take is refused."""
    check_parameter_refusal(anybody.get(path, params={"verbose": ""}), "verbose", "is not accepted here")
    assert anybody.post(path).json() == expect_problem(405, "This path takes only GET, HEAD.")


def test_a_database_that_is_stopped_is_named(cluster: Cluster) -> None:
    """Until it is back. The process lives all the while, and is not to be ended for it."""
    with run_impatient_server(cluster.url) as server:
        assert ask(server) == WELL
        cluster.stop()
        wait_for(lambda: ask(server) == NO_DATABASE, RECOVERY_SECONDS)
        assert ask(server, "/livez") == WELL
        cluster.start()
        wait_for(lambda: ask(server) == WELL, RECOVERY_SECONDS)


def test_a_server_that_starts_without_its_database_is_not_ready(cluster: Cluster) -> None:
    """It is once the schema is there."""
    cluster.stop()
    with run_impatient_server(cluster.url) as server:
        assert ask(server) == NO_DATABASE
        assert ask(server, "/livez") == WELL
        cluster.start()
        wait_for(lambda: ask(server) == WELL, RECOVERY_SECONDS)


def test_a_database_that_says_nothing_is_named_in_time(cluster: Cluster) -> None:
    """Long before the deadline of a statement, which a supervisor would not wait for."""
    with run_impatient_server(cluster.url, DATABASE_TIMEOUT="20") as server:
        assert ask(server) == WELL
        cluster.freeze()
        try:
            wait_for(lambda: ask(server) == SLOW_DATABASE, RECOVERY_SECONDS)
            assert ask(server, "/livez") == WELL
        finally:
            cluster.thaw()
        wait_for(lambda: ask(server) == WELL, RECOVERY_SECONDS)


def test_keys_are_named_until_they_have_been_fetched(database_url: str) -> None:
    """Where they are configured. That they cannot be fetched anew, later on, is a warning: it disturbs nobody yet."""
    with run_key_server() as frontend:
        frontend.publish(status=500)
        environment = make_environment(
            ENVIRONMENT="production",
            DATABASE_URL=database_url,
            CORS_ORIGINS="https://app.example.com",
            BETTER_AUTH_SECRET=SECRET,
            BETTER_AUTH_URL=frontend.origin,
            JWKS_COOLDOWN="0.1",
            JWKS_MAX_AGE="1",
        )
        with run_server(environment) as server:
            assert ask(server) == NO_KEYS
            assert ask(server, "/livez") == WELL
            frontend.publish(SigningKey("one"))
            wait_for(lambda: ask(server) == WELL, RECOVERY_SECONDS)
            frontend.publish(status=500)
            wait_for(lambda: ask(server) == STALE_KEYS, RECOVERY_SECONDS)
            assert "those known go on being used" in server.read_log()
            frontend.publish(SigningKey("one"))
            wait_for(lambda: ask(server) == WELL, RECOVERY_SECONDS)


def test_all_that_is_missing_is_named(cluster: Cluster) -> None:
    """And not only the first of it."""
    cluster.stop()
    with run_impatient_server(cluster.url, BETTER_AUTH_URL="http://127.0.0.1:9") as server:
        assert ask(server) == NOTHING


class CountingDatabase(Database):
    """A database that counts what it is asked."""

    asked = 0

    async def fetch_all(self, statement: Statement, values: Mapping[str, Value]) -> list[Row]:
        self.asked += 1
        return await super().fetch_all(statement, values)


def test_many_probes_are_one_question(make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """None, where somebody else has had an answer shortly before."""
    monkeypatch.setattr("taskflow.operations.health.KNOWN_SECONDS", 60)

    async def run() -> None:
        settings = make_settings(make_database())
        database = CountingDatabase(settings)
        readiness = Readiness(database, TokenVerifier(settings))
        await database.open()
        try:
            for _ in range(3):
                assert await asyncio.gather(*(readiness.list_failures() for _ in range(50))) == [[]] * 50
            assert database.asked == 1
        finally:
            await database.close()

    asyncio.run(run())


def test_a_failure_is_one_question(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ask for a while."""
    monkeypatch.setattr("taskflow.operations.health.KNOWN_SECONDS", 60)

    async def run() -> None:
        settings = make_settings("postgresql://nobody@127.0.0.1:1/nothing", database_timeout=0.5)
        database = CountingDatabase(settings)
        readiness = Readiness(database, TokenVerifier(settings))
        for _ in range(3):
            answers = await asyncio.gather(*(readiness.list_failures() for _ in range(50)))
            assert [[failure.pointer for failure in failures] for failures in answers] == [["database"]] * 50
        assert database.asked == 1

    asyncio.run(run())
