"""Node.js projects of the tests: their packages, as each one's lock file says, and their programs."""

import shutil
import subprocess
from collections.abc import Mapping
from fcntl import LOCK_EX, flock
from pathlib import Path

import pytest

RUN_SECONDS = 300


def install_packages(project: Path) -> Path:
    """Install what the lock file of a folder names, beside it; give the folder of the commands.

    Skips where there is no Node.js, or only one that a package refuses. Does nothing where it has been done. Where
    several processes test, one installs and the others wait for it.
    """
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs Node.js, and there is no npm")
    lock, installed = project / "package-lock.json", project / "node_modules" / ".package-lock.json"
    with lock.open() as claim:
        flock(claim, LOCK_EX)
        if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
            command = [npm, "ci", "--engine-strict", "--no-audit", "--no-fund"]
            installation = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)  # noqa: S603
            if "EBADENGINE" in installation.stderr:
                pytest.skip("needs a newer Node.js")
            assert installation.returncode == 0, installation.stderr
    return project / "node_modules" / ".bin"


def find_node() -> str:
    """Give the command that runs a program; npm does not come without it."""
    node = shutil.which("node")
    assert node is not None
    return node


def run_to_end(*command: str | Path, folder: Path, environment: Mapping[str, str]) -> str:
    """Run a command of a project in one of its folders; give all that it printed. It must succeed."""
    process = subprocess.run(  # noqa: S603  our own command
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    assert process.returncode == 0, process.stdout
    return process.stdout
