"""A place where nothing is configured."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.configuration import VARIABLES


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working folder, in an environment without any of our variables."""
    mask = os.umask(0o022)
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.upper() in VARIABLES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() or 1000)
    yield tmp_path
    os.umask(mask)
