"""Tasks as the tests make and expect them."""

from typing import Any
from unittest.mock import ANY

import httpx

from tests.support.cast import User
from tests.support.privacy import note_text


def create_task(client: httpx.Client, owner: User, **members: Any) -> dict[str, Any]:  # noqa: ANN401  JSON can be anything
    """Create a task and give it as the server answered."""
    note_text(*members.values())
    response = client.post(owner.tasks, json={"title": "Buy groceries", **members})
    assert response.status_code == 201, response.text
    task: dict[str, Any] = response.json()
    return task


def expect_task(owner: User, **members: Any) -> dict[str, Any]:  # noqa: ANN401  JSON can be anything
    """Give what a task must equal: members that the test does not name are those of a new task."""
    return {
        "id": ANY,
        "user_id": owner.id,
        "title": "Buy groceries",
        "description": None,
        "is_completed": False,
        "created_at": ANY,
        "updated_at": ANY,
        **members,
    }
