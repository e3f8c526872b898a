"""The log gives nothing away: what users wrote, what they sent along, the secrets, the way to the database.

Even when everything fails, and at the level that says most.
"""

import re
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from tests.conftest import MakeDatabase, make_url
from tests.support.cast import ALICE, BOB, SECRET, sign
from tests.support.contract import check_response
from tests.support.logs import (
    LINE_SECONDS,
    PRODUCTION,
    Scene,
    find_requests,
    open_scene,
    read_lines,
    wait_for_request,
)
from tests.support.privacy import find_secrets, note_text
from tests.support.problems import expect_problem
from tests.support.server import Server, make_environment, run_server, stop_process
from tests.support.tasks import create_task
from tests.support.tokens import make_claims

PRIVATE = "Pr1v8te"
"""Stands in everything that is sent here and must not be found in the log."""


@pytest.mark.parametrize(
    ("log", "kind"),
    [
        (f"key={SECRET}", "secret"),
        ("key=one-of-this-server's-own", "secret"),
        (f"Authorization: {ALICE.token}", "token"),
        ("cannot connect to postgresql://owner:s3cr3t@host/tasks", "connection string"),
        ("password s3cr3t is wrong", "password"),
        ("INSERT Buy groceries", "text"),
        ("INSERT A title that nobody else has", "text"),
    ],
)
def test_a_log_that_gives_something_away_is_noticed(log: str, kind: str) -> None:
    """The log of every server in these tests is looked through at its end; so that this means something."""
    note_text("A title that nobody else has")
    environment = {
        "DATABASE_URL": "postgresql://owner:s3cr3t@host/tasks",
        "BETTER_AUTH_SECRET": SECRET if SECRET in log else "one-of-this-server's-own",
    }
    assert kind in find_secrets(log, environment)
    assert find_secrets("GET /api/alice/tasks 200", environment) == set()


def send_private_requests(scene: Scene) -> Iterator[httpx.Response]:
    """Send what is private in every place that a request has, once for each way in which it can fail."""
    everywhere = {
        "Cookie": f"session={PRIVATE}",
        "User-Agent": PRIVATE,
        "Referer": f"https://app.example.com/{PRIVATE}",
        "Origin": f"https://{PRIVATE}.example",
        "X-Forwarded-For": PRIVATE,
        f"X-{PRIVATE}": PRIVATE,
    }
    client, headers = scene.client, everywhere | ALICE.headers
    task = {"title": f"{PRIVATE} title", "description": f"{PRIVATE} description"}
    tasks = ALICE.tasks

    def send(method: str, path: str, headers: dict[str, str] = headers, **body: Any) -> httpx.Response:  # noqa: ANN401  as httpx
        return client.request(method, path, headers=headers, **body)

    created = send("POST", tasks, json=task)
    path = created.headers["Location"]
    yield created
    yield send("GET", tasks)
    yield send("GET", f"{tasks}?q={PRIVATE}&sort=title&limit=1")
    yield send("GET", f"{tasks}?q={PRIVATE * 20}&cursor={PRIVATE}&token={PRIVATE}")
    yield send("GET", f"{tasks}?cursor={PRIVATE}")
    yield send("PATCH", f"{path}?token={PRIVATE}", json=task)
    yield send("PATCH", path, json=task)
    yield send("POST", tasks, content=f'{{"title": "{PRIVATE}')
    yield send("POST", tasks, content=PRIVATE.encode() + b"\xff")
    for token in (PRIVATE, sign(make_claims(name=PRIVATE), secret=PRIVATE * 9), sign(make_claims(exp=1, name=PRIVATE))):
        yield send("GET", tasks, headers={**everywhere, "Authorization": f"Bearer {token}"})
    yield send("GET", tasks, headers={**everywhere, "Authorization": f"Bearer {sign({'sub': PRIVATE, 'exp': 1})}"})
    yield send("GET", tasks, headers={**everywhere, "Authorization": f"Basic {PRIVATE}"})
    yield send("PATCH", f"{BOB.tasks}/1", json=task)
    yield send("GET", f"{ALICE.tasks}/999")
    yield send("PUT", tasks, json=task)
    yield send("POST", tasks, json={**task, "description": PRIVATE * 500})
    yield send("POST", tasks, content=PRIVATE, headers={**headers, "Content-Type": f"text/{PRIVATE}"})
    yield send("POST", tasks, json=task, headers={**headers, "Content-Encoding": PRIVATE})
    yield send("POST", tasks, json={**task, PRIVATE: PRIVATE})
    yield send("POST", tasks, json={"title": PRIVATE * 50})
    yield send("PATCH", path, json={"title": [PRIVATE], "is_completed": PRIVATE})
    yield send("OPTIONS", tasks, headers={**headers, "Access-Control-Request-Method": PRIVATE})
    with scene.database.transaction():
        scene.database.execute("LOCK TABLE tasks")
        yield send("POST", tasks, json=task)
        yield send("GET", tasks)
    scene.database.execute(
        f"ALTER TABLE tasks ADD CONSTRAINT forbidden CHECK (title NOT LIKE '%{PRIVATE} title') NOT VALID"
    )
    yield send("POST", tasks, json=task)  # PostgreSQL's message quotes the row
    scene.database.execute("ALTER TABLE tasks DROP CONSTRAINT forbidden, DROP COLUMN description")
    yield send("POST", tasks, json=task)  # and here the statement
    yield send("GET", tasks)
    yield send("GET", f"{tasks}?q={PRIVATE}")
    scene.database.execute("ALTER TABLE tasks ADD COLUMN description text")
    yield send("DELETE", path)


