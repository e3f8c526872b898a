"""The configuration is read once, checked and frozen, and no mistake in it goes unnamed or shows what is secret."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr, ValidationError

from taskflow.settings import Settings, SettingsError, load_settings
from tests.support.server import REPOSITORY

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
    "CORS_ORIGINS must be a comma-separated list of exact origins, such as https://app.example.com, without path or *."
)
NO_URL = (
    "DATABASE_URL is not a connection string that PostgreSQL understands; "
    "look at its parameters, and percent-encode special characters."
)
NO_AUTH_URL = "{} must be a URL such as https://app.example.com, without user, password or fragment."
SHORT_SECRET = (
    "BETTER_AUTH_SECRET must have at least 32 bytes and equal the frontend's; make one with `openssl rand -hex 32`."
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, in an environment without any of our variables."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.upper() in VARIABLES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return tmp_path


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


def test_everything_has_a_default_that_suits_development() -> None:
    """With no variable set, these are the settings."""
    assert load_settings().model_dump() == {
        "environment": "development",
        "database_url": None,
        "database_pool_size": 10,
        "database_queue_size": 1000,
        "database_timeout": 5.0,
        "better_auth_url": None,
        "jwks_url": None,
        "jwks_timeout": 3.0,
        "jwks_cooldown": 2.0,
        "jwks_max_age": 300.0,
        "jwks_queue_size": 100,
        "max_jwks_bytes": 65_536,
        "better_auth_secret": None,
        "jwt_issuer": (),
        "jwt_audience": (),
        "max_token_bytes": 16_384,
        "token_cache_size": 10_000,
        "cors_origins": ("http://localhost:3000",),
        "max_body_bytes": 1_048_576,
        "max_url_bytes": 8192,
        "max_header_bytes": 32_768,
        "max_pipelined": 100,
        "max_requests": 1000,
        "max_connections": 4000,
        "client_timeout": 30.0,
        "keep_alive_timeout": 5,
        "host": "127.0.0.1",
        "port": 8000,
        "web_concurrency": 1,
        "shutdown_timeout": 30,
        "log_level": "info",
        "taskflow_state_dir": Path("/state/taskflow"),
    }


def test_the_state_folder_is_where_the_user_keeps_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """XDG's default without XDG's variable; for root a folder that the account of PostgreSQL can enter."""
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/alice")
    assert load_settings().taskflow_state_dir == Path("/home/alice/.local/state/taskflow")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert load_settings().taskflow_state_dir == Path("/var/lib/taskflow")


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("ENVIRONMENT", "development", "development"),
        ("ENVIRONMENT", " Development ", "development"),
        ("DATABASE_POOL_SIZE", "1", 1),
        ("DATABASE_POOL_SIZE", "1000", 1000),
        ("DATABASE_QUEUE_SIZE", "1", 1),
        ("DATABASE_QUEUE_SIZE", "100000", 100_000),
        ("DATABASE_TIMEOUT", "0.1", 0.1),
        ("DATABASE_TIMEOUT", "60", 60.0),
        ("BETTER_AUTH_SECRET", "x" * 32, SecretStr("x" * 32)),
        ("BETTER_AUTH_SECRET", "é" * 16, SecretStr("é" * 16)),
        ("BETTER_AUTH_URL", "https://app.example.com", "https://app.example.com"),
        ("BETTER_AUTH_URL", " HTTPS://App.Example.com:443/ ", "https://app.example.com"),
        ("BETTER_AUTH_URL", "https://app.example.com/api/auth/", "https://app.example.com/api/auth"),
        # While developing, the frontend may be another container.
        ("BETTER_AUTH_URL", "http://frontend:3000", "http://frontend:3000"),
        ("JWKS_URL", "https://app.example.com/api/auth/jwks", "https://app.example.com/api/auth/jwks"),
        ("JWKS_URL", "https://a.example/keys/?tenant=1&x=%20", "https://a.example/keys/?tenant=1&x=%20"),
        ("JWKS_URL", "http://[::1]:3000/jwks", "http://[::1]:3000/jwks"),
        ("JWKS_TIMEOUT", "0.1", 0.1),
        ("JWKS_TIMEOUT", "60", 60.0),
        ("JWKS_COOLDOWN", "0.1", 0.1),
        ("JWKS_COOLDOWN", "3600", 3600.0),
        ("JWKS_MAX_AGE", "1", 1.0),
        ("JWKS_MAX_AGE", "86400", 86_400.0),
        ("JWKS_QUEUE_SIZE", "1", 1),
        ("MAX_JWKS_BYTES", "1024", 1024),
        ("JWT_ISSUER", "https://app.example.com", ("https://app.example.com",)),
        ("JWT_ISSUER", " https://a.example , https://b.example, ", ("https://a.example", "https://b.example")),
        ("JWT_AUDIENCE", "taskflow,https://app.example.com", ("taskflow", "https://app.example.com")),
        ("MAX_TOKEN_BYTES", "1024", 1024),
        ("MAX_TOKEN_BYTES", "1048576", 1_048_576),
        ("TOKEN_CACHE_SIZE", "0", 0),
        ("TOKEN_CACHE_SIZE", "1000000", 1_000_000),
        ("CORS_ORIGINS", "https://app.example.com/", ("https://app.example.com",)),
        ("CORS_ORIGINS", " http://localhost:3000 ,https://a.example,", ("http://localhost:3000", "https://a.example")),
        ("CORS_ORIGINS", "http://[::1]:3000", ("http://[::1]:3000",)),
        # As a browser writes it: in lower case.
        ("CORS_ORIGINS", "HTTPS://App.Example.com", ("https://app.example.com",)),
        # And without the port that goes without saying.
        ("CORS_ORIGINS", "https://a.example:443,http://a.example:80", ("https://a.example", "http://a.example")),
        ("MAX_BODY_BYTES", "1024", 1024),
        ("MAX_BODY_BYTES", "1073741824", 1_073_741_824),
        ("MAX_URL_BYTES", "65535", 65_535),
        ("MAX_HEADER_BYTES", "1048576", 1_048_576),
        ("MAX_PIPELINED", "1", 1),
        ("MAX_REQUESTS", "1", 1),
        ("MAX_CONNECTIONS", "1", 1),
        ("CLIENT_TIMEOUT", "0.1", 0.1),
        ("CLIENT_TIMEOUT", "3600", 3600.0),
        ("KEEP_ALIVE_TIMEOUT", "75", 75),
        ("HOST", "0.0.0.0", "0.0.0.0"),  # noqa: S104  nothing is bound here
        ("HOST", "::1", "::1"),
        ("PORT", "0", 0),
        ("PORT", "65535", 65_535),
        ("WEB_CONCURRENCY", "256", 256),
        ("SHUTDOWN_TIMEOUT", "1", 1),
        ("LOG_LEVEL", "DEBUG", "debug"),
        ("LOG_LEVEL", "warning", "warning"),
        ("TASKFLOW_STATE_DIR", "/srv/taskflow", Path("/srv/taskflow")),
        ("TASKFLOW_STATE_DIR", "~/tasks", Path.home() / "tasks"),
    ],
)
def test_a_variable_sets_what_it_names(
    variable: str, text: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable changes its own setting and no other."""
    defaults = load_settings().model_dump()
    assert load(monkeypatch, **{variable: text}).model_dump() == {**defaults, variable.lower(): value}


