"""Whether a text is in a task: in time proportional to the task's texts, whatever is searched for."""

from sqlalchemy import ColumnElement, Text, bindparam, case, func, literal_column, or_, select

from taskflow.database.statements.columns import Columns
from taskflow.database.statements.marks import MARKS

MAX_MARKS = 30
"""How many combining marks in a row are put into canonical order (UAX #15, section 13, Stream-Safe Text Format)."""

_UTF8: ColumnElement[str] = literal_column("'UTF8'")

_IS_CROWDED: ColumnElement[str] = literal_column(f"'[{MARKS}]{{{MAX_MARKS + 1}}}'")


def contains_q(columns: Columns) -> ColumnElement[bool]:
    """Say whether `q` is in a task with these columns.

    Bytes are compared: each step costs at most one memcmp of the bytes of `q`, whatever they are. PostgreSQL's other
    searches start over where a pattern nearly fits (ILIKE, position in text: text times pattern), or prepare themselves
    anew for each text (regular expressions). Both sides are UTF-8, in which no character begins within another.
    """
    return or_(*(_find_q(columns[name]) > literal_column("0") for name in ("title", "description")))


def _find_q(text: ColumnElement[str]) -> ColumnElement[int]:
    """Return the place of `q` in a text, 0 for none, both in lower case and normalised (NFC).

    PostgreSQL puts marks in order by exchanging neighbours: 32,000 of them in a row take it 17 seconds, in which it
    cannot be interrupted. Texts with too many of them, out of order, are compared as they are.
    """
    q = bindparam("q", type_=Text)
    wanted = select(_encode(func.normalize(func.lower(func.normalize(q))))).scalar_subquery()
    wanted_as_it_is = select(_encode(func.lower(q))).scalar_subquery()
    is_ascii = func.octet_length(text) == func.length(text)
    place: ColumnElement[int] = case(
        (is_ascii, func.position(wanted.op("IN")(_encode(func.lower(text))))),
        (func.is_normalized(text), func.position(wanted.op("IN")(_lower(text)))),
        (text.op("~")(_IS_CROWDED), func.position(wanted_as_it_is.op("IN")(_encode(func.lower(text))))),
        else_=func.position(wanted.op("IN")(_lower(func.normalize(text)))),
    )
    return place


def _lower(normalised: ColumnElement[str]) -> ColumnElement[bytes]:
    """Put a text into lower case; few have to be normalised again then."""
    lower = func.lower(normalised)
    return _encode(case((func.is_normalized(lower), lower), else_=func.normalize(lower)))


def _encode(text: ColumnElement[str]) -> ColumnElement[bytes]:
    encoded: ColumnElement[bytes] = func.convert_to(text, _UTF8)
    return encoded
