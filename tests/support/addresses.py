"""Addresses for programs other than our own: of a database, and to listen at."""

import socket
from collections import defaultdict
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict


def write_plain_url(url: str) -> str:
    """Give a connection string in the one form that every driver reads."""
    parts = {name: quote(str(value), safe="") for name, value in conninfo_to_dict(url).items()}
    return "postgresql://{user}:{password}@{host}:{port}/{dbname}".format_map(defaultdict(str, parts))


def find_port() -> int:
    """Give a port of this machine at which nobody listens now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
