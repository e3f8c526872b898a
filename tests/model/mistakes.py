"""Requests that are refused whatever there is: nothing is looked up for them, and nothing is changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.model.model import Answer
from tests.support.operations import CREATE_TASK, DELETE_TASK, GET_TASK, LIST_TASKS, UPDATE_TASK, Operation
from tests.support.problems import expect_problem


@dataclass(frozen=True)
class Mistake:
    """A request with something wrong, and its answer; `options` are httpx's."""

    operation: Operation
    answer: Answer
    options: Mapping[str, Any]


def refuse_parameter(name: str, wrong: str) -> Answer:
    """Give the answer that says what is wrong with a parameter, or with a header."""
    return Answer(422, {**expect_problem(422, f"{name} {wrong}."), "errors": [{"detail": wrong, "pointer": name}]})


def _break_body(operation: Operation, body: Mapping[str, object], **errors: str) -> Mistake:
    detail = "; ".join(f"{name} {wrong}" for name, wrong in errors.items())
    return Mistake(operation, Answer(422, expect_problem(422, f"{detail}.", **errors)), {"json": body})


def _break_query(name: str, value: str, wrong: str) -> Mistake:
    return Mistake(LIST_TASKS, refuse_parameter(name, wrong), {"params": {name: value}})


def _break_condition(operation: Operation, name: str, value: str) -> Mistake:
    answer = refuse_parameter(name, "does not have the form it must have")
    return Mistake(operation, answer, {"headers": {name: value}})


_SORTS = "id, -id, created_at, -created_at, updated_at, -updated_at, title, -title"

MISTAKES = {
    "create without a title": _break_body(CREATE_TASK, {}, title="is required"),
    "create with no title": _break_body(CREATE_TASK, {"title": ""}, title="must not be empty"),
    "create with a title too long": _break_body(
        CREATE_TASK, {"title": "x" * 201}, title="must have at most 200 characters"
    ),
    "create with a number": _break_body(
        CREATE_TASK, {"title": "a", "description": 1}, description="must be a string or null"
    ),
    "create as completed, with NUL": _break_body(
        CREATE_TASK,
        {"title": "\x00", "is_completed": True},
        title="contains a character that is not allowed",
        is_completed="is not accepted here",
    ),
    "update to no title": _break_body(
        UPDATE_TASK, {"title": "", "description": "a", "is_completed": True}, title="must not be empty"
    ),
    "update the title to null": _break_body(UPDATE_TASK, {"title": None}, title="must be a string"),
    "update to half a state": _break_body(
        UPDATE_TASK, {"title": "a", "is_completed": None}, is_completed="must be a boolean"
    ),
    "update the id": _break_body(UPDATE_TASK, {"is_completed": True, "id": 1}, id="is not accepted here"),
    "update on a wrong condition": _break_condition(UPDATE_TASK, "If-Match", "abc"),
    "delete on a wrong condition": _break_condition(DELETE_TASK, "If-Match", '*, "a"'),
    "get on a wrong condition": _break_condition(GET_TASK, "If-None-Match", '"a'),
    "list on a wrong condition": _break_condition(LIST_TASKS, "If-None-Match", 'w/"a"'),
    "list in no order": _break_query("sort", "description", f"must be one of {_SORTS}"),
    "list nothing": _break_query("limit", "0", "must be at least 1"),
    "list too many": _break_query("limit", "1001", "must be at most 1000"),
    "list what is half done": _break_query("is_completed", "1", "must be true or false"),
    "search for nothing": _break_query("q", "", "must not be empty"),
    "go on from anywhere": _break_query("cursor", "abc", "does not belong to this list"),
    "list a page": _break_query("page", "2", "is not accepted here"),
}
"""By names that tell, in a sequence that has failed, what was done."""