def test_every_variable_is_tried_here() -> None:
    """No setting is added without a test of what it takes and what it refuses."""
    source = Path(__file__).read_text()
    assert {name for name in VARIABLES if f'("{name}", ' not in source} == set()


@pytest.mark.parametrize(
    ("variable", "text", "sentence"),
    [
        ("ENVIRONMENT", "staging", "ENVIRONMENT must be 'development' or 'production'."),
        ("DATABASE_POOL_SIZE", "0", "DATABASE_POOL_SIZE must be greater than or equal to 1."),
        ("DATABASE_QUEUE_SIZE", "100001", "DATABASE_QUEUE_SIZE must be less than or equal to 100000."),
        ("DATABASE_TIMEOUT", "0", "DATABASE_TIMEOUT must be greater than or equal to 0.1."),
        ("DATABASE_TIMEOUT", "inf", "DATABASE_TIMEOUT must be less than or equal to 60."),
        ("DATABASE_TIMEOUT", "nan", "DATABASE_TIMEOUT must be less than or equal to 60."),
        ("TOKEN_CACHE_SIZE", "-1", "TOKEN_CACHE_SIZE must be greater than or equal to 0."),
        ("MAX_TOKEN_BYTES", "1023", "MAX_TOKEN_BYTES must be greater than or equal to 1024."),
        ("MAX_BODY_BYTES", "1MB", "MAX_BODY_BYTES must be a valid integer."),
        ("MAX_URL_BYTES", "65536", "MAX_URL_BYTES must be less than or equal to 65535."),
        ("MAX_HEADER_BYTES", "1023", "MAX_HEADER_BYTES must be greater than or equal to 1024."),
        ("MAX_PIPELINED", "0", "MAX_PIPELINED must be greater than or equal to 1."),
        ("MAX_REQUESTS", "0", "MAX_REQUESTS must be greater than or equal to 1."),
        ("MAX_CONNECTIONS", "0", "MAX_CONNECTIONS must be greater than or equal to 1."),
        ("CLIENT_TIMEOUT", "0", "CLIENT_TIMEOUT must be greater than or equal to 0.1."),
        ("CLIENT_TIMEOUT", "inf", "CLIENT_TIMEOUT must be less than or equal to 3600."),
        ("KEEP_ALIVE_TIMEOUT", "0.5", "KEEP_ALIVE_TIMEOUT must be a valid integer."),
        ("SHUTDOWN_TIMEOUT", "0", "SHUTDOWN_TIMEOUT must be greater than or equal to 1."),
        ("PORT", "65536", "PORT must be less than or equal to 65535."),
        ("PORT", "-1", "PORT must be greater than or equal to 0."),
        ("PORT", "http", "PORT must be a valid integer."),
        ("WEB_CONCURRENCY", "0", "WEB_CONCURRENCY must be greater than or equal to 1."),
        ("LOG_LEVEL", "verbose", "LOG_LEVEL must be 'debug', 'info', 'warning' or 'error'."),
        ("JWKS_TIMEOUT", "0", "JWKS_TIMEOUT must be greater than or equal to 0.1."),
        ("JWKS_COOLDOWN", "0", "JWKS_COOLDOWN must be greater than or equal to 0.1."),
        ("JWKS_MAX_AGE", "inf", "JWKS_MAX_AGE must be less than or equal to 86400."),
        ("JWKS_QUEUE_SIZE", "0", "JWKS_QUEUE_SIZE must be greater than or equal to 1."),
        ("MAX_JWKS_BYTES", "1023", "MAX_JWKS_BYTES must be greater than or equal to 1024."),
        ("BETTER_AUTH_URL", "app.example.com", NO_AUTH_URL.format("BETTER_AUTH_URL")),
        ("BETTER_AUTH_URL", "ftp://app.example.com", NO_AUTH_URL.format("BETTER_AUTH_URL")),
        ("BETTER_AUTH_URL", "https://app.example.com?x=s3cr3t", NO_AUTH_URL.format("BETTER_AUTH_URL")),
        ("BETTER_AUTH_URL", "https://app.example.com/api/auth?x=s3cr3t", NO_AUTH_URL.format("BETTER_AUTH_URL")),
        ("BETTER_AUTH_URL", "https://app.example.com#x", NO_AUTH_URL.format("BETTER_AUTH_URL")),
        ("JWKS_URL", "https://alice:s3cr3t@app.example.com/jwks", NO_AUTH_URL.format("JWKS_URL")),
        ("JWKS_URL", "https://app.example.com/jwks#s3cr3t", NO_AUTH_URL.format("JWKS_URL")),
        ("JWKS_URL", "https://app.example.com/\njwks", NO_AUTH_URL.format("JWKS_URL")),
        ("JWKS_URL", "/jwks", NO_AUTH_URL.format("JWKS_URL")),
        ("JWKS_URL", "https://a b/jwks", "JWKS_URL must name a host, and a port up to 65535 where there is one."),
        ("JWKS_URL", "https://a:65536/", "JWKS_URL must name a host, and a port up to 65535 where there is one."),
        ("BETTER_AUTH_SECRET", "x" * 31, SHORT_SECRET),
        ("CORS_ORIGINS", "*", NO_ORIGIN),
        ("CORS_ORIGINS", "https://*.example.com", NO_ORIGIN),
        ("CORS_ORIGINS", "https://app.example.com/tasks", NO_ORIGIN),
        ("CORS_ORIGINS", "https://app.example.com//", NO_ORIGIN),
        ("CORS_ORIGINS", "https://app.example.com?x=1", NO_ORIGIN),
        ("CORS_ORIGINS", "https://app.example.com#x", NO_ORIGIN),
        ("CORS_ORIGINS", "https://alice:s3cr3t@app.example.com", NO_ORIGIN),
        ("CORS_ORIGINS", "https://app.example.com:https", NO_ORIGIN),
        ("CORS_ORIGINS", "https://app.example.com:65536", NO_ORIGIN),
        ("CORS_ORIGINS", "https://app.example.com https://b.example", NO_ORIGIN),
        ("CORS_ORIGINS", "https://[::1", NO_ORIGIN),
        ("CORS_ORIGINS", "app.example.com", NO_ORIGIN),
        ("CORS_ORIGINS", "localhost:3000", NO_ORIGIN),
        ("CORS_ORIGINS", "ftp://app.example.com", NO_ORIGIN),
        ("CORS_ORIGINS", "null", NO_ORIGIN),
        ("CORS_ORIGINS", "http://localhost:3000,*", NO_ORIGIN),
        ("DATABASE_URL", "mysql://owner:s3cr3t@host/db", "DATABASE_URL must start with postgresql://."),
        ("DATABASE_URL", "postgresql+asyncpg://owner:s3cr3t@host/db", "DATABASE_URL must start with postgresql://."),
        ("DATABASE_URL", "host=host password=s3cr3t", "DATABASE_URL must start with postgresql://."),
        ("DATABASE_URL", "postgresql://owner:s3cr3t%@host/db", NO_URL),
        ("DATABASE_URL", "postgresql://owner:s3cr3t%zz@host/db", NO_URL),
        ("DATABASE_URL", "postgresql://owner:s3cr3t%00@host/db", NO_URL),
        ("DATABASE_URL", "postgresql://owner:s3cr3t@[host/db", NO_URL),
        ("DATABASE_URL", "postgresql://owner:s3cr3t@host/db?password=s3cr3t&sslmod=require", NO_URL),
        # A password that is not percent-encoded becomes part of the host or the port, which messages quote.
        ("DATABASE_URL", "postgresql://owner:s3/cr3t@host/db", NO_URL),
        ("DATABASE_URL", "postgresql://owner:s3@cr3t@host/db", NO_URL),
    ],
)
def test_a_mistake_is_one_sentence_with_the_remedy(
    variable: str, text: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the variable and what it takes, and never what was given."""
    assert complain(monkeypatch, **{variable: text}) == [sentence]
    assert "cr3t" not in sentence


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("PORT", "9" * 5000),
        ("BETTER_AUTH_SECRET", "\udcff" * 32),
        ("JWT_ISSUER", " , "),
        ("JWT_AUDIENCE", " , "),
        ("CORS_ORIGINS", " , "),
        ("DATABASE_URL", "postgresql://owner:\udcff@host/db"),
        ("CORS_ORIGINS", "https://\udcff.example"),
    ],
    ids=[
        "endless-number",
        "secret-not-text",
        "no-issuer",
        "no-audience",
        "no-origin",
        "url-not-text",
        "origin-not-text",
    ],
)
def test_whatever_is_given_the_answer_is_a_sentence(variable: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that are not text, numbers without end, and lists of nothing, which would switch a check off."""
    (sentence,) = complain(monkeypatch, **{variable: text})
    assert re.fullmatch(rf"{variable} (must (be|have|name|start) |is not ).*\.", sentence)
    assert text not in sentence
    # As libraries begin their own messages, which speak to programmers.
    assert not re.search("codec|Unable|Invalid", sentence)


def test_every_mistake_gets_its_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator need not start four times to hear of four mistakes."""
    sentences = complain(monkeypatch, PORT="x", BETTER_AUTH_SECRET="short", DATABASE_URL="x", CORS_ORIGINS="x")
    assert sorted(sentence.split()[0] for sentence in sentences) == [
        "BETTER_AUTH_SECRET",
        "CORS_ORIGINS",
        "DATABASE_URL",
        "PORT",
    ]


@pytest.mark.parametrize("variable", ["DATABASE_URL", "BETTER_AUTH_SECRET", "CORS_ORIGINS"])
@pytest.mark.parametrize("text", [None, ""])
def test_production_needs_what_only_the_operator_knows(
    variable: str, text: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In production nothing is made up; an empty variable counts as one that is not set."""
    variables = {name: value for name, value in PRODUCTION.items() if name != variable}
    if text is not None:
        variables[variable] = text
    (sentence,) = complain(monkeypatch, **variables)
    assert sentence.startswith(f"{variable} must be set in production: ")


@pytest.mark.parametrize("variable", ["BETTER_AUTH_URL", "JWKS_URL"])
def test_where_keys_are_published_no_secret_need_be_shared(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In production too; an address that is wrong is the only thing to complain about."""
    variables = {name: value for name, value in PRODUCTION.items() if name != "BETTER_AUTH_SECRET"}
    assert load(monkeypatch, **variables, **{variable: "https://app.example.com/keys"}).better_auth_secret is None
    assert complain(monkeypatch, **{variable: "app.example.com"}) == [NO_AUTH_URL.format(variable)]


@pytest.mark.parametrize("variable", ["BETTER_AUTH_URL", "JWKS_URL"])
@pytest.mark.parametrize(
    "url", ["http://app.example.com", "http://10.0.0.1:3000", "http://localhost.example.com", "http://127.0.0.1.nip.io"]
)
def test_keys_come_encrypted_in_production(variable: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who can change them on the way can sign for anybody."""
    assert load(monkeypatch, **{variable: url}).key_set_url is not None
    sentence = f"{variable} must begin with https:// in production, unless its host is this machine."
    assert complain(monkeypatch, **PRODUCTION, **{variable: url}) == [sentence]


@pytest.mark.parametrize("url", ["http://localhost:3000", "http://127.0.0.1:3000", "http://[::1]:3000"])
def test_keys_of_this_machine_may_come_plain(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is between."""
    assert load(monkeypatch, **PRODUCTION, BETTER_AUTH_URL=url).key_set_url == f"{url}/api/auth/jwks"


@pytest.mark.parametrize(
    ("variables", "address", "issuers"),
    [
        ({}, None, ()),
        (
            {"BETTER_AUTH_URL": "https://app.example.com"},
            "https://app.example.com/api/auth/jwks",
            ("https://app.example.com",),
        ),
        # As Better Auth itself takes it: a path is its base path.
        (
            {"BETTER_AUTH_URL": "https://app.example.com/auth"},
            "https://app.example.com/auth/jwks",
            ("https://app.example.com",),
        ),
        (
            {"BETTER_AUTH_URL": "https://app.example.com", "JWKS_URL": "http://localhost:3000/jwks"},
            "http://localhost:3000/jwks",
            ("https://app.example.com",),
        ),
        (
            {"BETTER_AUTH_URL": "https://app.example.com", "JWT_ISSUER": "a, b"},
            "https://app.example.com/api/auth/jwks",
            ("a", "b"),
        ),
        ({"JWKS_URL": "https://a.example/jwks"}, "https://a.example/jwks", ()),
    ],
    ids=["nothing", "origin", "with-path", "both", "issuers", "keys-alone"],
)
def test_where_keys_are_and_who_issues_follow_from_better_auths_url(
    variables: dict[str, str], address: str | None, issuers: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless they are named themselves."""
    settings = load(monkeypatch, **variables)
    assert (settings.key_set_url, settings.key_set_issuers) == (address, issuers)


def test_what_is_missing_is_named_beside_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """In production too, one start tells of every mistake."""
    sentences = complain(monkeypatch, ENVIRONMENT="production", BETTER_AUTH_SECRET=SECRET, PORT="x")
    assert sorted(sentence.split()[0] for sentence in sentences) == ["CORS_ORIGINS", "DATABASE_URL", "PORT"]


def test_production_is_told_by_its_name_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """A capital letter must not turn a production server into one that makes tokens for everybody."""
    assert load(monkeypatch, **{**PRODUCTION, "ENVIRONMENT": "Production"}).is_production


@pytest.mark.parametrize("variable", sorted(VARIABLES))
def test_an_empty_variable_counts_as_unset(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As compose files and CI systems hand down what nobody has set."""
    defaults = load_settings()
    assert load(monkeypatch, **{variable: ""}) == defaults


@pytest.mark.parametrize(
    "text",
    [
        NEON_URL,
        NEON_URL.replace("postgresql://", "postgres://"),
        NEON_URL.replace("postgresql://", "postgresql+psycopg://"),
        f"  {NEON_URL}\n",
        f"'{NEON_URL}'",
        f' "{NEON_URL}" ',
    ],
)
def test_each_spelling_of_the_database_url_means_the_same(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neon's parameters, the encoded equals sign included, arrive at libpq as they were meant."""
    settings = load(monkeypatch, DATABASE_URL=text)
    assert settings.dsn == NEON_URL
    assert conninfo_to_dict(settings.dsn) == {
        "user": "owner",
        "password": "pa/ss",
        "host": "ep-cool-1-pooler.eu-central-1.aws.neon.tech",
        "dbname": "neondb",
        "sslmode": "require",
        "channel_binding": "require",
        "options": "endpoint=ep-cool-1",
    }


def test_a_dotenv_file_is_read_and_the_environment_wins(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`.env` of the working folder; lines that are somebody else's are passed over, and the caller goes first."""
    (folder / ".env").write_text(f'PORT=1111\nLOG_LEVEL=debug\nNEXT_PUBLIC_URL=x\nBETTER_AUTH_SECRET="{SECRET}"\n')
    settings = load(monkeypatch, PORT="2222")
    assert (settings.port, settings.log_level, settings.secret) == (2222, "debug", SECRET)
    assert load_settings(port="3333").port == 3333


def test_a_mistake_in_the_dotenv_file_is_named_the_same_way(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever a value comes from, the sentence is the same."""
    (folder / ".env").write_text("BETTER_AUTH_SECRET=short\n")
    assert complain(monkeypatch) == [SHORT_SECRET]


def test_no_secret_can_be_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither repr nor str nor JSON shows the secret or anything of the connection string; who asks gets them."""
    settings = load(monkeypatch, **PRODUCTION)
    for text in (repr(settings), str(settings), f"{settings.model_dump()}", settings.model_dump_json()):
        assert SECRET not in text
        assert "owner" not in text
        assert "neon" not in text
    assert (settings.secret, settings.dsn) == (SECRET, NEON_URL)


@pytest.mark.parametrize(("attribute", "variable"), [("secret", "BETTER_AUTH_SECRET"), ("dsn", "DATABASE_URL")])
def test_what_is_not_set_cannot_be_used(attribute: str, variable: str) -> None:
    """Who asks for a secret that is not there gets a sentence, not an empty key."""
    with pytest.raises(SettingsError, match=f"^{variable} is not set\\.$"):
        getattr(load_settings(), attribute)


@pytest.mark.parametrize(
    ("workers", "configured", "connections"),
    [("1", "", 10), ("8", "", 10), ("9", "", 8), ("16", "", 5), ("256", "", 1), ("16", "10", 10), ("1", "30", 30)],
)
def test_workers_share_what_a_small_database_allows(
    monkeypatch: pytest.MonkeyPatch, workers: str, configured: str, connections: int
) -> None:
    """Unless the operator has said how many connections each may open."""
    settings = load(monkeypatch, WEB_CONCURRENCY=workers, DATABASE_POOL_SIZE=configured)
    assert settings.pool_size == connections


def test_the_settings_are_frozen() -> None:
    """What was checked at the start holds to the end."""
    settings: Any = load_settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.port = 1


def test_the_example_documents_every_variable_and_its_default(folder: Path) -> None:
    """`.env.example` sets each variable once, to what it would be without; copied, it changes nothing."""
    defaults = load_settings().model_dump()
    example = (REPOSITORY / ".env.example").read_text()
    assert sorted(re.findall(r"^([A-Z][A-Z_]*)=", example, re.MULTILINE)) == sorted(VARIABLES)
    (folder / ".env").write_text(example)
    assert load_settings().model_dump() == defaults


def test_a_file_that_is_not_text_is_named(folder: Path) -> None:
    """Some editors write UTF-16."""
    (folder / ".env").write_text("PORT=8001", encoding="utf-16")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert caught.value.sentences == [".env is not UTF-8 text; save it as such."]
