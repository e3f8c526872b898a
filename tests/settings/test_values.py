"""What each variable may be: it sets what it names, and a mistake in it is one sentence with the remedy."""

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from taskflow.settings import load_settings
from tests.support.configuration import (
    BARE_AUTH_URL,
    NO_AUTH_URL,
    NO_URL,
    SHORT_SECRET,
    VARIABLES,
    complain,
    load,
)

TEXTS = {
    "BETTER_AUTH_SECRET",
    "BETTER_AUTH_URL",
    "CORS_HEADERS",
    "CORS_ORIGINS",
    "DATABASE_URL",
    "ENVIRONMENT",
    "HOST",
    "JWKS_URL",
    "JWT_AUDIENCE",
    "JWT_ISSUER",
    "LOG_LEVEL",
    "METRICS_HOST",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "ROOT_PATH",
    "TASKFLOW_STATE_DIR",
}
"""The variables that are no numbers."""


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
        ("DATABASE_SEARCH_TIMEOUT", "0.1", 0.1),
        ("DATABASE_SEARCH_SHARE", "1", 1.0),
        ("DATABASE_USER_SHARE", "0.01", 0.01),
        ("IDEMPOTENCY_KEY_LIFETIME", "86400", 86_400),
        ("IDEMPOTENCY_KEY_LIFETIME", "31536000", 31_536_000),
        ("BETTER_AUTH_SECRET", "x" * 32, SecretStr("x" * 32)),
        ("BETTER_AUTH_SECRET", "é" * 16, SecretStr("é" * 16)),
        ("BETTER_AUTH_URL", "https://app.example.com", "https://app.example.com"),
        ("BETTER_AUTH_URL", " HTTPS://App.Example.com:443/ ", "https://app.example.com"),
        ("BETTER_AUTH_URL", "https://app.example.com/api/auth/", "https://app.example.com/api/auth"),
        # While developing, the frontend may be another container.
        ("BETTER_AUTH_URL", "http://frontend:3000", "http://frontend:3000"),
        ("BETTER_AUTH_URL", "http://better_auth:3000", "http://better_auth:3000"),
        ("BETTER_AUTH_URL", "https://app.example.com:0443", "https://app.example.com"),
        ("BETTER_AUTH_URL", "https://bücher.example", "https://xn--bcher-kva.example"),
        ("JWKS_URL", "https://app.example.com/api/auth/jwks", "https://app.example.com/api/auth/jwks"),
        ("JWKS_URL", "https://a.example/keys/?tenant=1&x=%20", "https://a.example/keys/?tenant=1&x=%20"),
        ("JWKS_URL", "http://[::1]:3000/jwks", "http://[::1]:3000/jwks"),
        ("JWKS_TIMEOUT", "0.1", 0.1),
        ("JWKS_TIMEOUT", "10", 10.0),
        ("JWKS_COOLDOWN", "0.1", 0.1),
        ("JWKS_COOLDOWN", "10", 10.0),
        ("JWKS_BURST", "1", 1),
        ("JWKS_BURST", "1000", 1000),
        ("JWKS_MAX_AGE", "1", 1.0),
        ("JWKS_MAX_AGE", "86400", 86_400.0),
        ("JWKS_MAX_AGE_STALE", "1", 1.0),
        ("JWKS_MAX_AGE_STALE", "2592000", 2_592_000.0),
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
        ("CORS_HEADERS", "x-datadog-trace-id", ("x-datadog-trace-id",)),
        ("CORS_HEADERS", " X-One , x_two!,", ("X-One", "x_two!")),
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
        ("METRICS_PORT", "9090", 9090),
        ("METRICS_PORT", "0", 0),
        ("METRICS_PORT", " Off ", "off"),
        ("METRICS_HOST", "0.0.0.0", "0.0.0.0"),  # noqa: S104  nothing listens there
        ("METRICS_MAX_CONNECTIONS", "5", 5),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318", "http://localhost:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", " https://Traces.example/otlp/ ", "https://traces.example/otlp"),
        ("PORT", "65535", 65_535),
        ("WEB_CONCURRENCY", "256", 256),
        ("ROOT_PATH", "/", None),
        ("ROOT_PATH", "/taskflow", "/taskflow"),
        ("ROOT_PATH", "/team-1/taskflow_2.0/", "/team-1/taskflow_2.0"),
        ("SHUTDOWN_DELAY", "0", 0.0),
        ("SHUTDOWN_DELAY", "60", 60.0),
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
        (
            "DATABASE_SEARCH_TIMEOUT",
            "0",
            "DATABASE_SEARCH_TIMEOUT must be greater than or equal to 0.1.",
        ),
        ("DATABASE_SEARCH_SHARE", "0", "DATABASE_SEARCH_SHARE must be greater than 0."),
        ("DATABASE_USER_SHARE", "1.1", "DATABASE_USER_SHARE must be less than or equal to 1."),
        ("DATABASE_USER_SHARE", "nan", "DATABASE_USER_SHARE must be less than or equal to 1."),
        ("DATABASE_TIMEOUT", "inf", "DATABASE_TIMEOUT must be less than or equal to 60."),
        ("DATABASE_TIMEOUT", "nan", "DATABASE_TIMEOUT must be less than or equal to 60."),
        (
            "IDEMPOTENCY_KEY_LIFETIME",
            "86399",
            "IDEMPOTENCY_KEY_LIFETIME must be greater than or equal to 86400.",
        ),
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
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "localhost:4318",
            "OTEL_EXPORTER_OTLP_ENDPOINT must be a URL such as http://localhost:4318.",
        ),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "https://user:word@traces.example",
            "OTEL_EXPORTER_OTLP_ENDPOINT must have no user, password, query or fragment.",
        ),
        ("METRICS_PORT", "on", "METRICS_PORT must be off, or a port from 0 to 65535."),
        ("METRICS_PORT", "8000", "METRICS_PORT must be another port than PORT; unset, it is that of the API."),
        ("METRICS_PORT", "65536", "METRICS_PORT must be off, or a port from 0 to 65535."),
        ("METRICS_PORT", "-1", "METRICS_PORT must be off, or a port from 0 to 65535."),
        ("KEEP_ALIVE_TIMEOUT", "0.5", "KEEP_ALIVE_TIMEOUT must be a valid integer."),
        *(
            ("ROOT_PATH", path, "ROOT_PATH must be a path such as /taskflow, of letters, digits and ._~-.")
            for path in ("taskflow", "//evil.example", "/a/../b", "/.", "/a b", "/a?b", '/a"b', "https://x.example")
        ),
        ("SHUTDOWN_DELAY", "-1", "SHUTDOWN_DELAY must be greater than or equal to 0."),
        ("SHUTDOWN_DELAY", "61", "SHUTDOWN_DELAY must be less than or equal to 60."),
        ("SHUTDOWN_TIMEOUT", "0", "SHUTDOWN_TIMEOUT must be greater than or equal to 1."),
        ("PORT", "65536", "PORT must be less than or equal to 65535."),
        ("PORT", "-1", "PORT must be greater than or equal to 0."),
        ("PORT", "http", "PORT must be a valid integer."),
        ("WEB_CONCURRENCY", "0", "WEB_CONCURRENCY must be greater than or equal to 1."),
        ("LOG_LEVEL", "verbose", "LOG_LEVEL must be 'debug', 'info', 'warning' or 'error'."),
        ("JWKS_TIMEOUT", "0", "JWKS_TIMEOUT must be greater than or equal to 0.1."),
        ("JWKS_COOLDOWN", "0", "JWKS_COOLDOWN must be greater than or equal to 0.1."),
        ("JWKS_MAX_AGE", "inf", "JWKS_MAX_AGE must be less than or equal to 86400."),
        ("JWKS_BURST", "0", "JWKS_BURST must be greater than or equal to 1."),
        ("JWKS_BURST", "1001", "JWKS_BURST must be less than or equal to 1000."),
        ("JWKS_MAX_AGE_STALE", "0", "JWKS_MAX_AGE_STALE must be greater than or equal to 1."),
        ("JWKS_MAX_AGE_STALE", "inf", "JWKS_MAX_AGE_STALE must be less than or equal to 2592000."),
        ("JWKS_QUEUE_SIZE", "0", "JWKS_QUEUE_SIZE must be greater than or equal to 1."),
        ("MAX_JWKS_BYTES", "1023", "MAX_JWKS_BYTES must be greater than or equal to 1024."),
        ("BETTER_AUTH_URL", "app.example.com", NO_AUTH_URL.format("BETTER_AUTH_URL")),
        ("BETTER_AUTH_URL", "ftp://app.example.com", NO_AUTH_URL.format("BETTER_AUTH_URL")),
        ("BETTER_AUTH_URL", "https://app.example.com?x=s3cr3t", BARE_AUTH_URL.format("BETTER_AUTH_URL")),
        ("BETTER_AUTH_URL", "https://app.example.com/api/auth?x=s3cr3t", BARE_AUTH_URL.format("BETTER_AUTH_URL")),
        ("BETTER_AUTH_URL", "https://app.example.com#x", BARE_AUTH_URL.format("BETTER_AUTH_URL")),
        ("JWKS_URL", "https://alice:s3cr3t@app.example.com/jwks", BARE_AUTH_URL.format("JWKS_URL")),
        ("JWKS_URL", "https://app.example.com/jwks#s3cr3t", BARE_AUTH_URL.format("JWKS_URL")),
        ("JWKS_URL", "https://app.example.com/\njwks", NO_AUTH_URL.format("JWKS_URL")),
        ("JWKS_URL", "/jwks", NO_AUTH_URL.format("JWKS_URL")),
        ("JWKS_URL", "https://a b/jwks", NO_AUTH_URL.format("JWKS_URL")),
        ("JWKS_URL", "https://a:65536/", "JWKS_URL must have a port from 1 to 65535, or none."),
        ("JWKS_URL", "https://a:0/", "JWKS_URL must have a port from 1 to 65535, or none."),
        *(
            ("JWKS_URL", f"https://{host}/", NO_AUTH_URL.format("JWKS_URL"))
            for host in ("", ".", "a..b", "xn--", "[1:2]", "127.999.1.1")
        ),
        (
            "BETTER_AUTH_URL",
            "https://app.example.com/api/auth/jwks",
            "BETTER_AUTH_URL must be where Better Auth is; where its keys are is for JWKS_URL.",
        ),
        ("JWKS_COOLDOWN", "11", "JWKS_COOLDOWN must be less than or equal to 10."),
        ("JWKS_TIMEOUT", "11", "JWKS_TIMEOUT must be less than or equal to 10."),
        ("BETTER_AUTH_SECRET", "x" * 31, SHORT_SECRET),
        ("DATABASE_URL", "mysql://owner:s3cr3t@host/db", "DATABASE_URL must start with postgresql://."),
        ("DATABASE_URL", "postgresql+asyncpg://owner:s3cr3t@host/db", "DATABASE_URL must start with postgresql://."),
        ("DATABASE_URL", "host=host password=s3cr3t", "DATABASE_URL must start with postgresql://."),
        ("DATABASE_URL", "postgresql://owner:s3cr3t%@host/db", NO_URL),
        ("DATABASE_URL", "postgresql://owner:s3cr3t%zz@host/db", NO_URL),
        ("DATABASE_URL", "postgresql://owner:s3cr3t%00@host/db", NO_URL),
        ("DATABASE_URL", "postgresql://owner:s3cr3t@[host/db", NO_URL),
        (
            "DATABASE_URL",
            "postgresql://owner:s3cr3t@host/db?password=s3cr3t&sslmod=require",
            "DATABASE_URL must have no parameters that libpq does not know: sslmod (write sslmode).",
        ),
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


