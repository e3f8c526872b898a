"""The application with a TaskFlow behind it, as somebody finds it who opens its page."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from playwright.sync_api import Browser

from tests.support.addresses import find_port
from tests.support.application import TaskPage, open_page, run_application
from tests.support.browser import collect_complaints
from tests.support.server import Server, make_environment, run_server

UNREACHABLE = "The server cannot be reached."


@dataclass(frozen=True)
class Stage:
    """The application and TaskFlow, both running, and their database."""

    url: str
    taskflow_url: str
    database: psycopg.Connection

    def read_rows(self, email: str) -> list[tuple[object, ...]]:
        """Give title, description and completion of the tasks of the account with this address."""
        return self.database.execute(
            'SELECT title, description, is_completed FROM tasks JOIN "user" ON "user".id = user_id'
            " WHERE email = %s ORDER BY tasks.id",
            [email],
        ).fetchall()


class Backend:
    """A TaskFlow that can be started again and again at the same address."""

    def __init__(self, database_url: str, app_url: str) -> None:
        self._port = find_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._environment = make_environment(
            ENVIRONMENT="production",
            DATABASE_URL=database_url,
            DATABASE_TIMEOUT="1",
            BETTER_AUTH_URL=app_url,
            CORS_ORIGINS=app_url,
        )

    def run(self) -> AbstractContextManager[Server]:
        return run_server(self._environment, "--port", str(self._port))


@contextmanager
def run_stage(
    application: Path, database_url: str, browser: Browser, **variables: str
) -> Iterator[tuple[Backend, TaskPage, list[str]]]:
    """Run the application and open its page; give a TaskFlow to be started, the page, and its complaints."""
    port = find_port()
    backend = Backend(database_url, f"http://localhost:{port}")
    with (
        run_application(application, database_url, backend.url, port, **variables) as url,
        open_page(browser, url) as page,
    ):
        yield backend, TaskPage(page), collect_complaints(page)
