"""The Node.js project of this folder, ready to run."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.support.application import build_application
from tests.support.browser import run_browser
from tests.support.contract import CONTRACT
from tests.support.node import install_packages, run_to_end
from tests.support.server import make_environment

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
