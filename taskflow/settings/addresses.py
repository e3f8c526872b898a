"""The addresses that the configuration holds, each brought to its one form.

Raises ValueError where it cannot be, with the end of a sentence that begins with the variable's name.
"""

import re

import psycopg
from psycopg.conninfo import conninfo_to_dict

MAX_PORT = 65_535

_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?", re.ASCII)


def normalise_origin(origin: str) -> str:
    """Bring an origin to the form in which a browser sends it."""
    origin = origin.removesuffix("/").lower()
    match = _ORIGIN.fullmatch(origin)
    if match is None or int(match[1] or 0) > MAX_PORT:
        raise ValueError(
            "must be a comma-separated list of exact origins, such as https://app.example.com, without path or *"
        )
    # A browser leaves the usual port out.
    return origin.removesuffix(":443" if origin.startswith("https:") else ":80")


_AUTH_URL = re.compile(r"(?P<origin>https?://[^/?#@]+)(?P<path>/[!-~]*)?", re.ASCII | re.IGNORECASE)
_LOOPBACK = re.compile(r"http://(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]+)?", re.ASCII)


def normalise_auth_url(url: str, *, may_be_plain: bool, may_have_query: bool = False) -> str:
    """Bring the address of the frontend's Better Auth, or of its keys (these with a query, perhaps), to one form.

    Who can change what comes over plain http can sign for anybody; within one machine nobody can.
    """
    match = _AUTH_URL.fullmatch(url.strip())
    path = (match["path"] or "") if match else ""
    if match is None or "#" in path or ("?" in path and not may_have_query):
        raise ValueError("must be a URL such as https://app.example.com, without user, password or fragment")
    try:
        origin = normalise_origin(match["origin"])
    except ValueError:
        raise ValueError("must name a host, and a port up to 65535 where there is one") from None
    if origin.startswith("http:") and not may_be_plain and not _LOOPBACK.fullmatch(origin):
        raise ValueError("must begin with https:// in production, unless its host is this machine")
    return origin + (path if may_have_query else path.rstrip("/"))


def find_origin(url: str) -> str:
    """Give the origin of an address in its one form."""
    return "/".join(url.split("/", 3)[:3])


def find_key_set(auth_url: str) -> str:
    """Give where a Better Auth publishes its keys: at its base path, which is /api/auth unless its URL has a path."""
    return f"{auth_url}{'' if auth_url != find_origin(auth_url) else '/api/auth'}/jwks"


def normalise_database_url(url: str) -> str:
    """Bring the spellings in use to the one that libpq takes."""
    url = url.strip().strip("'\"")
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in {"postgres", "postgresql", "postgresql+psycopg"}:
        raise ValueError("must start with postgresql://")
    url = f"postgresql://{rest}"
    if not _is_connection_string(url):
        raise ValueError(
            "is not a connection string that PostgreSQL understands; "
            "look at its parameters, and percent-encode special characters"
        )
    return url


def _is_connection_string(url: str) -> bool:
    try:
        parameters = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return False
    # A password with a bare @ or / in it would be read as part of the host or port, and messages quote those.
    ports = str(parameters.get("port") or 0).split(",")
    return "@" not in str(parameters.get("host", "")) and all(port.isdecimal() for port in ports)
