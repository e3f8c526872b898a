"""A server whose log is looked at, and its lines."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg

from tests.support.cast import SECRET
from tests.support.server import Server, make_environment, run_server
from tests.support.waiting import wait_for

LINE_SECONDS = 10

PRODUCTION = {
    "ENVIRONMENT": "production",
    "BETTER_AUTH_SECRET": SECRET,
    "CORS_ORIGINS": "https://app.example.com",
    "LOG_LEVEL": "debug",  # even this word of an operator's must not open what is closed
}


def read_lines(server: Server) -> list[dict[str, Any]]:
    """Parse the whole output of a server; a line that is not a JSON object is an error."""
    # Bytes, since read_log takes a carriage return for the end of a line.
    lines = [json.loads(line) for line in server.log.read_bytes().decode("ascii").split("\n")[:-1]]
    assert all(isinstance(line, dict) for line in lines)
    return lines


def find_requests(server: Server) -> list[dict[str, Any]]:
    """Give the lines about requests."""
    return [line for line in read_lines(server) if line["message"] == "request"]


def wait_for_request(server: Server, response: httpx.Response) -> dict[str, Any]:
    """Give the line about a request, which is written when the answer is on its way."""

    def find_line() -> dict[str, Any] | None:
        return next(
            (line for line in find_requests(server) if line["request_id"] == response.headers["X-Request-Id"]), None
        )

    return wait_for(find_line, LINE_SECONDS)


@dataclass(frozen=True)
class Scene:
    """A server in production with a database of its own, and a connection to that."""

    server: Server
    client: httpx.Client
    database: psycopg.Connection
    database_url: str


@contextmanager
def open_scene(database_url: str, **variables: str) -> Iterator[Scene]:
    environment = make_environment(**PRODUCTION | {"DATABASE_URL": database_url, **variables})
    with (
        run_server(environment) as server,
        httpx.Client(base_url=server.url, timeout=30) as client,
        psycopg.connect(database_url, autocommit=True) as database,
    ):
        # With a short deadline, the server is up before its tables are there.
        wait_for(lambda: database.execute("SELECT to_regclass('taskflow_idempotency_keys')").fetchone() != (None,), 20)
        yield Scene(server, client, database, database_url)
