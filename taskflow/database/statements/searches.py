"""Whether a text is in a task: in time proportional to the task's texts, whatever is searched for."""

from sqlalchemy import ColumnElement, bindparam, case, func, literal_column, or_, select

from taskflow.database.statements.columns import Columns

MAX_MARKS = 30
"""How many combining marks in a row are put into canonical order (UAX #15, section 13, Stream-Safe Text Format)."""

# Every character with a combining class but 0, of this version of Unicode and probably of later ones: whole blocks,
# which hold others too. Longer runs of those hardly occur, and are compared as they are stored.
_MARKS = (
    r"[\u0300-\u036F\u0483-\u0489\u0591-\u10FF\u1200-\u1DFF\u20D0-\u20FF\u2CEF-\u2CF1\u2D7F\u2DE0-\u2DFF\u302A-\u302F"
    r"\u3099\u309A\uA66F-\uA69F\uA6F0\uA6F1\uA800-\uABFF\uFB1E\uFE20-\uFE2F\U00010000-\U0001EFFF\U000E0000-\U000EFFFF]"
)

_UTF8: ColumnElement[str] = literal_column("'UTF8'")


def contains_q(columns: Columns) -> ColumnElement[bool]:
    """Say whether `q` is in a task with these columns.

    Bytes are compared: each step costs at most one memcmp of the bytes of `q`, whatever they are.

    PostgreSQL's other searches start over where a pattern nearly fits (ILIKE, position in text: text times pattern), or
    prepare themselves anew for each text (regular expressions). Both sides are UTF-8, in which no character begins
    within another.
    """
    wanted = select(_fold(func.normalize(bindparam("q")))).scalar_subquery()
    texts = [_fold(_compose(column)) for column in (columns["title"], columns["description"])]
    return or_(*(func.position(wanted.op("IN")(text)) > literal_column("0") for text in texts))


def _fold(text: ColumnElement[str]) -> ColumnElement[bytes]:
    folded: ColumnElement[bytes] = func.convert_to(func.lower(text), _UTF8)
    return folded


def _compose(text: ColumnElement[str]) -> ColumnElement[str]:
    """Normalise a text (NFC), unless it is ASCII, or normalised, or has too many combining marks in a row.

    PostgreSQL puts marks in order by exchanging neighbours: 32,000 of them in a row take it 17 seconds, in which it
    cannot be interrupted.
    """
    is_ascii = func.octet_length(text) == func.length(text)
    is_crowded = text.op("~")(literal_column(f"'{_MARKS}{{{MAX_MARKS + 1}}}'"))
    return case((or_(is_ascii, func.is_normalized(text), is_crowded), text), else_=func.normalize(text))
