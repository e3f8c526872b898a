"""What libpq would refuse in a connection string ends the start; it is no outage, and nothing is connected to."""

import socket
import time
from pathlib import Path

import pytest

from tests.support.configuration import complain, load

URL = "postgresql://owner:s3cr3t@ep-cool-1.neon.tech/db"

SSLMODES = "one of disable, allow, prefer, require, verify-ca, verify-full"
SWITCH = "0 or 1"
NUMBER = "a whole number"
FILE = "a file that exists and that this user can read"
PORT = "from 1 to 65535"
SSL = "write sslmode=verify-full, or sslmode=require for encryption without a check of the certificate"
POOL = "remove it; DATABASE_POOL_SIZE says how many connections each worker keeps"
POOLER = "remove it; poolers need no setting here"
PSQL = "must be the connection string alone, which stands in quotes behind the command psql"
SCHEMA = "write options=-csearch_path%3DNAME"
TIMEOUT = "remove it; DATABASE_TIMEOUT bounds every statement"

WRONG = [
    ("sslmode", "no-verify", SSLMODES),
    ("sslmode", "REQUIRE", SSLMODES),
    ("sslmode", "true", SSLMODES),
    ("sslmode", "", SSLMODES),
    (
        "target_session_attrs",
        "primary-only",
        "one of any, read-write, read-only, primary, standby, prefer-standby",
    ),
    ("channel_binding", "yes", "one of disable, prefer, require"),
    ("gssencmode", "allow", "one of disable, prefer, require"),
    ("sslnegotiation", "fast", "one of postgres, direct"),
    ("load_balance_hosts", "yes", "one of disable, random"),
    ("sslcertmode", "prefer", "one of disable, allow, require"),
    (
        "require_auth",
        "scram",
        "a list of password, md5, gss, sspi, scram-sha-256, oauth, none, or of the same each with !",
    ),
    (
        "ssl_min_protocol_version",
        "1.2",
        "one of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3, and not after ssl_max_protocol_version",
    ),
    (
        "ssl_max_protocol_version",
        "TLSv2",
        "one of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3, and not before ssl_min_protocol_version",
    ),
    ("min_protocol_version", "2", "one of 3.0, 3.2, latest"),
    ("sslsni", "yes", SWITCH),
    ("sslcompression", "on", SWITCH),
    ("keepalives", "true", SWITCH),
    ("connect_timeout", "10s", NUMBER),
    ("connect_timeout", "1e3", NUMBER),
    ("connect_timeout", "99999999999", NUMBER),
    ("keepalives_idle", "x", NUMBER),
    ("keepalives_interval", "1.5", NUMBER),
    ("keepalives_count", "%EF%BC%93", NUMBER),
    ("tcp_user_timeout", "x", NUMBER),
    ("port", "0", PORT),
    ("port", "65536", PORT),
    ("port", "9999999999", PORT),
    ("hostaddr", "ep-cool-1.neon.tech", "a numeric address"),
    ("hostaddr", "1.2.3", "a numeric address"),
    ("replication", "database", "off: TaskFlow speaks SQL"),
    ("service", "nobodys", "the name of a service in libpq's service file"),
    ("sslrootcert", "/nowhere/s3cr3t.crt", FILE),
    ("sslrootcert", "/etc", FILE),
    ("sslrootcert", "~/root.crt", FILE),
    ("sslcert", "/nowhere/x", FILE),
    ("sslkey", "/nowhere/x", FILE),
    ("sslcrl", "/nowhere/x", FILE),
    ("sslrootcert", "/etc/passwd", "a file of certificates (PEM)"),
]


