"""Settings for what is tested within the process: they know nothing of its environment, nor of a `.env`."""

from typing import Any

from pydantic import SecretStr

from taskflow.settings import Settings
from tests.support.cast import SECRET


def make_settings(database_url: str, **members: Any) -> Settings:  # noqa: ANN401  a setting can be anything
    """Give settings with the tests' secret, and defaults where nothing is said."""
    return Settings.model_construct(
        None, database_url=SecretStr(database_url), better_auth_secret=SecretStr(SECRET), **members
    )
