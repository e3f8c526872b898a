"""Many tasks: a user's list, whole or in part."""

from functools import cache, partial
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Select,
    and_,
    any_,
    bindparam,
    case,
    collate,
    func,
    literal_column,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by, array
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.elements import KeyedColumnElement
from sqlmodel import col

from taskflow.database import Statement
from taskflow.models import Task
from taskflow.statements.columns import COLUMNS, IS_OWNERS, TASK, compile_statement, write_columns, write_json
from taskflow.statements.versions import LIST_VERSION

PAGE_ROWS = 2_000
"""How many tasks one statement reads at the most."""

PAGE_BYTES = 1_048_576
"""How many bytes of descriptions end a page before that; the last one that is begun is read whole."""

MAX_MARKS = 30
"""How many combining marks in a row are put into canonical order (UAX #15, section 13, Stream-Safe Text Format)."""

# Every character with a combining class but 0, of this version of Unicode and probably of later ones: whole blocks,
# which hold others too. Longer runs of those hardly occur, and are compared as they are stored.
_MARKS = (
    r"[\u0300-\u036F\u0483-\u0489\u0591-\u10FF\u1200-\u1DFF\u20D0-\u20FF\u2CEF-\u2CF1\u2D7F\u2DE0-\u2DFF\u302A-\u302F"
    r"\u3099\u309A\uA66F-\uA69F\uA6F0\uA6F1\uA800-\uABFF\uFB1E\uFE20-\uFE2F\U00010000-\U0001EFFF\U000E0000-\U000EFFFF]"
)

_UTF8: ColumnElement[str] = literal_column("'UTF8'")


def _compile_page() -> Statement:
    """Read the tasks after an id: the list's version, how many they are, the last id, and their JSON."""
    comes_after = col(Task.id) > bindparam("after", type_=BigInteger)
    # Found by walking the index alone. A bare LIMIT would let PostgreSQL, which takes every user for an average one,
    # fetch and sort all that is left for each page of a long list.
    last = select(col(Task.id)).where(IS_OWNERS, comes_after).order_by(col(Task.id))
    last = last.offset(literal_column(str(PAGE_ROWS - 1))).limit(literal_column("1"))
    is_in_page = col(Task.id) <= func.coalesce(last.correlate(None).scalar_subquery(), literal_column(str(2**63 - 1)))
    size = func.coalesce(func.octet_length(col(Task.description)), literal_column("0"))
    before = func.sum(size).over(order_by=col(Task.id), rows=(None, 0)) - size
    page = select(*TASK, before.label("before")).where(IS_OWNERS, comes_after, is_in_page).subquery("page")
    columns = [page.c[column.key] for column in TASK if column.key]
    task = select(*columns).where(page.c.before < literal_column(str(PAGE_BYTES))).subquery("task")
    listed = func.string_agg(write_json(task), aggregate_order_by(literal_column("','"), task.c.id))
    read = select(LIST_VERSION, func.count(), func.max(task.c.id), listed).select_from(task)
    return compile_statement("list_tasks", read)


