"""State folders for the embedded PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgres import make_cluster, open_folder


@pytest.fixture
def new_folder() -> Iterator[Path]:
    """Yield a state folder to be, for tests of the first start and tests that do damage."""
    with open_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def used_folder() -> Iterator[Path]:
    """Yield a state folder whose first start is over; the tests that share it leave it in working order."""
    with open_folder() as folder:
        make_cluster(folder)
        yield folder
