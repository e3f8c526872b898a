"""Long lists of Alice's, and a client that reads one bit by bit."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psycopg

from tests.support.cast import ALICE
from tests.support.logs import Scene

MANY = 100_000
"""So many tasks take more room, 20 MB, than the buffers between server and client have."""


def fill(database: psycopg.Connection, count: int) -> None:
    """Give Alice tasks with the ids from 1, titled by them."""
    database.execute("INSERT INTO tasks (user_id, title) SELECT 'alice', n FROM generate_series(1, %s) AS n", [count])


@contextmanager
def begin_to_read(scene: Scene, query: dict[str, str] | None = None) -> Iterator[tuple[bytes, Iterator[bytes]]]:
    """Ask for Alice's list; give its beginning, and what will be the rest."""
    url = scene.server.url + ALICE.tasks
    with httpx.stream("GET", url, params=query, headers=ALICE.headers, timeout=30) as response:
        parts = response.iter_bytes()
        assert response.status_code == 200
        yield next(parts), parts