@cache
def compile_query(sort: str, *, filters: frozenset[str], is_continued: bool) -> Statement:
    """Read a page of the tasks that obey filters, in an order such as `-title`, from the beginning or after a position.

    It takes `user_id`, `limit`, the filters' values (`is_completed`, `q`), and `after_key` and `after_id`.
    One row: the list's version, the page as JSON with commas between, what its last task is sorted by, its id, and
    whether more follow.

    Planned anew each time, since what is best differs between a user of ten tasks and one of a million: that takes a
    tenth of a millisecond.
    """
    column, is_descending = sort.removeprefix("-"), sort.startswith("-")
    select_found = _select_by_id if column == "id" else partial(_select_by, column)
    found = select_found(is_descending=is_descending, is_continued=is_continued)
    if "is_completed" in filters:
        found = found.where(col(Task.is_completed) == bindparam("is_completed"))
    if "q" in filters:
        found = found.where(_contains_q())
    limit = bindparam("limit", type_=BigInteger)
    # One more than is asked for shows whether more follow.
    order = [key.desc() if is_descending else key for key in _list_sort_keys(COLUMNS, column)]
    tasks = found.order_by(*order).limit(limit + literal_column("1")).subquery("found")
    order = [key.desc() if is_descending else key for key in _list_sort_keys(tasks.c, column)]
    size = func.coalesce(func.octet_length(tasks.c.description), literal_column("0"))
    page = select(
        *tasks.c,
        func.row_number().over(order_by=order).label("number"),
        func.count().over().label("total"),
        (func.sum(size).over(order_by=order, rows=(None, 0)) - size).label("before"),
    ).subquery("page")
    task = select(*write_columns(page.c[column.key] for column in COLUMNS)).correlate(page).lateral("task")
    is_listed = and_(page.c.number <= limit, page.c.before < literal_column(str(PAGE_BYTES)))
    listed = func.string_agg(write_json(task), aggregate_order_by(literal_column("','"), page.c.number))
    last = [func.array_agg(aggregate_order_by(part, page.c.number.desc())) for part in (task.c[column], task.c.id)]
    return compile_statement(
        " ".join(["list_tasks", sort, *sorted(filters), *["continued"] * is_continued]),
        select(
            LIST_VERSION,
            listed,
            *(values[literal_column("1")] for values in last),
            func.max(page.c.total) > func.count(),
        )
        .select_from(page.join(task, true()))
        .where(is_listed),
        is_prepared=False,
        is_search=column != "id" or "q" in filters,
    )


def _select_by(column: str, *, is_descending: bool, is_continued: bool) -> Select[Any]:
    found = select(Task).where(IS_OWNERS)
    if not is_continued:
        return found
    place = tuple_(*_list_sort_keys(COLUMNS, column))
    after = tuple_(bindparam("after_key", type_=COLUMNS[column].type), bindparam("after_id", type_=BigInteger))
    return found.where(place < after if is_descending else place > after)


def _select_by_id(*, is_descending: bool, is_continued: bool) -> Select[Any]:
    """Select a user's tasks so that no other index than the owner's can give their order.

    With a plain `user_id = $1 ... ORDER BY id LIMIT`, PostgreSQL may go along the primary key and pass over everybody
    else's tasks on the way to this user's: in a table of 11 million tasks, 979 ms in place of 0.06.
    """
    owner: BindParameter[str] = bindparam("user_id")
    edge = bindparam("after_id", type_=BigInteger) if is_continued else None
    least = literal_column("0") if edge is None or is_descending else edge
    greatest = literal_column(str(2**63 - 1)) if edge is None or not is_descending else edge
    place = tuple_(*_list_sort_keys(COLUMNS, "id"))
    # Not `=`: what is constant is no part of an order for PostgreSQL. But an equality that others can tell a user by.
    is_owners = col(Task.user_id) == any_(array([owner]))
    return select(Task).where(is_owners, place > tuple_(owner, least), place < tuple_(owner, greatest))


def _contains_q() -> ColumnElement[bool]:
    """Compare bytes: each step costs at most one memcmp of the bytes of `q`, whatever they are.

    PostgreSQL's other searches start over where a pattern nearly fits (ILIKE, position in text: text times pattern), or
    prepare themselves anew for each text (regular expressions). Both sides are UTF-8, in which no character begins
    within another.
    """
    wanted = select(_fold(func.normalize(bindparam("q")))).scalar_subquery()
    texts = [_fold(_compose(column)) for column in (COLUMNS.title, COLUMNS.description)]
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


_Columns = ReadOnlyColumnCollection[str, KeyedColumnElement[Any]]


def _list_sort_keys(columns: _Columns, column: str) -> list[ColumnElement[Any]]:
    """Give what tasks are sorted by: the column, and their ids where it may be equal."""
    if column == "id":
        return [columns["user_id"], columns["id"]]
    return [collate(columns[column], "C") if column == "title" else columns[column], columns["id"]]


LIST_TASKS = _compile_page()
