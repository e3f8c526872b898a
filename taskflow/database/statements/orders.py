"""Whole lists in another order than that of ids: the order is read once, then the tasks, page by page.

Each page would otherwise sort all that is left anew, so that a list would cost the square of its length.
"""

from functools import cache

from sqlalchemy import ARRAY, BigInteger, ColumnElement, bindparam, func, literal_column, select, true
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlmodel import col

from taskflow.database import Statement
from taskflow.database.models import Task
from taskflow.database.statements.columns import COLUMNS, IS_OWNERS, TASK, compile_statement, write_columns, write_json
from taskflow.database.statements.lists import PAGE_BYTES
from taskflow.database.statements.selections import list_conditions, select_found

PLACES = 4_000
"""How many tasks one statement reads by their ids at the most: as they lie apart, more at once cost less each."""

ORDER_ROWS = 100_000
"""How many ids of an order one statement reads: 1.7 MB at the most. A longer list is sorted again after them."""


@cache
def compile_order(sort: str, *, filters: frozenset[str]) -> Statement:
    """Read which tasks obey filters, in an order, after a position: their ids alone.

    It takes what `select_found` does. A row for each page: the ids of its tasks as an array, and what the last task of
    all is sorted by.
    """
    column = sort.removeprefix("-")
    found = select_found(sort, filters=filters, is_continued=True).with_only_columns(COLUMNS.id)
    ids = func.ARRAY(found.limit(literal_column(str(ORDER_ROWS))).scalar_subquery(), type_=ARRAY(BigInteger))
    order = select(ids.label("ids")).cte("places").prefix_with("MATERIALIZED")
    one: ColumnElement[int] = literal_column("1")
    size: ColumnElement[int] = literal_column(str(PLACES))
    count = func.cardinality(order.c.ids)
    (last_key,) = write_columns([COLUMNS[column]])
    last = select(last_key).where(IS_OWNERS, col(Task.id) == order.c.ids[count]).correlate(order).scalar_subquery()
    pages = func.generate_series(one, count, size).table_valued("first").render_derived("pages")
    ids_of_page = order.c.ids[pages.c.first : pages.c.first + size - one]
    return compile_statement(
        " ".join(["order_tasks", sort, *sorted(filters)]),
        select(ids_of_page, last).select_from(order.join(pages, true())).order_by(pages.c.first),
        is_prepared=False,
        is_search=True,
    )


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
    size = func.coalesce(func.octet_length(COLUMNS.description), literal_column("0"))
    before = func.sum(size).over(order_by=places.c.number, rows=(None, 0)) - size
    page = select(*TASK, places.c.number, before.label("before"))
    page = page.join_from(COLUMNS.id.table, places, COLUMNS.id == places.c.id)
    found = page.where(IS_OWNERS, is_wanted, places.c.number > bindparam("after", type_=BigInteger)).subquery("page")
    columns = [found.c[column.key] for column in TASK if column.key]
    task = select(*columns).correlate(found).lateral("task")
    listed = func.string_agg(write_json(task), aggregate_order_by(literal_column("','"), found.c.number))
    # Asked behind the cut: else each part of a page with long descriptions would search all the rest of it anew.
    conditions = list_conditions(found.c, filters)
    return compile_statement(
        " ".join(["list_places", *sorted(filters)]),
        select(func.max(found.c.number), listed.filter(*conditions) if conditions else listed)
        .select_from(found.join(task, true()))
        .where(found.c.before < literal_column(str(PAGE_BYTES))),
        is_prepared=False,
        is_search="q" in filters,
    )
