"""The version of a user's list: the sum of parts that every change raises."""

from sqlalchemy import CTE, BigInteger, bindparam, func, literal_column, select
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from taskflow.database.models import ListVersion
from taskflow.database.statements.columns import compile_statement

LIST_SLOTS = 8
"""Of how many parts the version of a user's list is the sum: so many changes of one user need not wait in turn."""

LIST_VERSION = (
    select(func.coalesce(func.sum(ListVersion.version), literal_column("0")))
    .where(col(ListVersion.user_id) == bindparam("user_id"))
    .scalar_subquery()
)


def raise_list_version(changed: CTE) -> CTE:
    """Raise the version of the list that a changed task is in, within the statement that changes it.

    A part of the version is a time in microseconds, and grows by one at least: so it is never what it was before,
    neither when the clock is set back nor when the database is restored from a copy.
    """
    slot = changed.c.id % literal_column(str(LIST_SLOTS))
    now = func.extract("epoch", func.clock_timestamp()) * literal_column("1000000")
    raised = insert(ListVersion).from_select(
        ["user_id", "slot", "version"], select(changed.c.user_id, slot, now.cast(BigInteger))
    )
    columns = ListVersion.metadata.tables["taskflow_list_versions"].columns
    higher = func.greatest(columns.version + literal_column("1"), raised.excluded.version)
    return raised.on_conflict_do_update(index_elements=["user_id", "slot"], set_={"version": higher}).cte("raised")


SELECT_LIST_VERSION = compile_statement("list_version", select(LIST_VERSION))
