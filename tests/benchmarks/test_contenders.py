"""What TaskFlow is measured against answers as it does: or the comparison would be with something else."""

import os
import shutil
from collections.abc import Iterator

import psycopg
import pytest

from taskflow.database.migrations import migrate
from tests.benchmarks.exchanges import EXCHANGES
from tests.benchmarks.load import run_load
from tests.benchmarks.servers import CONTENDERS, LIMIT, TASKFLOW, Contender, install_fastify, run_contender
from tests.conftest import MakeDatabase

ANYWHERE = os.sched_getaffinity(0)


@pytest.fixture(scope="module")
def database_url(make_database: MakeDatabase) -> str:
    """A migrated database of these tests' own."""
    url = make_database()
    migrate(url)
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[psycopg.Connection]:
    """A connection to it."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize("contender", CONTENDERS, ids=lambda contender: contender.name)
def test_a_contender_answers_each_request_of_the_benchmark(
    contender: Contender, database_url: str, database: psycopg.Connection
) -> None:
    """The whole answer is looked at."""
    if contender.program == "node":
        if shutil.which("npm") is None:
            pytest.skip("npm is missing")
        install_fastify()
    with run_contender(contender, database_url, cores=ANYWHERE) as (url, _):
        for exchange in EXCHANGES:
            if contender is LIMIT and exchange.status >= 400:
                continue  # it refuses nothing
            exchange.prepare(database)
            contender.adapt(exchange).probe(url)


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is missing")
def test_the_load_counts_what_is_not_as_expected(database_url: str, database: psycopg.Connection) -> None:
    """A wrong status and a wrong length: a benchmark that cannot fail would prove nothing."""
    exchange = next(exchange for exchange in EXCHANGES if exchange.name == "list of 10")
    exchange.prepare(database)
    with run_contender(TASKFLOW, database_url, cores=ANYWHERE) as (url, _):
        length = exchange.probe(url)
        right = run_load(url, exchange, seconds=1, length=length)
        assert right.requests > 0
        assert right.wrong == 0
        wrong = run_load(url, exchange, seconds=1, length=length + 1)
        assert wrong.wrong == wrong.requests > 0
