"""A database for tables that something else has made."""

import pytest

from tests.conftest import MakeDatabase
from tests.support.adoption import run


@pytest.fixture(scope="module")
def shared_url(make_database: MakeDatabase) -> str:
    return make_database()


@pytest.fixture
def url(shared_url: str) -> str:
    """A database whose schema is empty; the tests share it, since to make one takes longer than most of them."""
    run(shared_url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return shared_url
