"""A server whose database fails it, and what its clients are told then."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import httpx

from tests.support.cast import ALICE, SECRET, User
from tests.support.contract import check_response
from tests.support.problems import expect_problem
from tests.support.server import Server, make_environment, run_server

DEADLINE = 0.5
"""DATABASE_TIMEOUT of these servers, in seconds."""

UNAVAILABLE = expect_problem(503, "The database is temporarily unavailable, please retry.")
TIMED_OUT = expect_problem(503, "The database did not answer in time, please retry.")


def run_impatient_server(database_url: str, *arguments: str, **variables: str) -> AbstractContextManager[Server]:
    """Run a server with a short deadline, in development for readable logs; `variables` go before that."""
    settings = {"DATABASE_URL": database_url, "BETTER_AUTH_SECRET": SECRET, "DATABASE_TIMEOUT": str(DEADLINE)}
    return run_server(make_environment(**settings | variables), *arguments)


@contextmanager
def open_client(server: Server, user: User = ALICE) -> Iterator[httpx.Client]:
    """Give a user's client, patient enough for any answer."""
    with httpx.Client(base_url=server.url, headers=user.headers, timeout=30) as client:
        yield client


def expect_503(response: httpx.Response, problem: dict[str, object]) -> None:
    """The whole answer to a request that its database has failed."""
    check_response(response)
    assert response.json() == problem
    assert response.headers["Retry-After"] == "5"
