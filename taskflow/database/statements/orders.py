"""Whole lists in another order than that of ids: the order is read once, with the first tasks, then page by page.

Each page would otherwise sort all that is left anew, so that a list would cost the square of its length.
"""

from collections.abc import Sequence
from functools import cache

from sqlalchemy import (
    ARRAY,
    CTE,
    BigInteger,
    ColumnElement,
    Select,
    Subquery,
    TableValuedAlias,
    Text,
    bindparam,
    cast,
    func,
    literal_column,
    null,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlmodel import col

from taskflow.database import Statement
from taskflow.database.models import Task
from taskflow.database.statements.columns import COLUMNS, IS_OWNERS, TASK, compile_statement, write_columns, write_json
from taskflow.database.statements.lists import PAGE_BYTES
from taskflow.database.statements.selections import list_conditions, select_found
from taskflow.database.statements.versions import LIST_VERSION

PLACES = 4_000
"""How many tasks one statement reads by their ids at the most: as they lie apart, more at once cost less each."""

ORDER_ROWS = 100_000
"""How many ids of an order one statement reads: 1.7 MB at the most. A longer list is sorted again after them."""

_ONE: ColumnElement[int] = literal_column("1")
_PLACES: ColumnElement[int] = literal_column(str(PLACES))


@cache
def compile_order(sort: str, *, filters: frozenset[str], is_continued: bool) -> Statement:
    """Read which tasks obey filters, in an order, from the beginning or after a position; and the first of them.

    It takes what `select_found` does. The first row: the list's version, the JSON of the first tasks with
    commas between, and how many these are; the last two are null for none. Then, where there are more, a row for each
    page, the first one among them: null, the ids of its tasks as an array, and what the last task of all is sorted by.
    """
    order = _select_order(sort, filters=filters, is_continued=is_continued)
    wanted = func.unnest(order.c.ids[_ONE:_PLACES]).table_valued("id", with_ordinality="number")
    wanted = wanted.render_derived("wanted")
    found = select(*TASK, wanted.c.number, _sum_before(wanted.c.number).label("before"))
    found = found.join_from(order, wanted, true()).join(COLUMNS.id.table, COLUMNS.id == wanted.c.id).where(IS_OWNERS)
    opening = _select_first(found.subquery("page")).cte("opening").prefix_with("MATERIALIZED")
    first = select(literal_column("0").label("first"), LIST_VERSION, opening.c.tasks, cast(opening.c.number, Text))
    pages, *page = _split_pages(order, sort)
    is_longer = func.cardinality(order.c.ids) > opening.c.number
    following = select(pages.c.first, null(), *page).select_from(order.join(pages, true()).join(opening, is_longer))
    rows = union_all(first, following.correlate(None)).subquery("rows")
    return compile_statement(
        " ".join(["order_tasks", sort, *sorted(filters), *["continued"] * is_continued]),
        select(*list(rows.c)[1:]).order_by(rows.c.first),
        is_prepared=not (filters or is_continued),
        is_search=True,
    )


def _select_order(sort: str, *, filters: frozenset[str], is_continued: bool) -> CTE:
    """Select the ids of tasks, in an order, as one array."""
    found = select_found(sort, filters=filters, is_continued=is_continued).with_only_columns(COLUMNS.id)
    ids = func.ARRAY(found.limit(literal_column(str(ORDER_ROWS))).scalar_subquery(), type_=ARRAY(BigInteger))
    return select(ids.label("ids")).cte("places").prefix_with("MATERIALIZED")


def _split_pages(order: CTE, sort: str) -> tuple[TableValuedAlias, ColumnElement[str], ColumnElement[str]]:
    """Split an order: give the number at which each page begins, its ids, and what the last task is sorted by."""
    count = func.cardinality(order.c.ids)
    (last_key,) = write_columns([COLUMNS[sort.removeprefix("-")]])
    last = select(last_key).where(IS_OWNERS, col(Task.id) == order.c.ids[count]).correlate(order).scalar_subquery()
    pages = func.generate_series(_ONE, count, _PLACES).table_valued("first").render_derived("pages")
    return pages, cast(order.c.ids[pages.c.first : pages.c.first + _PLACES - _ONE], Text), cast(last, Text)


@cache
def compile_places(*, filters: frozenset[str]) -> Statement:
    """Read the tasks with the ids of a page, in the order of these, as far as they are there and obey filters still.

    It takes `user_id`, the filters' values, `ids`, and `after`: how many of them are passed over. One row: the number
    of the last task that was looked at, null if none is left, and the JSON of those that obey filters, with commas
    between, null for none.

    Planned for its ids, each time: a plan for any, which PostgreSQL believes to be ten, compares each with all others.
    """
    ids = bindparam("ids", type_=ARRAY(BigInteger))
    places = func.unnest(ids).table_valued("id", with_ordinality="number").render_derived("places")
    # The array too, by which PostgreSQL goes along the index once.
    is_wanted = col(Task.id) == func.any(ids)
    page = select(*TASK, places.c.number, _sum_before(places.c.number).label("before"))
    page = page.join_from(COLUMNS.id.table, places, COLUMNS.id == places.c.id)
    found = page.where(IS_OWNERS, is_wanted, places.c.number > bindparam("after", type_=BigInteger)).subquery("page")
    # Asked behind the cut: else each part of a page with long descriptions would search all the rest of it anew.
    return compile_statement(
        " ".join(["list_places", *sorted(filters)]),
        _select_first(found, list_conditions(found.c, filters)),
        is_prepared=False,
        is_search="q" in filters,
    )


def _sum_before(number: ColumnElement[int]) -> ColumnElement[int]:
    """Sum up the bytes of the descriptions before each task."""
    size = func.coalesce(func.octet_length(COLUMNS.description), literal_column("0"))
    return func.sum(size).over(order_by=number, rows=(None, 0)) - size


def _select_first(page: Subquery, conditions: Sequence[ColumnElement[bool]] = ()) -> Select[tuple[int, str]]:
    """Select the tasks of a page up to PAGE_BYTES: the number of the last, and the JSON of those under conditions."""
    task = select(*(page.c[column.key] for column in TASK if column.key)).correlate(page).lateral("task")
    listed = func.string_agg(write_json(task), aggregate_order_by(literal_column("','"), page.c.number))
    return (
        select(
            func.max(page.c.number).label("number"),
            (listed.filter(*conditions) if conditions else listed).label("tasks"),
        )
        .select_from(page.join(task, true()))
        .where(page.c.before < literal_column(str(PAGE_BYTES)))
    )
