"""A statement as PostgreSQL takes it, and its values in the form that goes over the wire."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

Value = str | int | bool | list[str] | None


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement: its text, with $1, $2 … for its values, and the names that these have.

    `prepared_name` is what it is prepared under: its name, and a digest of its text. Behind a pooler that nobody told
    us of, another version of TaskFlow may have prepared another text under the same name, and we would run that. One
    that is not prepared is planned for its values, each time. `is_search` says that it may look at all tasks of a user
    for a few: such statements have a share of the connections, and a deadline, of their own.
    """

    name: bytes
    text: bytes
    parameters: tuple[str, ...] = ()
    is_prepared: bool = True
    is_search: bool = False
    prepared_name: bytes = field(init=False)

    def __post_init__(self) -> None:
        # PostgreSQL reads 63 bytes of it.
        digest = sha256(self.text).hexdigest()[:16]
        object.__setattr__(self, "prepared_name", b"%b %b" % (digest.encode(), self.name))

    def encode(self, values: Mapping[str, Value]) -> list[bytes | None]:
        """Give the values in PostgreSQL's text format, in the order of their placeholders.

        Raises ValueError for text that PostgreSQL cannot hold: with U+0000 in it, or half of a surrogate pair.
        """
        return [_encode(values[name]) for name in self.parameters]


def _quote(element: str) -> str:
    """Write an element of an array (PostgreSQL, "Array Value Input")."""
    escaped = element.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _encode(value: Value) -> bytes | None:
    if isinstance(value, str):
        # libpq would end the text there, in silence.
        if "\x00" in value:
            raise ValueError("U+0000 in a value for PostgreSQL")
        return value.encode()
    if value is None:
        return None
    if isinstance(value, list):
        return _encode(f"{{{','.join(map(_quote, value))}}}")
    if isinstance(value, bool):
        return b"true" if value else b"false"
    return b"%d" % value
