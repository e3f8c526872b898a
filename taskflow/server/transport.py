"""How a connection is closed: only when its client has taken what it was sent, or takes nothing any more.

The kernel goes on sending what a closed connection has left to it. With a client that takes nothing it holds that for
minutes, and no limit counts it.
"""

import asyncio
import fcntl
import socket
import struct
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from typing import Any

LITTLE_BYTES = 16_384
"""How much may be left to the kernel: what it reserves for a connection anyway."""

POLL_SECONDS = 0.25
"""How often a connection that is to be closed is looked at: the kernel does not say when its client has taken more."""

_SO_NWRITE = 0x1024
"""The option by which Darwin tells how many bytes the send buffer holds."""

_CLOSE_BY_RESET = struct.pack("ii", 1, 0)


class DrainingTransport(asyncio.Transport):
    """A transport whose `close` waits until the client has taken nearly all that it was sent.

    A client that takes nothing for `seconds` is cut off. `when_draining` is called if there is something to wait for:
    nothing more should be sent then.
    """

    def __init__(self, transport: asyncio.Transport, seconds: float, when_draining: Callable[[], None]) -> None:
        super().__init__()
        self._transport = transport
        self._seconds = seconds
        self._when_draining = when_draining
        self._loop = asyncio.get_running_loop()
        self._is_draining = False
        self._untaken = 0
        self._taken_at = 0.0
        self.write = transport.write  # type: ignore[method-assign]  # one call less for every answer

    def close(self) -> None:
        if self.is_closing():
            return
        self._untaken = count_untaken(self._transport)
        if self._untaken <= LITTLE_BYTES and not self._transport.get_write_buffer_size():
            self._transport.close()
            return
        self._is_draining = True
        self._taken_at = self._loop.time()
        self._transport.write_eof()
        self._loop.call_later(POLL_SECONDS, self._close_or_wait)
        self._when_draining()

    def _close_or_wait(self) -> None:
        if self._transport.is_closing():
            return
        untaken = count_untaken(self._transport)
        if untaken <= LITTLE_BYTES and not self._transport.get_write_buffer_size():
            self._transport.close()
            return
        if untaken < self._untaken:
            self._taken_at = self._loop.time()
            self._untaken = untaken
        elif self._loop.time() - self._taken_at >= self._seconds:
            reset(self._transport)
            return
        self._loop.call_later(POLL_SECONDS, self._close_or_wait)

    def is_closing(self) -> bool:
        return self._is_draining or self._transport.is_closing()

    def abort(self) -> None:
        self._transport.abort()

    def write_eof(self) -> None:
        self._transport.write_eof()

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401  as asyncio has it
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()


def count_untaken(transport: asyncio.Transport) -> int:
    """Return how many bytes the client has yet to take, those in the kernel included."""
    link = transport.get_extra_info("socket")
    try:
        if sys.platform == "darwin":  # which does not know TIOCOUTQ for sockets
            in_kernel = int(link.getsockopt(socket.SOL_SOCKET, _SO_NWRITE))
        else:
            in_kernel = int.from_bytes(fcntl.ioctl(link.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except OSError:
        in_kernel = 0  # its client has gone
    return transport.get_write_buffer_size() + in_kernel


def reset(transport: asyncio.Transport) -> None:
    """Close a connection so that the kernel drops what is unsent, by a reset."""
    with suppress(OSError):  # its client has gone
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _CLOSE_BY_RESET)
    transport.abort()
