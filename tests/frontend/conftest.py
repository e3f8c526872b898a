"""The Node.js project of this folder, ready to run."""

from pathlib import Path

import pytest

from tests.support.node import install_packages

FRONTEND = Path(__file__).parent


@pytest.fixture(scope="session")
def commands() -> Path:
    """The folder of the project's commands: `tsc`, `next`, the generators."""
    return install_packages(FRONTEND)


@pytest.fixture(scope="session")
def better_auth(commands: Path) -> Path:
    """The program that runs Better Auth."""
    assert commands.exists()
    return FRONTEND / "auth" / "server.ts"