@pytest.mark.parametrize(("parameter", "value", "must"), WRONG)
def test_a_wrong_value_is_named_with_its_parameter(
    parameter: str, value: str, must: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what the parameter takes, and never with what was given."""
    sentence = f"DATABASE_URL is wrong in {parameter}, which must be {must}."
    assert complain(monkeypatch, DATABASE_URL=f"{URL}?application_name=taskflow&{parameter}={value}") == [sentence]
    assert "s3cr3t" not in sentence


@pytest.mark.parametrize(
    ("variable", "value", "must"),
    [
        ("PGSSLMODE", "nonsense", SSLMODES),
        ("PGSSLMODE", "", SSLMODES),
        ("PGCONNECT_TIMEOUT", "x", NUMBER),
        ("PGSSLROOTCERT", "/nowhere/x", FILE),
        ("PGSERVICE", "nobodys", "the name of a service in libpq's service file"),
        ("PGPORT", "x", PORT),
        ("PGCHANNELBINDING", "s3cr3t", "one of disable, prefer, require"),
    ],
)
def test_a_wrong_value_of_the_environment_is_named_with_its_variable(
    variable: str, value: str, must: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It completes the connection string, and counts unless that has the parameter itself."""
    monkeypatch.setenv(variable, value)
    sentence = f"DATABASE_URL is wrong in {variable} of the environment, which must be {must}."
    assert complain(monkeypatch, DATABASE_URL=URL) == [sentence]
    if variable == "PGSSLMODE":
        assert load(monkeypatch, DATABASE_URL=f"{URL}?sslmode=require").dsn == f"{URL}?sslmode=require"


@pytest.mark.parametrize(
    ("query", "mistake"),
    [
        (
            "sslmode=disable&channel_binding=require",
            "is wrong in channel_binding, which needs TLS, and sslmode is disable",
        ),
        (
            "ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=TLSv1.2",
            (
                "is wrong in ssl_min_protocol_version, which must be one of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3, "
                "and not after ssl_max_protocol_version"
            ),
        ),
        (
            "sslmode=require&sslrootcert=system",
            "is wrong in sslmode, which must be verify-full beside sslrootcert=system",
        ),
        ("sslnegotiation=direct", "is wrong in sslmode, which must be require or more beside sslnegotiation=direct"),
        ("port=1,2", "must have as many ports and addresses as it has hosts, or one port for all of them"),
        (
            "host=a,b&hostaddr=::1,::2,::3",
            "must have as many ports and addresses as it has hosts, or one port for all of them",
        ),
    ],
)
def test_parameters_that_do_not_go_together_are_named(
    query: str, mistake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each by itself is right."""
    assert complain(monkeypatch, DATABASE_URL=f"{URL}?{query}") == [f"DATABASE_URL {mistake}."]


@pytest.mark.parametrize("sslmode", ["verify-ca", "verify-full"])
def test_a_certificate_is_verified_with_something(sslmode: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default of libpq is a file in the home folder, which most people do not have."""
    monkeypatch.setenv("HOME", str(folder))
    url = f"{URL}?sslmode={sslmode}"
    assert complain(monkeypatch, DATABASE_URL=url) == [
        (
            "DATABASE_URL must have sslrootcert beside sslmode: sslrootcert=system, with sslmode=verify-full, for the "
            "authorities that the system trusts, or a file of certificates."
        )
    ]
    (folder / ".postgresql").mkdir()
    (folder / ".postgresql" / "root.crt").touch()
    assert load(monkeypatch, DATABASE_URL=url).dsn == url


def test_a_key_that_others_can_read_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As libpq does, once it connects."""
    key = folder / "client.key"
    key.touch(mode=0o600)
    url = f"{URL}?sslkey={key}"
    assert load(monkeypatch, DATABASE_URL=url).dsn == url
    key.chmod(0o644)
    sentence = "DATABASE_URL is wrong in sslkey, a file that others can read; run `chmod 600` on it."
    assert complain(monkeypatch, DATABASE_URL=url) == [sentence]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("pgbouncer=true", f"pgbouncer ({POOLER})"),
        ("connection_limit=1", f"connection_limit ({POOL})"),
        ("pool_timeout=0", "pool_timeout (remove it; DATABASE_TIMEOUT bounds the wait for a connection)"),
        ("pgbouncer=true&sslmode=require&connection_limit=1", f"pgbouncer ({POOLER}), connection_limit ({POOL})"),
        ("schema=app", f"schema ({SCHEMA})"),
        ("currentSchema=app", f"currentSchema ({SCHEMA})"),
        ("statement_cache_size=0", f"statement_cache_size ({POOLER})"),
        ("prepareThreshold=0", f"prepareThreshold ({POOLER})"),
        ("statement_timeout=1000", f"statement_timeout ({TIMEOUT})"),
        ("ssl=1", f"ssl ({SSL})"),
        ("sslaccept=strict", f"sslaccept ({SSL})"),
        ("targetServerType=primary", "targetServerType (write target_session_attrs=primary)"),
        ("channelBinding=require", "channelBinding (write channel_binding)"),
        ("ApplicationName=x", "ApplicationName (write application_name)"),
        ("ssl-mode=require", "ssl-mode (write sslmode)"),
        ("supa=base-pooler.x", "supa (remove it)"),
        ("nobodys=s3cr3t", "nobodys (remove it)"),
    ],
)
def test_a_parameter_of_another_driver_is_named_with_what_to_do(
    query: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them at once."""
    sentence = f"DATABASE_URL must have no parameters that libpq does not know: {named}."
    assert complain(monkeypatch, DATABASE_URL=f"{URL}?{query}") == [sentence]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (f"psql '{URL}'", PSQL),
        (f'psql "{URL}"', PSQL),
        (f"psql {URL}", PSQL),
        (f"\"psql '{URL}'\"", PSQL),
        (f"sudo psql '{URL}'", PSQL),
        (f"sudo -u postgres psql {URL}", PSQL),
        (f"/usr/bin/psql {URL}", PSQL),
        (f"PGPASSWORD=s3cr3t psql {URL}", PSQL),
        (f"  psql -d {URL}", PSQL),
        (f"DATABASE_URL={URL}", "must start with postgresql://, without the name of a variable before it"),
        (f"DATABASE_URL='{URL}'", "must start with postgresql://, without the name of a variable before it"),
        (f"export DATABASE_URL={URL}", "must start with postgresql://, without the name of a variable before it"),
        (f"jdbc:{URL}", "must start with postgresql://"),
        (f"{URL}?sslmode=require&amp;channel_binding=require", "must have & between its parameters, not &amp;"),
    ],
)
def test_what_was_copied_beside_the_connection_string_is_named(
    text: str, mistake: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neon's console copies a command."""
    assert complain(monkeypatch, DATABASE_URL=text) == [f"DATABASE_URL {mistake}."]
    monkeypatch.delenv("DATABASE_URL")
    if text.startswith("psql"):
        (folder / ".env").write_text(f"DATABASE_URL={text}\n")
        assert complain(monkeypatch) == [f"DATABASE_URL {mistake}."]


@pytest.mark.parametrize(
    "url",
    [
        URL,
        f"{URL}?sslmode=require&channel_binding=require&options=endpoint%3Dep-cool-1",
        f"{URL}?ssl=true",
        f"{URL}?sslmode=verify-full&sslrootcert=system",
        f"{URL}?sslrootcert=system",
        f"{URL}?sslmode=require&sslnegotiation=direct",
        f"{URL}?gssencmode=require",
        f"{URL}?require_auth=!password,!md5",
        f"{URL}?target_session_attrs=read-write&load_balance_hosts=random",
        f"{URL}?connect_timeout=10&keepalives=1&keepalives_idle=30&tcp_user_timeout=1000",
        f"{URL}?hostaddr=192.0.2.1&sslsni=0",
        f"{URL}?options=-csearch_path%3Dapp&application_name=taskflow&client_encoding=UTF8",
        "postgresql://owner@a:1,b:2,c/db",
        "postgresql://owner@a,b/db?port=5433",
        "postgresql://owner@[::1]:5432/db",
        "postgresql:///db?host=/var/run/postgresql",
        "postgresql://owner:s3%40cr%2F3t%3F@host/db",
    ],
)
def test_what_libpq_takes_is_taken(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands."""
    assert load(monkeypatch, DATABASE_URL=url).dsn == url


def test_the_check_connects_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither to the string's host nor to those that libpq's variables name, and it waits for no name server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        port = listener.getsockname()[1]
        monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")
        started = time.monotonic()
        load(monkeypatch, DATABASE_URL=f"postgresql://owner@nowhere.invalid:{port}/db?sslmode=require")
        load(monkeypatch, DATABASE_URL=f"postgresql://owner@127.0.0.1:{port}/db?hostaddr=127.0.0.1")
        assert time.monotonic() - started < 5
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.mark.parametrize(
    ("url", "password"), [("postgresql://user:sec%FFret@host/db", None), ("postgresql://host/db", "caf\udce9")]
)
def test_a_password_that_is_no_text_is_refused_without_its_bytes(
    url: str, password: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python's own words for it would name a byte of the password and its place."""
    if password is not None:
        monkeypatch.setenv("PGPASSWORD", password)
    (sentence,) = complain(monkeypatch, DATABASE_URL=url)
    assert sentence.startswith("DATABASE_URL is ")
    assert not [word for word in ("codec", "0xff", "udce9", "position") if word in sentence]


def test_a_service_may_name_several_ports_and_demand_encryption(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its file says does not fit the one socket at which libpq is asked."""
    service = folder / "pg_service.conf"
    service.write_text("[tasks]\nhost=h1,h2\nport=5432,5433\ngssencmode=require\n")
    monkeypatch.setenv("PGSERVICEFILE", str(service))
    load(monkeypatch, DATABASE_URL="postgresql://?service=tasks")


@pytest.mark.parametrize(
    ("part", "url"),
    [
        ("password", "postgresql://postgres:[YOUR-PASSWORD]@db.example.com/postgres"),
        ("password", "postgresql://owner:<password>@ep-cool-1.neon.tech/db"),
        ("password", "postgresql://owner:YOUR_PASSWORD@ep-cool-1.neon.tech/db"),
        ("password", "postgresql://owner:%7B%7Bdb_password%7D%7D@ep-cool-1.neon.tech/db"),
        ("user", "postgresql://%3Cuser%3E:s3cr3t@ep-cool-1.neon.tech/db"),
        ("host", "postgresql://owner:s3cr3t@%3Chost%3E/db"),
        ("dbname", "postgresql://owner:s3cr3t@ep-cool-1.neon.tech/[DB-NAME]"),
    ],
)
def test_a_placeholder_is_named(part: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As consoles and guides write them; what is in brackets and means nothing of the kind may be a password."""
    sentence = f"DATABASE_URL still has a placeholder for its {part}: put the real one in its place."
    assert complain(monkeypatch, DATABASE_URL=url) == [sentence]
    for password in ("[x7Gw-2p]", "yourself", "%3C3"):
        good = f"postgresql://owner:{password}@ep-cool-1.neon.tech/db"
        assert load(monkeypatch, DATABASE_URL=good).dsn == good


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://owner:pw@db.example.com/psql",
        "postgresql://psql:pw@db.example.com/psql-prod",
        "postgresql://psql.internal/tasks",
        "postgresql://owner@db.example.com/db?host=/run/psql",
    ],
)
def test_a_part_that_is_called_as_the_command_is_none(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command stands before the connection string."""
    assert load(monkeypatch, DATABASE_URL=url).dsn == url
