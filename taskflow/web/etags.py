"""Entity tags (RFC 9110, section 8.8.3), and the conditions that clients make of them."""

import re

ANY = "*"

_TAG = re.compile(r'(?:W/)?"[^"]*"')


def write_tag(version: bytes | None, *, is_weak: bool = False) -> bytes:
    """Write a version as an entity tag; a weak one promises the same meaning, and not the same bytes."""
    return b'%b"%b"' % (b"W/" if is_weak else b"", version or b"")


def find_known(condition: str, tag: bytes) -> bytes | None:
    """Give the tag of an If-None-Match that is the present one, as it was sent; None if the client has another.

    Weak and strong are the same here (section 13.1.2); `*` knows any.
    """
    if condition == ANY:
        return tag
    present = tag.decode().removeprefix("W/")
    return next((known.encode() for known in _TAG.findall(condition) if known.removeprefix("W/") == present), None)


def list_strong_versions(condition: str) -> list[str] | None:
    """Give the versions that an If-Match names; None if any will do.

    A weak tag matches nothing (section 13.1.1).
    """
    if condition == ANY:
        return None
    return [tag[1:-1] for tag in _TAG.findall(condition) if not tag.startswith("W/")]
