"""The connection string of the database, in the form that libpq takes, and libpq's own view of its parameters.

Raises ValueError where something is wrong, with the end of a sentence that begins with the variable's name. Parameters
are named, and their allowed values; what was given is not, since it may hold a password.
"""

import os
import re
from difflib import get_close_matches
from ipaddress import ip_address

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo, PGconn

from taskflow.settings.addresses import MAX_PORT
from taskflow.settings.connection_files import check_files

_NO_CONNECTION_STRING = (
    "is not a connection string that PostgreSQL understands; "
    "look at its parameters, and percent-encode special characters"
)

_VALUES = {
    "channel_binding": "one of disable, prefer, require",
    "gssencmode": "one of disable, prefer, require",
    "load_balance_hosts": "one of disable, random",
    "max_protocol_version": "one of 3.0, 3.2, latest",
    "min_protocol_version": "one of 3.0, 3.2, latest",
    "require_auth": "a list of password, md5, gss, sspi, scram-sha-256, oauth, none, or of the same each with !",
    "ssl_max_protocol_version": "one of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3, and not before ssl_min_protocol_version",
    "ssl_min_protocol_version": "one of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3, and not after ssl_max_protocol_version",
    "sslcertmode": "one of disable, allow, require",
    "service": "the name of a service in libpq's service file",
    "sslmode": "one of disable, allow, prefer, require, verify-ca, verify-full",
    "sslnegotiation": "one of postgres, direct",
    "target_session_attrs": "one of any, read-write, read-only, primary, standby, prefer-standby",
}
"""What libpq takes for each parameter that it checks before it connects (PostgreSQL 18, section 34.1.2)."""

_PLACEHOLDER = re.compile(
    r"[\[<{]+[\w -]*(?:user|pass|host|endpoint|database|db|name|your|project)[\w -]*[\]>}]+"
    r"|\W*your[-_ ]?(?:db[-_ ]?)?(?:user|username|password|host|database)\W*",
    re.IGNORECASE,
)
"""What consoles and guides put where a value is to be written, such as [YOUR-PASSWORD]."""

_SWITCHES = {"gssdelegation", "keepalives", "sslcompression", "sslsni"}
_NUMBERS = {"connect_timeout", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"}
_MAX_NUMBER = 2**31 - 1

_POOL = "remove it; DATABASE_POOL_SIZE says how many connections each worker keeps"
_POOLER = "remove it; poolers need no setting here"
_SCHEMA = "write options=-csearch_path%3DNAME"
_TIMEOUT = "remove it; DATABASE_TIMEOUT bounds every statement"
_SSL = "write sslmode=verify-full, or sslmode=require for encryption without a check of the certificate"
_FOREIGN = {
    "connection_limit": _POOL,
    "max_pool_size": _POOL,
    "pool_max": _POOL,
    "pool_size": _POOL,
    "pool_timeout": "remove it; DATABASE_TIMEOUT bounds the wait for a connection",
    "pgbouncer": _POOLER,
    "prepare_threshold": _POOLER,
    "prepared_statement_cache_size": _POOLER,
    "prepared_statements": _POOLER,
    "statement_cache_size": _POOLER,
    "current_schema": _SCHEMA,
    "schema": _SCHEMA,
    "search_path": _SCHEMA,
    "command_timeout": _TIMEOUT,
    "socket_timeout": _TIMEOUT,
    "statement_timeout": _TIMEOUT,
    "ssl": _SSL,
    "sslaccept": _SSL,
    "target_server_type": "write target_session_attrs=primary",
}
"""Parameters of other drivers, in lower case with underscores, and what to do here."""


def normalise_database_url(url: str) -> str:
    """Bring the spellings in use to the one that libpq takes."""
    url = url.strip().strip("'\"")
    if re.match(r"(?:\w+=\S*\s+)*(?:sudo\s+(?:-\S+\s+(?:\w+\s+)?)*)?(?:[^\s:]*/)?psql(?=\s|$)", url):
        raise ValueError("must be the connection string alone, which stands in quotes behind the command psql")
    if re.match(r"(?:export\s+)?\w+\s*=\s*['\"]?postgres", url):
        raise ValueError("must start with postgresql://, without the name of a variable before it")
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in {"postgres", "postgresql", "postgresql+psycopg"}:
        raise ValueError("must start with postgresql://")
    url = f"postgresql://{rest}"
    try:
        parameters = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    except (psycopg.ProgrammingError, UnicodeDecodeError):
        _check_names(rest)
        raise ValueError(_NO_CONNECTION_STRING) from None
    # A password with a bare @ or / in it would be read as part of the host or port, and messages quote those.
    ports = parameters.get("port", "").split(",")
    if "@" in parameters.get("host", "") or not all(port.isdecimal() and port.isascii() for port in ports if port):
        raise ValueError(_NO_CONNECTION_STRING)
    for name in ("user", "password", "host", "dbname"):
        if _PLACEHOLDER.fullmatch(parameters.get(name, "")):
            raise ValueError(f"still has a placeholder for its {name}: put the real one in its place")
    _check_parameters(parameters)
    return url


def _check_names(rest: str) -> None:
    """Raise ValueError where a parameter is not libpq's."""
    query = rest.partition("?")[2]
    if "@" in query:  # it may begin within a password
        return
    if "&amp;" in query:
        raise ValueError("must have & between its parameters, not &amp;")
    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    foreign = []
    for pair in query.split("&"):
        name = pair.partition("=")[0]
        if name in known or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]{0,40}", name) or (pair == "ssl=true"):
            continue
        plain = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).replace("-", "_").lower()
        nearest = get_close_matches(plain, known, n=1, cutoff=0.8)
        foreign.append(f"{name} ({_FOREIGN.get(plain) or (f'write {nearest[0]}' if nearest else 'remove it')})")
    if foreign:
        raise ValueError(f"must have no parameters that libpq does not know: {', '.join(foreign)}")


