"""One task: create, get, update and delete it."""

from collections.abc import Collection
from itertools import combinations
from typing import Any

from sqlalchemy import ARRAY, Text, any_, bindparam, func, literal_column, select
from sqlmodel import col, delete, insert, update

from taskflow.database import Statement
from taskflow.database.models import Task
from taskflow.database.statements.columns import COLUMNS, IS_OWNERS, TASK, compile_statement, write_json, write_time
from taskflow.database.statements.versions import raise_list_version

_CHANGEABLE = ("title", "description", "is_completed")

_IS_THE_TASK = col(Task.id) == bindparam("task_id")

# A clock that stands still or is set back must not hide a change.
_NEXT_UPDATED_AT = func.greatest(
    func.clock_timestamp(), col(Task.updated_at) + literal_column("interval '1 microsecond'")
)

# The version of a task is its updated_at, as clients see it. Looked at again where the statement has waited for another
# change of the same task: so of many writers that name one version, the first one wins.
_HAS_VERSION = write_time(COLUMNS.updated_at).element == any_(bindparam("versions", type_=ARRAY(Text)))


def _name(*words: str, is_conditional: bool) -> str:
    return " ".join([*words, "conditional"] if is_conditional else words)


def _compile_select(*, is_conditional: bool) -> Statement:
    selected = select(*TASK).where(_IS_THE_TASK, IS_OWNERS)
    if is_conditional:
        selected = selected.where(_HAS_VERSION)
    task = selected.subquery("task")
    return compile_statement(
        _name("get_task", is_conditional=is_conditional), select(task.c.updated_at, write_json(task))
    )


def _compile_update(columns: Collection[str], *, is_conditional: bool) -> Statement:
    values: dict[str, Any] = {column: bindparam(column) for column in columns}
    changed = update(Task).where(_IS_THE_TASK, IS_OWNERS).values(updated_at=_NEXT_UPDATED_AT, **values)
    if is_conditional:
        changed = changed.where(_HAS_VERSION)
    task = changed.returning(*TASK).cte("task")
    name = _name("update_task", *sorted(columns), is_conditional=is_conditional)
    return compile_statement(name, select(task.c.updated_at, write_json(task)).add_cte(raise_list_version(task)))


def _compile_delete(*, is_conditional: bool) -> Statement:
    deleted = delete(Task).where(_IS_THE_TASK, IS_OWNERS)
    if is_conditional:
        deleted = deleted.where(_HAS_VERSION)
    task = deleted.returning(col(Task.id), col(Task.user_id)).cte("task")
    name = _name("delete_task", is_conditional=is_conditional)
    return compile_statement(name, select(task.c.id).add_cte(raise_list_version(task)))


_NEW: dict[str, Any] = {column: bindparam(column) for column in ("user_id", "title", "description")}
_INSERTED = insert(Task).values(_NEW).returning(*TASK).cte("task")
INSERT_TASK = compile_statement(
    "create_task",
    select(_INSERTED.c.id, _INSERTED.c.updated_at, write_json(_INSERTED)).add_cte(raise_list_version(_INSERTED)),
)

SELECT_TASK = _compile_select(is_conditional=False)

UPDATE_TASK = {
    (frozenset(columns), is_conditional): _compile_update(columns, is_conditional=is_conditional)
    for size in (1, 2, 3)
    for columns in combinations(_CHANGEABLE, size)
    for is_conditional in (False, True)
}
"""One statement for each set of columns that a patch can name, with and without a condition of the task's version.

An empty set changes nothing, and only reads.
"""
UPDATE_TASK[frozenset(), False] = SELECT_TASK
UPDATE_TASK[frozenset(), True] = _compile_select(is_conditional=True)

DELETE_TASK = {is_conditional: _compile_delete(is_conditional=is_conditional) for is_conditional in (False, True)}

FIND_OWNER = compile_statement("find_owner", select(col(Task.user_id)).where(_IS_THE_TASK))
