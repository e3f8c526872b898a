"""Answers, as the server gives them and as the model says that they must be."""

from dataclasses import dataclass, field
from typing import Any

from tests.support.problems import expect_problem


@dataclass(frozen=True)
class Answer:
    """All of an answer that depends on what was asked."""

    status: int
    body: Any = None
    etag: str | None = None
    location: str | None = None
    has_next: bool = False
    link: str | None = field(default=None, compare=False)
    """Where the next page is, which only the server knows."""


def refuse(status: int, detail: str) -> Answer:
    return Answer(status, expect_problem(status, detail))


def refuse_body(**errors: str) -> Answer:
    """Give the answer that says what is wrong with members of a body."""
    detail = "; ".join(f"{name} {wrong}" for name, wrong in errors.items())
    return Answer(422, expect_problem(422, f"{detail}.", **errors))


def refuse_parameter(name: str, wrong: str) -> Answer:
    """Give the answer that says what is wrong with a parameter, or with a header."""
    return Answer(422, {**expect_problem(422, f"{name} {wrong}."), "errors": [{"detail": wrong, "pointer": name}]})


NOT_YOUR_PATH = refuse(403, "The user_id in the path is not the user of the token.")
NOT_YOUR_TASK = refuse(403, "The task belongs to another user.")
NO_SUCH_TASK = refuse(404, "There is no task with this task_id.")
CHANGED = refuse(412, "The task is no longer as the If-Match header says; read it again.")
KEY_REUSED = refuse_parameter("Idempotency-Key", "has been used for another body")
CURSOR_OF_ANOTHER = refuse_parameter("cursor", "does not belong to this list")
