"""The environment variables of PostgreSQL's clients, which are meant for other databases than the embedded one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

PREFIX = "PG"
"""What the names of all of libpq's variables begin with (PostgreSQL documentation, "Environment Variables").

A list of names would lack those of the next release; in a process of TaskFlow nobody else reads any of them.
"""


@contextmanager
def hide_client_variables() -> Iterator[None]:
    """Remove libpq's variables from the environment of this process, and of those that it starts, until the block ends.

    libpq takes from them whatever a connection string does not say: PGSSLMODE=require or a PGSERVICE that does not
    exist would keep every connection from being made.
    """
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(PREFIX)}
    try:
        yield
    finally:
        os.environ.update(hidden)
