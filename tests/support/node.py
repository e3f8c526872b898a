"""Node.js projects of the tests: their packages, as each one's lock file says."""

import shutil
import subprocess
from pathlib import Path

import pytest


def install_packages(project: Path) -> Path:
    """Install what the lock file of a folder names, beside it; give the folder of the commands.

    Skips where there is no Node.js, or only one that a package refuses. Does nothing where it has been done.
    """
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs Node.js, and there is no npm")
    lock, installed = project / "package-lock.json", project / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        command = [npm, "ci", "--engine-strict", "--no-audit", "--no-fund"]
        installation = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)  # noqa: S603
        if "EBADENGINE" in installation.stderr:
            pytest.skip("needs a newer Node.js")
        assert installation.returncode == 0, installation.stderr
    return project / "node_modules" / ".bin"
