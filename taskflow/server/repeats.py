"""Clients that come again at once after a 503, though Retry-After has asked them to wait."""

import random
from collections.abc import Iterable

from taskflow.web.security_headers import Headers

PAUSE_SECONDS = 1.0
"""About how long such a client waits for the next 503.

Clients could otherwise keep the server so busy turning them away that it does nothing else.
"""


class Repeats:
    """Knows of one connection who was turned away last, and when. Times are the event loop's, in seconds."""

    def __init__(self) -> None:
        self._last_refused: bytes | None = None
        self._pause_end = 0.0
        self._is_shared = False

    def begin_pause(self, now: float) -> None:
        """Note that a 503 was sent."""
        # Of random length, so that not all come again at once.
        self._pause_end = now + PAUSE_SECONDS * random.uniform(0.5, 1.5)  # noqa: S311  no secret

    def find_wait(
        self, now: float, headers: Headers, served: Iterable[tuple[bytes, bytes]], *, is_flooded: bool
    ) -> float:
        """Return for how long the 503 to the request with these headers must wait, 0 if it need not.

        `served` are the headers of the last request that was answered. A proxy puts many users on one connection, and
        none of them is to wait for another; but in a flood whoever comes again on a connection waits.
        """
        user, before = _find_user(headers), self._last_refused
        self._last_refused = user
        self._is_shared |= len({user, before, _find_user(served)} - {None}) > 1
        is_again = user is not None and user == before and not self._is_shared
        return max(0.0, self._pause_end - now) if is_again or is_flooded else 0.0


def _find_user(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """Return the Authorization header: whose request it is, as far as that is known before its token is verified."""
    return next((value for name, value in headers if name == b"authorization"), None)
