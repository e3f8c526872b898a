"""Requests that are refused whatever there is: nothing is looked up for them, and nothing is changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.model.answers import CURSOR_OF_ANOTHER, Answer, refuse_body, refuse_parameter
from tests.model.choices import KEYS, SORTS
from tests.support.operations import CREATE_TASK, DELETE_TASK, GET_TASK, LIST_TASKS, UPDATE_TASK, Operation


@dataclass(frozen=True)
class Mistake:
    """A request with something wrong, and its answer; `options` are httpx's."""

    operation: Operation
    answer: Answer
    options: Mapping[str, Any]


def _create(body: Mapping[str, object], **errors: str) -> Mistake:
    """With a key, which must not be used up."""
    return Mistake(CREATE_TASK, refuse_body(**errors), {"json": body, "headers": {"Idempotency-Key": KEYS[0]}})


def _use_key(key: str, wrong: str) -> Mistake:
    return Mistake(CREATE_TASK, refuse_parameter("Idempotency-Key", wrong), {"headers": {"Idempotency-Key": key}})


def _update(body: Mapping[str, object], **errors: str) -> Mistake:
    return Mistake(UPDATE_TASK, refuse_body(**errors), {"json": body})


def _list(name: str, value: str, wrong: str) -> Mistake:
    return Mistake(LIST_TASKS, refuse_parameter(name, wrong), {"params": {name: value}})


def _set_condition(operation: Operation, name: str, value: str) -> Mistake:
    answer = refuse_parameter(name, "does not have the form it must have")
    return Mistake(operation, answer, {"headers": {name: value}})


MISTAKES = {
    "create without a title": _create({}, title="is required"),
    "create with no title": _create({"title": ""}, title="must not be empty"),
    "create with a title too long": _create({"title": "x" * 201}, title="must have at most 200 characters"),
    "create with a number": _create({"title": "a", "description": 1}, description="must be a string or null"),
    "create as completed, with NUL": _create(
        {"title": "\x00", "is_completed": True},
        title="contains a character that is not allowed",
        is_completed="is not accepted here",
    ),
    "create with a key of two words": _use_key("a b", "contains a character that is not allowed"),
    "create with a key too long": _use_key("a" * 256, "must have at most 255 characters"),
    "update to no title": _update({"title": "", "is_completed": True}, title="must not be empty"),
    "update the title to null": _update({"title": None}, title="must be a string"),
    "update to half a state": _update({"title": "a", "is_completed": None}, is_completed="must be a boolean"),
    "update the id": _update({"is_completed": True, "id": 1}, id="is not accepted here"),
    "update on a wrong condition": _set_condition(UPDATE_TASK, "If-Match", "abc"),
    "delete on a wrong condition": _set_condition(DELETE_TASK, "If-Match", '*, "a"'),
    "get on a wrong condition": _set_condition(GET_TASK, "If-None-Match", '"a'),
    "list on a wrong condition": _set_condition(LIST_TASKS, "If-None-Match", 'w/"a"'),
    "list in no order": _list("sort", "description", f"must be one of {', '.join(SORTS)}"),
    "list nothing": _list("limit", "0", "must be at least 1"),
    "list too many": _list("limit", "1001", "must be at most 1000"),
    "list what is half done": _list("is_completed", "1", "must be true or false"),
    "search for nothing": _list("q", "", "must not be empty"),
    "go on from anywhere": Mistake(LIST_TASKS, CURSOR_OF_ANOTHER, {"params": {"cursor": "abc"}}),
    "list a page": _list("page", "2", "is not accepted here"),
}
"""By names that tell, in a sequence that has failed, what was done."""
