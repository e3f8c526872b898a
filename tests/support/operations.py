"""The five operations, for what holds for each of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from tests.support.cast import User


@dataclass(frozen=True)
class Operation:
    """One operation of the contract, and how to call it so that it succeeds."""

    id: str
    method: str
    success: int
    names_task: bool = False
    body: Mapping[str, object] | None = None

    def make_path(self, owner: User, task_id: object = 1) -> str:
        """Give the path with the owner's id percent-encoded and `task_id` as it is."""
        tasks = f"/api/{quote(owner.id, safe='')}/tasks"
        return f"{tasks}/{task_id}" if self.names_task else tasks

    def call(self, client: httpx.Client, owner: User, task_id: object = 1, **options: Any) -> httpx.Response:  # noqa: ANN401  httpx's own options
        """Send the request; `options` are httpx's, and `path` takes the place of the operation's own."""
        path = options.pop("path", self.make_path(owner, task_id))
        if self.body is not None and "content" not in options:
            options.setdefault("json", self.body)
        return client.request(self.method, path, **options)


LIST_TASKS = Operation("listTasks", "GET", 200)
CREATE_TASK = Operation("createTask", "POST", 201, body={"title": "Buy groceries"})
GET_TASK = Operation("getTask", "GET", 200, names_task=True)
UPDATE_TASK = Operation("updateTask", "PATCH", 200, names_task=True, body={"is_completed": True})
DELETE_TASK = Operation("deleteTask", "DELETE", 204, names_task=True)

OPERATIONS = (LIST_TASKS, CREATE_TASK, GET_TASK, UPDATE_TASK, DELETE_TASK)
TASK_OPERATIONS = (GET_TASK, UPDATE_TASK, DELETE_TASK)
BODY_OPERATIONS = (CREATE_TASK, UPDATE_TASK)
BODILESS_OPERATIONS = (LIST_TASKS, GET_TASK, DELETE_TASK)