def send_garbage(server: Server) -> None:
    """Send what is not HTTP, which never becomes a request."""
    for garbage in (f"{PRIVATE} / HTTP/1.1", f"GET /{PRIVATE} {PRIVATE}", f"GET / HTTP/1.1\r\n{PRIVATE} {PRIVATE}"):
        with socket.create_connection(
            ("127.0.0.1", httpx.URL(server.url).port or 0), timeout=LINE_SECONDS
        ) as connection:
            connection.sendall(garbage.encode() + b"\r\n\r\n")
            assert connection.recv(64).startswith(b"HTTP/1.1 400 ")


def test_nothing_private_is_ever_logged(make_database: MakeDatabase) -> None:
    """No query, header, body, token or title, whatever comes of the request; no secret and nothing of the DSN."""
    with open_scene(make_database(), DATABASE_TIMEOUT="0.5", MAX_BODY_BYTES="2048") as scene:
        responses = list(send_private_requests(scene))
        send_garbage(scene.server)
        parameters = psycopg.conninfo.conninfo_to_dict(scene.database_url)
        assert stop_process(scene.server.process) == 0
        log = scene.server.read_log()
        statuses = {response.status_code for response in responses}
        assert statuses == {200, 201, 204, 400, 401, 403, 404, 405, 413, 415, 422, 500, 503}
        for response in responses:
            check_response(response)
        logged = [(line["request_id"], line["status"]) for line in find_requests(scene.server)]
        assert logged == [(response.headers["X-Request-Id"], response.status_code) for response in responses]
        tokens = {response.request.headers["Authorization"].split()[1] for response in responses}
        parts = {part for token in tokens for part in token.split(".")} - {ALICE.token.split(".")[0]}
        for private in (PRIVATE, PRIVATE.lower(), SECRET, scene.database_url, parameters["password"], *parts):
            assert str(private) not in log


def test_a_token_in_a_path_is_not_logged(make_database: MakeDatabase) -> None:
    """Somebody may put it where the user's id should stand."""
    with open_scene(make_database()) as scene:
        for path in (f"/{ALICE.token}", f"/api/{ALICE.token}/tasks", f"/api/{ALICE.token}x/tasks/1"):
            scene.client.get(path)
        paths = [line["path"] for line in find_requests(scene.server)]
    assert paths == ["/[token]", "/api/[token]/tasks", "/api/[token]/tasks/1"]


def test_an_unexpected_error_is_logged_with_its_trace(make_database: MakeDatabase) -> None:
    """The client gets a constant; the operator finds the trace under the request's id."""
    with open_scene(make_database()) as scene:
        scene.client.headers.update(ALICE.headers)
        create_task(scene.client, ALICE)
        scene.database.execute("ALTER TABLE tasks DROP COLUMN description")
        response = scene.client.get(ALICE.tasks)
        check_response(response)
        assert response.json() == expect_problem(500, "The server met an unexpected error.")
        request = wait_for_request(scene.server, response)
        related = [line for line in read_lines(scene.server) if line.get("request_id") == request["request_id"]]
        (error,) = [line for line in related if line["level"] == "error"]
        assert error == {**error, "message": "unexpected error", "user": ALICE.id}
        assert error["trace"].startswith("Traceback (most recent call last):\n")
        assert error["trace"].endswith("DatabaseDefect: UndefinedColumn 42703")
        assert "in list_tasks" in error["trace"]
        scene.database.execute("ALTER TABLE tasks ADD COLUMN description text")
        assert scene.client.get(ALICE.tasks).status_code == 200


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"port": "9"}, "Connection refused"),
        ({"host": "private-host.invalid"}, ""),
        ({"user": "private_owner", "password": "private_word"}, "password authentication failed|does not exist"),
        ({"dbname": "private_tasks"}, "does not exist"),
    ],
    ids=["port", "host", "user", "database"],
)
def test_the_log_says_why_the_database_is_down_but_not_where(
    wrong: dict[str, str], reason: str, database_url: str
) -> None:
    """The reason is for the operator; host, user, database and password are not for whoever reads the log.

    Two workers write lines of the same form.
    """
    parameters = {**psycopg.conninfo.conninfo_to_dict(database_url), **wrong}
    environment = make_environment(**PRODUCTION, DATABASE_URL=make_url(parameters))
    with run_server(environment, "--workers", "2") as server:
        response = httpx.get(server.url + ALICE.tasks, headers=ALICE.headers, timeout=30)
        assert response.status_code == 503
        assert wait_for_request(server, response)["status"] == 503
        assert stop_process(server.process) == 0
        warnings = [line["message"] for line in read_lines(server) if line["level"] == "warning"]
        assert any(re.search(reason, message) for message in warnings), warnings
        log = server.read_log()
        assert "private" not in log
        assert str(parameters["password"]) not in log
        assert "postgresql://" not in log