GARBAGE = {
    "blank": " ",
    "tab": "\t",
    "escape": "s3cr3t\x1b[31m",
    "two-lines": "s3cr3t\nline",
    "delete": "s3cr3t\x7f",
    "not-text": "s3cr3t\udcff",
    "quoted": '"s3cr3t"',
    "home-of-nobody": "~s3cr3t-nobody/x",
}


@pytest.mark.parametrize("variable", sorted(VARIABLES))
@pytest.mark.parametrize("garbage", GARBAGE)
def test_no_variable_takes_garbage(variable: str, garbage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is for: one sentence that begins with its name, and shows nothing of it."""
    if garbage == "home-of-nobody" and variable in {
        "HOST",
        "METRICS_HOST",
        "JWT_ISSUER",
        "JWT_AUDIENCE",
        "CORS_HEADERS",
    }:
        return  # there, it may be a value
    (sentence,) = complain(monkeypatch, **{variable: GARBAGE[garbage]})
    assert re.match(rf"{variable} (must|is) ", sentence)
    assert "s3cr3t" not in sentence


@pytest.mark.parametrize("variable", sorted(name for name in VARIABLES if name not in TEXTS))
@pytest.mark.parametrize("number", ["9" * 400, "9" * 5000, "\uff11\uff12", "0x10", "1e", "--1", "1,5", "true"])
def test_no_number_is_made_of_something_else(variable: str, number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor of more digits than Python reads."""
    (sentence,) = complain(monkeypatch, **{variable: number})
    assert re.match(rf"{variable} must be ", sentence)
    assert "\n" not in sentence
    assert "digits" not in sentence
    assert "unable" not in sentence


@pytest.mark.parametrize(
    ("variable", "value"), [("PORT", 8001), ("HOST", "127.0.0.1"), ("ENVIRONMENT", "development"), ("METRICS_PORT", 9)]
)
def test_an_end_of_line_behind_a_value_is_no_mistake(
    variable: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it comes from a file."""
    assert getattr(load(monkeypatch, **{variable: f" {value}\r\n"}), variable.lower()) == value


@pytest.mark.parametrize(
    ("host", "metrics_host", "is_taken"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("0.0.0.0", "127.0.0.1", True),  # noqa: S104  nothing is bound here
        ("127.0.0.1", "::", True),
        ("10.0.0.5", "127.0.0.1", False),
        ("::1", "127.0.0.1", False),
    ],
)
def test_the_metrics_may_have_the_port_of_the_api_at_another_address(
    host: str, metrics_host: str, *, is_taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But not where one of the two is every address."""
    variables = {"HOST": host, "PORT": "8000", "METRICS_HOST": metrics_host, "METRICS_PORT": "8000"}
    if is_taken:
        sentence = "METRICS_PORT must be another port than PORT; unset, it is that of the API."
        assert complain(monkeypatch, **variables) == [sentence]
    else:
        assert load(monkeypatch, **variables).metrics_port == 8000


@pytest.mark.parametrize("variable", ["JWT_AUDIENCE", "JWT_ISSUER"])
def test_a_list_is_no_json(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In no token is an audience in brackets."""
    sentence = f"{variable} must name values separated by commas, without brackets."
    assert complain(monkeypatch, **{variable: "[a,b]"}) == [sentence]


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs as a number."""

    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setattr(Path, "home", fail)
    assert complain(monkeypatch) == ["TASKFLOW_STATE_DIR must be set, for this user has no home folder."]
    assert load(monkeypatch, TASKFLOW_STATE_DIR="/srv/taskflow").taskflow_state_dir == Path("/srv/taskflow")


def test_every_mistake_gets_its_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator need not start four times to hear of four mistakes."""
    sentences = complain(monkeypatch, PORT="x", BETTER_AUTH_SECRET="short", DATABASE_URL="x", CORS_ORIGINS="x")
    assert sorted(sentence.split()[0] for sentence in sentences) == [
        "BETTER_AUTH_SECRET",
        "CORS_ORIGINS",
        "DATABASE_URL",
        "PORT",
    ]
