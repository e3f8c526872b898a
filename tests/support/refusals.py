"""Answers that refuse a request: the whole document, and the headers that every refusal carries."""

import json
import re
from typing import Any

import httpx

from tests.support.problems import expect_problem

REQUEST_ID = re.compile(r"[0-9a-f]{32}")


def check_refusal(response: httpx.Response, status: int, detail: str, **errors: str) -> None:
    """Raise AssertionError unless the answer is exactly this problem document."""
    _check_document(response, expect_problem(status, detail, **errors))


def check_parameter_refusal(response: httpx.Response, name: str, wrong: str) -> None:
    """Raise AssertionError unless the answer is a 422 that says what is wrong with one path parameter."""
    document = {**expect_problem(422, f"{name} {wrong}."), "errors": [{"detail": wrong, "pointer": name}]}
    _check_document(response, document)


def check_body_refusal(response: httpx.Response, wrong: str) -> None:
    """Raise AssertionError unless the answer is a 422 that says what is wrong with the body as a whole."""
    document = {**expect_problem(422, f"The body {wrong}."), "errors": [{"detail": wrong, "pointer": ""}]}
    _check_document(response, document)


def _check_document(response: httpx.Response, document: dict[str, Any]) -> None:
    assert json.loads(response.content) == document, response.text
    assert response.status_code == document["status"]
    assert response.headers["Content-Type"] == "application/problem+json"
    assert REQUEST_ID.fullmatch(response.headers["X-Request-Id"])
