"""Keys that clients create tasks with (idempotency keys), and the one that cursors are sealed with."""

from datetime import timedelta

from sqlalchemy import BindParameter, ColumnElement, bindparam, func, literal_column, select, tuple_, union_all
from sqlmodel import col, delete, insert

from taskflow.database import Statement
from taskflow.database.models import IdempotencyKey, ServerKey, Task
from taskflow.database.statements.columns import COLUMNS, TASK, compile_statement, write_json
from taskflow.database.statements.versions import raise_list_version

AGED_ROWS = 100
"""How many keys one statement removes at the most."""

_KEYS = IdempotencyKey.metadata.tables["taskflow_idempotency_keys"].columns
_ANSWER = [_KEYS.digest, _KEYS.task_id.label("id"), _KEYS.version, _KEYS.answer]


def _compile_insert_once() -> Statement:
    """Create a task unless its key is known.

    One row: the digest of what the key was first sent with; the id, the version and the JSON of the task that was
    created then. Of requests that come at once with one key, all but the first fail where they write the key, and leave
    nothing behind. The list's version is raised after that and not before, or two could wait for each other.
    """
    key = {name: bindparam(name, type_=_KEYS[name].type) for name in ("user_id", "key")}
    digest: BindParameter[str] = bindparam("digest", type_=_KEYS.digest.type)
    known = select(*_ANSWER).where(*(_KEYS[name] == value for name, value in key.items())).cte("known")
    new = {name: bindparam(name, type_=COLUMNS[name].type) for name in ("user_id", "title", "description")}
    wanted = select(*new.values()).where(~select(known.c.id).exists())
    task = insert(Task).from_select(list(new), wanted).returning(*TASK).cte("task")
    kept = (
        insert(IdempotencyKey)
        .from_select(
            [*key, "digest", "task_id", "version", "answer"],
            select(*key.values(), digest, task.c.id, task.c.updated_at, write_json(task)),
        )
        .returning(_KEYS.user_id, *_ANSWER)
        .cte("kept")
    )
    answered = [select(*(source.c[column.key] for column in _ANSWER)) for source in (known, kept)]
    return compile_statement("create_task once", union_all(*answered).add_cte(raise_list_version(kept)))


def _compile_delete_aged() -> Statement:
    """Remove keys that are older than `seconds`, and give how many they were.

    Other servers may be at the same: what one of them has begun to remove is passed over.
    """
    lifetime: ColumnElement[timedelta] = bindparam("seconds") * literal_column("interval '1 second'")
    aged = (
        select(_KEYS.user_id, _KEYS.key)
        .where(_KEYS.created_at < func.now() - lifetime)
        .order_by(_KEYS.created_at)
        .limit(literal_column(str(AGED_ROWS)))
        .with_for_update(skip_locked=True)
        .cte("aged")
        # Once, and not anew for each row that might be removed: the limit would be none.
        .prefix_with("MATERIALIZED")
    )
    is_aged = tuple_(_KEYS.user_id, _KEYS.key).in_(select(aged.c.user_id, aged.c.key))
    deleted = delete(IdempotencyKey).where(is_aged).returning(_KEYS.key).cte("deleted")
    return compile_statement("delete_aged_keys", select(func.count()).select_from(deleted))


INSERT_TASK_ONCE = _compile_insert_once()

DELETE_AGED_KEYS = _compile_delete_aged()

FIND_KEY = compile_statement("find_key", select(col(ServerKey.value)).where(col(ServerKey.name) == bindparam("name")))
