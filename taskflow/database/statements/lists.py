"""Many tasks: a user's list, whole or in part."""

from functools import cache

from sqlalchemy import BigInteger, and_, bindparam, func, literal_column, select, true
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlmodel import col

from taskflow.database import Statement
from taskflow.database.models import Task
from taskflow.database.statements.columns import COLUMNS, IS_OWNERS, TASK, compile_statement, write_columns, write_json
from taskflow.database.statements.selections import list_order, select_found
from taskflow.database.statements.versions import LIST_VERSION

PAGE_ROWS = 2_000
"""How many tasks one statement reads at the most."""

PAGE_BYTES = 1_048_576
"""How many bytes of descriptions end a page before that; the last one that is begun is read whole."""


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
    column = sort.removeprefix("-")
    limit = bindparam("limit", type_=BigInteger)
    # One more than is asked for shows whether more follow.
    found = select_found(sort, filters=filters, is_continued=is_continued)
    tasks = found.limit(limit + literal_column("1")).subquery("found")
    order = list_order(tasks.c, sort)
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


LIST_TASKS = _compile_page()