def _check_parameters(given: dict[str, str]) -> None:
    """Raise ValueError where libpq would refuse a parameter, be it of the string or of the environment."""
    variables = {option.keyword.decode(): (option.envvar or b"").decode() for option in Conninfo.get_defaults()}
    inherited = {
        name: os.environ[variable]
        for name, variable in variables.items()
        if name not in given and variable in os.environ
    }
    parameters = {**inherited, **given}
    names = {name: f"{variables[name]} of the environment" if name in inherited else name for name in variables}
    for name, value in parameters.items():
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError(f"is wrong in {names[name]}, which must be UTF-8 text")
        _check_value(name, value, names[name])
    if "service" not in parameters:  # its hosts are in a file
        _check_hosts(parameters, names)
    check_files(parameters, names)
    _check_together(parameters, names)
    _ask_libpq(parameters, names)


def _check_together(parameters: dict[str, str], names: dict[str, str]) -> None:
    """Check what libpq admits, though it could never connect."""
    if parameters.get("sslmode") == "disable" and parameters.get("channel_binding") == "require":
        raise ValueError(f"is wrong in {names['channel_binding']}, which needs TLS, and sslmode is disable")


def _check_value(name: str, value: str, shown: str) -> None:
    """Check what libpq looks at only once it connects."""
    if name in _SWITCHES and value not in {"", "0", "1"}:
        raise ValueError(f"is wrong in {shown}, which must be 0 or 1")
    if name in _NUMBERS and value and not (re.fullmatch(r"-?[0-9]{1,10}", value) and int(value) <= _MAX_NUMBER):
        raise ValueError(f"is wrong in {shown}, which must be a whole number")
    if name == "replication" and value not in {"", "0", "off", "no", "false"}:
        raise ValueError(f"is wrong in {shown}, which must be off: TaskFlow speaks SQL")


def _check_hosts(parameters: dict[str, str], names: dict[str, str]) -> None:
    addresses, hosts, ports = (parameters.get(name, "").split(",") for name in ("hostaddr", "host", "port"))
    try:
        for address in filter(None, addresses):
            ip_address(address)
    except ValueError:
        raise ValueError(f"is wrong in {names['hostaddr']}, which must be a numeric address") from None
    for port in filter(None, (port.strip() for port in ports)):
        if not port.isdecimal() or not 0 < int(port[:6]) <= MAX_PORT:
            raise ValueError(f"is wrong in {names['port']}, which must be from 1 to {MAX_PORT}")
    most = max(len(addresses), len(hosts))
    if len({len(addresses), len(hosts)} - {1}) > 1 or len(ports) not in {1, most}:
        raise ValueError("must have as many ports and addresses as it has hosts, or one port for all of them")


def _ask_libpq(parameters: dict[str, str], names: dict[str, str]) -> None:
    """Let libpq check the rest, at a socket that cannot exist: it looks at the parameters first, and at no network."""
    hosts = max(len(parameters.get(name, "").split(",")) for name in ("host", "hostaddr"))
    changed = {"host": ",".join(["/dev/null"] * hosts), "hostaddr": ""}
    if "service" in parameters:  # its file may name several ports, which do not fit the one host here
        changed["port"] = "5432"
    # "require" is not possible at a socket, and a service may demand it.
    if parameters.get("gssencmode", "require" if "service" in parameters else "") == "require":
        changed["gssencmode"] = "prefer"
    connection = PGconn.connect_start(make_conninfo(**{**parameters, **changed}).encode())
    message = connection.error_message.decode(errors="replace")
    connection.finish()
    if message.startswith("connection to server on socket"):
        return
    raise ValueError(_explain(message, parameters, names))


def _explain(message: str, parameters: dict[str, str], names: dict[str, str]) -> str:
    """Say what libpq says without its own words, which hold the values."""
    if message.startswith("weak sslmode"):
        if parameters.get("sslrootcert") == "system":
            return f"is wrong in {names['sslmode']}, which must be verify-full beside sslrootcert=system"
        return f"is wrong in {names['sslmode']}, which must be require or more beside sslnegotiation=direct"
    if message.startswith("invalid SSL protocol version range"):
        return f"is wrong in ssl_min_protocol_version, which must be {_VALUES['ssl_min_protocol_version']}"
    words = message.partition("value: ")[0].lower()
    name = next((name for name in names if re.search(rf"\b{name}\b".replace("_", "[_ ]"), words)), None)
    if name is None:
        return "has parameters that libpq refuses; look them up in PostgreSQL's documentation"
    must = f"which must be {_VALUES[name]}" if name in _VALUES else "which libpq refuses"
    return f"is wrong in {names[name]}, {must}"
