"""Addresses for programs other than our own: of a database, and to listen at."""

import secrets
import socket
from collections import defaultdict
from contextlib import suppress
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict


def write_plain_url(url: str) -> str:
    """Give a connection string in the one form that every driver reads."""
    parts = {name: quote(str(value), safe="") for name, value in conninfo_to_dict(url).items()}
    return "postgresql://{user}:{password}@{host}:{port}/{dbname}".format_map(defaultdict(str, parts))


def find_port() -> int:
    """Return a port of 127.0.0.1 at which nobody listens now.

    It lies below the ports that the kernel hands out by itself: no client of a test that runs beside this one takes it.
    """
    while True:
        port = 10_000 + secrets.randbelow(20_000)  # Hypothesis seeds `random` alike in every process
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
