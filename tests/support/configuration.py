"""Variables as an operator sets them, and what loading them gives or complains about."""

import pytest

from taskflow.settings import Settings, SettingsError, load_settings

VARIABLES = {name.upper() for name in Settings.model_fields}

SECRET = "s3cr3t-of-a-frontend-that-nobody-may-read"

NEON_URL = (
    "postgresql://owner:pa%2Fss@ep-cool-1-pooler.eu-central-1.aws.neon.tech/neondb"
    "?sslmode=require&channel_binding=require&options=endpoint%3Dep-cool-1"
)

PRODUCTION = {
    "ENVIRONMENT": "production",
    "DATABASE_URL": NEON_URL,
    "BETTER_AUTH_SECRET": SECRET,
    "CORS_ORIGINS": "https://app.example.com",
}

NO_ORIGIN = (
    "CORS_ORIGINS must be a comma-separated list of exact origins, such as https://app.example.com, "
    "without path or *; entry {} {}."
)
NO_URL = (
    "DATABASE_URL is not a connection string that PostgreSQL understands; "
    "look at its parameters, and percent-encode special characters."
)
NO_AUTH_URL = "{} must be a URL such as https://app.example.com."
BARE_AUTH_URL = "{} must have no user, password, query or fragment."
SHORT_SECRET = (
    "BETTER_AUTH_SECRET must have at least 32 bytes and equal the frontend's; make one with `openssl rand -hex 32`."
)


def load(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    """Load the settings with some variables set."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return load_settings()


def complain(monkeypatch: pytest.MonkeyPatch, **variables: str) -> list[str]:
    """Give the sentences about some wrong variables."""
    with pytest.raises(SettingsError) as raised:
        load(monkeypatch, **variables)
    # What the interpreter would print of it must not say more than the sentences do.
    assert str(raised.value) == "\n".join(raised.value.sentences)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    return raised.value.sentences
