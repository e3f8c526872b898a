"""A connection on which the tests decide every byte, for what a well-behaved client would never send."""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from urllib.parse import urlsplit

import httpx

from tests.support.cast import User
from tests.support.server import Server

PATIENCE_SECONDS = 20


class Wire:
    """One open connection. `read_answer` raises TimeoutError if the server does not answer."""

    def __init__(self, connection: socket.socket, incoming: BufferedReader) -> None:
        self._connection = connection
        self._incoming = incoming

    def send(self, *parts: bytes) -> None:
        self._connection.sendall(b"".join(parts))

    def read_answer(self, *, to_head: bool = False) -> httpx.Response:
        """Give the next answer, be it an interim one (100)."""
        status = int(self._incoming.readline().split(b" ")[1])
        headers = httpx.Headers([self._split(line) for line in iter(self._incoming.readline, b"\r\n")])
        has_body = status >= 200 and not to_head
        body = self._incoming.read(int(headers.get("Content-Length", 0))) if has_body else b""
        return httpx.Response(status, headers=headers, content=body)

    def read_part(self, size: int) -> bytes:
        """Give so many bytes of what comes, fewer at its end."""
        return self._incoming.read(size)

    def read_to_end(self) -> bytes:
        """Give what else comes until the server closes the connection, in order or by a reset."""
        parts = []
        with suppress(ConnectionResetError):
            while part := self._incoming.read1(65_536):
                parts.append(part)
        return b"".join(parts)

    def end(self) -> None:
        """Say that nothing more will be sent."""
        self._connection.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Vanish, as a client does that crashes."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._incoming.close()
        self._connection.close()

    @staticmethod
    def _split(line: bytes) -> tuple[bytes, bytes]:
        name, _, value = line.partition(b":")
        return name, value.strip()


@contextmanager
def connect(server: Server) -> Iterator[Wire]:
    """Open a connection to the server; it is closed when the block ends."""
    address = urlsplit(server.url)
    with (
        socket.create_connection((address.hostname, address.port), timeout=PATIENCE_SECONDS) as connection,
        connection.makefile("rb") as incoming,  # a file left open would keep the connection open
    ):
        yield Wire(connection, incoming)


def write_head(method: str, target: bytes, *headers: bytes, user: User | None = None) -> bytes:
    """Write a request up to its body, the target exactly as given."""
    authorization = [f"Authorization: Bearer {user.token}".encode()] if user else []
    return b"\r\n".join(
        [method.encode() + b" " + target + b" HTTP/1.1", b"Host: test", *authorization, *headers, b"", b""]
    )
