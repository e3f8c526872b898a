"""Files and folders that other users of the machine can change: whoever can, decides what TaskFlow does."""

import os
import stat
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

ROOT = 0

NOBODY = 65534
"""Whom a container sees as the owner of what belongs to a user that it does not know."""


def find_risks(path: Path, name: str) -> Iterator[str]:
    """Yield a sentence for each way in which other users can change a file or folder, or put another in its place.

    `name` is what the sentence calls it. What is not there is no risk.
    """
    try:
        status, link = path.stat(), path.lstat()
    except OSError:
        return
    if stat.S_IMODE(status.st_mode) & (stat.S_IWGRP | stat.S_IWOTH):
        yield f"{name} can be changed by others ({_show_mode(status.st_mode)}); run `chmod go-w` on it."
    if not {status.st_uid, link.st_uid} <= {ROOT, os.geteuid()}:
        yield f"{name} belongs to another user, who can change it; make it this user's own, or root's."
    yield from islice(_find_risks_above(path, name), 1)


def _find_risks_above(path: Path, name: str) -> Iterator[str]:
    """Yield a sentence for each folder or link on the way to a file with which others can replace the file."""
    for step in _follow(path.absolute()):
        try:
            status = step.lstat()
        except OSError:  # a folder above it is closed to this user, and so to others
            continue
        # In a sticky folder, such as /tmp, everybody can create files, and replace their own alone.
        if not stat.S_ISLNK(status.st_mode) and status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
            which = "its folder" if step in {path.absolute().parent, path.resolve().parent} else f"the folder {step}"
            yield f"{name} can be replaced by others: {which} is open to them ({_show_mode(status.st_mode)}); close it."
        elif status.st_uid not in {ROOT, NOBODY, os.geteuid()}:
            yield f"{name} can be replaced by another user, who owns {step}; make that this user's own, or root's."


def _follow(path: Path) -> Iterator[Path]:
    """Yield each folder and link that the system passes on the way to a file, which itself is not among them."""
    here, parts = Path(path.anchor), deque(path.parts[1:])
    yield here
    while parts:
        here = here.parent if (part := parts.popleft()) == ".." else here / part
        if os.path.islink(here):  # noqa: PTH114  false, too, where a folder above is closed to this user
            if here != path:
                yield here  # of the file's own link, the owner has been looked at
            target = here.readlink()
            here = Path(target.anchor) if target.is_absolute() else here.parent
            parts.extendleft(reversed(target.parts[1:] if target.is_absolute() else target.parts))
        elif parts:
            yield here


def find_open_parts(folder: Path, name: str) -> Iterator[str]:
    """Yield a sentence where others can change what is in the folders of a folder; the first that they can reach."""
    for path, folders, files in os.walk(folder):
        if not _read_mode(path) & (stat.S_IXGRP | stat.S_IXOTH):
            folders.clear()
            continue
        for entry in sorted(folders) + sorted(files if path != str(folder) else []):
            part = Path(path, entry)
            mode = _read_mode(part)
            if not stat.S_ISLNK(mode) and mode & (stat.S_IWGRP | stat.S_IWOTH):
                found = f"{part.relative_to(folder)} ({_show_mode(mode)})"
                yield f"{name} holds what others can change, {found}; run `chmod -R go-w` on it."
                return


def _read_mode(path: Path | str) -> int:
    try:
        return os.lstat(path).st_mode
    except OSError:  # removed since, or closed to this user
        return 0


def find_readers(path: Path, name: str) -> Iterator[str]:
    """Yield a sentence where every user of the machine can read a file that holds a secret."""
    try:
        status = path.stat()
    except OSError:
        return
    if status.st_mode & stat.S_IROTH:
        yield f"{name} holds a secret and can be read by others ({_show_mode(status.st_mode)}); run `chmod o-r` on it."


def _show_mode(mode: int) -> str:
    return f"mode {stat.S_IMODE(mode):04o}"
