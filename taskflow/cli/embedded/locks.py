"""Who owns the server, and who works on the data: told by locks, which end with their holders however those end."""

import fcntl
import os
from pathlib import Path
from typing import TextIO

WAIT_SECONDS = 30
POLL_SECONDS = 0.05


def open_lock(path: Path) -> TextIO:
    """Open a lock file, which is created when missing."""
    path.touch(mode=0o600)
    return path.open("r+")


def try_lock(lock: TextIO) -> bool:
    """Lock the file unless others have; the lock lasts until we and all who inherited the open file are gone."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def read_port(path: Path) -> int | None:
    """Return the port that the living owner wrote; None while its server starts or stops."""
    owner, _, port = path.read_text().partition(" ")
    if not port:
        return None
    try:
        os.kill(int(owner), 0)
    except ProcessLookupError:  # it was killed, and its successor has yet to clear the file
        return None
    return int(port)
