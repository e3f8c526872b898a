"""The SQL of the operations: SQLModel expressions, compiled once to the text that PostgreSQL takes.

columns   a task as it leaves the database, and how an expression becomes a statement
versions  the version of a user's list, and what raises it
tasks     one task: create, get, update, delete
lists     many tasks, page by page
orders    whole lists, in another order than that of ids
selections  which of a user's tasks a list holds, and in which order
searches  whether a text is in a task
keys      keys that clients create tasks with, and the one that cursors are sealed with

Every statement names the user, so that the table can be distributed by user_id. The exceptions are off the happy path:
FIND_OWNER, which tells somebody else's task from none; FIND_KEY, which each process asks once; and DELETE_AGED_KEYS.
"""

from taskflow.database.statements.keys import AGED_ROWS, DELETE_AGED_KEYS, FIND_KEY, INSERT_TASK_ONCE
from taskflow.database.statements.lists import LIST_TASKS, PAGE_BYTES, PAGE_ROWS, compile_query
from taskflow.database.statements.orders import ORDER_ROWS, PLACES, compile_order, compile_places
from taskflow.database.statements.tasks import DELETE_TASK, FIND_OWNER, INSERT_TASK, SELECT_TASK, UPDATE_TASK
from taskflow.database.statements.versions import SELECT_LIST_VERSION

__all__ = [
    "AGED_ROWS",
    "DELETE_AGED_KEYS",
    "DELETE_TASK",
    "FIND_KEY",
    "FIND_OWNER",
    "INSERT_TASK",
    "INSERT_TASK_ONCE",
    "LIST_TASKS",
    "ORDER_ROWS",
    "PAGE_BYTES",
    "PAGE_ROWS",
    "PLACES",
    "SELECT_LIST_VERSION",
    "SELECT_TASK",
    "UPDATE_TASK",
    "compile_order",
    "compile_places",
    "compile_query",
]
