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
