"""The configuration that others fuzz with: the command of docs/frontend.md, run as it stands there."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import psycopg
import pytest

from tests.support.cast import User
from tests.support.contract import CONTRACT
from tests.support.server import REPOSITORY, Server, make_environment

GUIDE = (REPOSITORY / "docs" / "frontend.md").read_text()
COMMANDS = re.findall(r"^\$ (.*)$", GUIDE.partition("\n## Fuzzing in your CI\n")[2], re.MULTILINE)
SEEDS = (1, 2, 3, 7, 20260105)


def test_the_guide_shows_what_is_run_here() -> None:
    """With the version that the tests use, and a token of the configuration's user."""
    dev = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]["dev"]
    configuration = tomllib.loads(CONTRACT.with_name("schemathesis.toml").read_text())
    (user,) = configuration["dictionaries"]["users"]["values"]
    install, token, *run = COMMANDS
    assert install.removeprefix("pip install ") in dev
    assert token == f'export TASKFLOW_TOKEN="$(taskflow token {user})"'
    assert run == ["cd openapi", "st run http://localhost:8000/openapi.yaml"]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_command_finds_no_fault(seed: int, server: Server, database: psycopg.Connection, tmp_path: Path) -> None:
    """No failure, no error and no warning, at five seeds; nothing but the two files and a token is needed."""
    assert not database.closed
    folder = tmp_path / "openapi"
    folder.mkdir()
    for name in ("schemathesis.toml", "schemathesis_hooks.py"):
        shutil.copy(CONTRACT.with_name(name), folder)
    commands = "\n".join(COMMANDS[2:]).replace("http://localhost:8000", server.url)
    environment = make_environment(TASKFLOW_TOKEN=User("user_abc123").token)
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    run = subprocess.run(  # noqa: S603  our own command
        ["/bin/bash", "-ec", f"{commands} --seed {seed}"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    assert "No issues found" in run.stdout
