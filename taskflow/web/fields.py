"""Header fields whose value is a list of tokens (RFC 9110, section 5.6.1)."""

from collections.abc import Iterable


def list_elements(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    """Return the elements of a field, in lower case; empty ones are passed over (section 5.6.1.2).

    `name` is in lower case, as in an ASGI scope. Several lines of one name are one list (section 5.3).
    """
    lines = (value for field, value in headers if field == name)
    elements = (element.strip(b" \t").lower() for line in lines for element in line.split(b","))
    return [element for element in elements if element]
