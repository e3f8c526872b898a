"""The Node.js project of this folder, ready to run."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from playwright.sync_api import Browser, Page

from tests.conftest import MakeDatabase
from tests.support.addresses import find_port
from tests.support.application import build_application, open_page, run_application
from tests.support.browser import run_browser
from tests.support.contract import CONTRACT
from tests.support.node import install_packages, run_to_end
from tests.support.server import make_environment, run_server
from tests.support.stage import Stage

FRONTEND = Path(__file__).parent


@pytest.fixture(scope="session")
def commands() -> Path:
    """The folder of the project's commands: `tsc`, `next`, the generators."""
    return install_packages(FRONTEND)


@pytest.fixture(scope="session")
def clients(commands: Path) -> Path:
    """The folder of the typed clients, whose types and functions are generated from the contract as it is now."""
    generated = FRONTEND / "generated"
    shutil.rmtree(generated, ignore_errors=True)
    environment = make_environment()
    for command in (
        (commands / "openapi-typescript", CONTRACT, "--output", FRONTEND / "app" / "lib" / "schema.d.ts"),
        (commands / "openapi-ts", "--input", CONTRACT, "--output", generated / "hey-api", "--no-log-file"),
    ):
        said = run_to_end(*command, folder=FRONTEND, environment=environment)
        assert re.search("warn|error|deprecat", said, re.IGNORECASE) is None, said
    return FRONTEND / "clients"


@pytest.fixture(scope="session")
def better_auth(commands: Path) -> Path:
    """The program that runs Better Auth."""
    assert commands.exists()
    return FRONTEND / "auth" / "server.ts"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The browser of the machine."""
    with run_browser() as running:
        yield running


@pytest.fixture(scope="session")
def application(clients: Path) -> Path:
    """The folder of the Next.js application, built with the types of the contract as it is now."""
    folder = clients.parent / "app"
    build_application(folder)
    return folder


@pytest.fixture(scope="session")
def stage(application: Path, make_database: MakeDatabase) -> Iterator[Stage]:
    """Tokens are good for 8 seconds, which is 3 to the application: it renews them a little before."""
    database_url, port, taskflow_port = make_database(), find_port(), find_port()
    environment = make_environment(
        ENVIRONMENT="production",
        DATABASE_URL=database_url,
        BETTER_AUTH_URL=f"http://localhost:{port}",
        CORS_ORIGINS=f"http://localhost:{port}",
    )
    with (
        run_application(application, database_url, f"http://127.0.0.1:{taskflow_port}", port, TOKEN_LIFE="8s") as url,
        run_server(environment, "--port", str(taskflow_port)) as taskflow,
        psycopg.connect(database_url, autocommit=True) as database,
    ):
        yield Stage(url, taskflow.url, database)


@pytest.fixture
def page(stage: Stage, browser: Browser) -> Iterator[Page]:
    """The page of somebody who has never been here."""
    with open_page(browser, stage.url) as page:
        yield page


@pytest.fixture
def email() -> str:
    """An address that has no account yet."""
    return f"{uuid4().hex}@example.com"
