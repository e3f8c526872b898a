"""A database that lets everybody in, and then says nothing: not even a cancel request is obeyed."""

import socket
import socketserver
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

# AuthenticationOk and ReadyForQuery, of PostgreSQL's protocol.
WELCOME = b"R" + struct.pack("!ii", 8, 0) + b"Z" + struct.pack("!ic", 5, b"I")
REQUEST_FOR_ENCRYPTION = {80877103, 80877104}


class _Silence(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while (head := self.request.recv(8)) and struct.unpack("!ii", head)[1] in REQUEST_FOR_ENCRYPTION:
            self.request.sendall(b"N")
        self.request.sendall(WELCOME)
        self.listen()

    def listen(self) -> None:
        while self.request.recv(65536):
            pass


class _Farewell(_Silence):
    """Hears the beginning of a statement, says that it has no more to say, and listens no longer."""

    def listen(self) -> None:
        self.request.recv(1)
        self.request.shutdown(socket.SHUT_WR)
        Event().wait()


class _Collapse(_Silence):
    """Hears the beginning of a statement and is gone."""

    def listen(self) -> None:
        self.request.recv(1)


@contextmanager
def run_silent_database() -> Iterator[str]:
    """Give the connection string of such a database, which runs until the block ends."""
    with _run(_Silence) as url:
        yield url


@contextmanager
def run_leaving_database(*, in_order: bool) -> Iterator[str]:
    """Give the connection string of a database that leaves in the middle of a statement being sent to it."""
    with _run(_Farewell if in_order else _Collapse) as url:
        yield url


@contextmanager
def _run(handler: type[_Silence]) -> Iterator[str]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"postgresql://owner@127.0.0.1:{server.server_address[1]}/tasks"
        finally:
            server.shutdown()
