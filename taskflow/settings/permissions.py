"""Files and folders that other users of the machine can change: whoever can, decides what TaskFlow does."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

ROOT = 0


def find_risks(path: Path, name: str) -> Iterator[str]:
    """Yield a sentence for each way in which other users can change a file or folder, or put another in its place.

    `name` is what the sentence calls it. What is not there is no risk.
    """
    try:
        status, link = path.stat(), path.lstat()
    except OSError:
        return
    if stat.S_IMODE(status.st_mode) & (stat.S_IWGRP | stat.S_IWOTH):
        yield f"{name} can be changed by others ({_show_mode(status)}); run `chmod go-w` on it."
    if not {status.st_uid, link.st_uid} <= {ROOT, os.geteuid()}:
        yield f"{name} belongs to another user, who can change it; make it this user's own, or root's."
    for folder in dict.fromkeys((path.absolute().parent, path.resolve().parent)):
        try:
            above = folder.stat()
        except OSError:  # a folder above it is closed to this user, and so to others
            continue
        # In a sticky folder, such as /tmp, everybody can create files, and replace their own alone.
        if above.st_mode & stat.S_IWOTH and not above.st_mode & stat.S_ISVTX:
            yield f"{name} can be replaced by others: its folder is open to them ({_show_mode(above)}); close it."
            break


def find_readers(path: Path, name: str) -> Iterator[str]:
    """Yield a sentence where every user of the machine can read a file that holds a secret."""
    try:
        status = path.stat()
    except OSError:
        return
    if status.st_mode & stat.S_IROTH:
        yield f"{name} holds a secret and can be read by others ({_show_mode(status)}); run `chmod o-r` on it."


def _show_mode(status: os.stat_result) -> str:
    return f"mode {stat.S_IMODE(status.st_mode):04o}"
