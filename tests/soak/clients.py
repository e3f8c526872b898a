"""A client that costs little, so that hundreds of them fit beside the server."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

from tests.support.cast import User


@dataclass(frozen=True)
class Reply:
    """An answer, and after how many seconds it was there."""

    status: int
    body: bytes
    seconds: float


class Client:
    """One connection of one user. Raises ConnectionError, IncompleteReadError."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, user: User) -> None:
        self._reader = reader
        self._writer = writer
        self._head = f"Host: test\r\nAuthorization: Bearer {user.token}\r\nContent-Type: application/json\r\n".encode()

    @classmethod
    async def open(cls, address: tuple[str, int], user: User) -> "Client":
        return cls(*await asyncio.open_connection(*address), user)

    async def send(self, method: str, path: str, **members: Any) -> Reply:  # noqa: ANN401  JSON can be anything
        """Send a request, with a body if members of it are given, and wait for the whole answer."""
        body = json.dumps(members).encode() if members else b""
        started = time.perf_counter()
        line = f"{method} {path} HTTP/1.1\r\nContent-Length: {len(body)}\r\n".encode()
        self._writer.write(line + self._head + b"\r\n" + body)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        content = await self._reader.readexactly(length)
        return Reply(int(head[9:12]), content, time.perf_counter() - started)

    def leave(self) -> None:
        """Go, in the middle of whatever it is."""
        self._writer.transport.abort()


@dataclass
class Tally:
    """How many answers were as they should be, how soon, and what was wrong with the others."""

    seconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def note(self, reply: Reply, status: int) -> Reply:
        if reply.status == status:
            self.seconds.append(reply.seconds)
        else:
            self.wrong.append(f"{reply.status} for {status}")
        return reply

    def describe(self) -> str:
        cuts = quantiles(self.seconds, n=100)
        return (
            f"{len(self.seconds)} answers, {len(self.wrong)} wrong {self.wrong[:3]}, "
            f"p50 {cuts[49] * 1000:.0f} ms, p95 {cuts[94] * 1000:.0f} ms, p99 {cuts[98] * 1000:.0f} ms, "
            f"worst {max(self.seconds) * 1000:.0f} ms"
        )


async def live(client: Client, user: User, tally: Tally) -> None:
    """Create, list, get, patch and delete a task."""
    created = tally.note(await client.send("POST", user.tasks, title="Buy groceries", description="Milk"), 201)
    path = f"{user.tasks}/{json.loads(created.body)['id']}"
    listed = tally.note(await client.send("GET", user.tasks), 200)
    if listed.body != b"[" + created.body + b"]":
        tally.wrong.append("a list that is not the task that was created")
    tally.note(await client.send("GET", path), 200)
    tally.note(await client.send("PATCH", path, is_completed=True), 200)
    tally.note(await client.send("DELETE", path), 204)
