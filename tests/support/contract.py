"""A second opinion on every answer: whether it keeps the contract.

Written on jsonschema, and knows nothing of the code under test.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import yaml
from jsonschema import Draft4Validator, FormatChecker

CONTRACT = Path(__file__).parents[2] / "openapi" / "openapi.yaml"


@cache
def load_contract() -> dict[str, Any]:
    """Give the contract with every reference replaced by what it leads to."""
    document: dict[str, Any] = yaml.safe_load(CONTRACT.read_text())
    return resolve_references(document)


def resolve_references(document: dict[str, Any]) -> dict[str, Any]:
    """Give a document with every reference replaced by what it leads to."""
    resolved: dict[str, Any] = _resolve(document, document)
    return resolved


def check_response(response: httpx.Response) -> None:
    """Raise AssertionError if an answer of one of the contract's operations is not as the contract says."""
    operation = _find_operation(response.request)
    if operation is None:
        return
    described = operation["responses"].get(str(response.status_code))
    assert described is not None, f"{operation['operationId']} answers an undocumented {response.status_code}"
    for name, header in described.get("headers", {}).items():
        assert name in response.headers or not header.get("required"), f"the header {name} is missing"
    content = described.get("content")
    if response.request.method == "HEAD":
        return
    if content is None:
        assert response.content == b""
        return
    media_type = response.headers["Content-Type"]
    assert media_type in content, f"{media_type} is not documented"
    validator = Draft4Validator(_allow_null(content[media_type]["schema"]), format_checker=FormatChecker())
    validator.validate(json.loads(response.content))


def _find_operation(request: httpx.Request) -> dict[str, Any] | None:
    path = request.url.raw_path.decode().partition("?")[0].removesuffix("/")
    method = "get" if request.method == "HEAD" else request.method.lower()
    for template, item in load_contract()["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            operation: dict[str, Any] | None = item.get(method)
            return operation
    return None


def _resolve(node: Any, document: dict[str, Any]) -> Any:  # noqa: ANN401  a node of a document can be anything
    if isinstance(node, dict):
        if "$ref" in node:
            target: Any = document
            for key in node["$ref"].removeprefix("#/").split("/"):
                target = target[key]
            return _resolve(target, document)
        return {key: _resolve(value, document) for key, value in node.items()}
    if isinstance(node, list):
        return [_resolve(value, document) for value in node]
    return node


def _allow_null(schema: Any) -> Any:  # noqa: ANN401  a node of a schema can be anything
    """Say OpenAPI's `nullable` in JSON Schema's words."""
    if isinstance(schema, list):
        return [_allow_null(value) for value in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: _allow_null(value) for key, value in schema.items() if key != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if schema.get("nullable") else plain
