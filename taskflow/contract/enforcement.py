"""The contract's demands on a request, and the call of its handler.

Everything that depends on the contract alone is worked out once, when the server starts: how each parameter is read,
which checks a body must pass, which arguments a handler takes.
"""

import inspect
import re
from collections.abc import Awaitable, Callable
from typing import Any

from connexion.middleware.abstract import RoutedAPI, RoutedMiddleware
from connexion.operations import AbstractOperation
from starlette.types import ASGIApp, Receive, Scope, Send

from taskflow.contract.body import BodyRule
from taskflow.contract.loading import ContractError
from taskflow.contract.schema import compile_schema
from taskflow.errors import FieldError, Unprocessable

Handler = Callable[..., Awaitable[ASGIApp]]
"""Gives an answer, which is an ASGI application of its own."""

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)", re.ASCII)
"""JSON's spelling of an integer: int() alone takes `+1`, `1_000` and other scripts' digits."""

_MORE_THAN_INT64 = 21
"""So many characters of an integer are enough to know that it is too large; int() refuses thousands of digits."""


class PathParameter:
    """A path parameter: how it is read, and what its schema demands."""

    def __init__(self, definition: dict[str, Any], operation_id: str) -> None:
        self.name: str = definition["name"]
        place = f"the parameter {self.name} of {operation_id}"
        if definition["in"] != "path":
            raise ContractError(f"nothing enforces {place}, which is in {definition['in']}")
        self._is_integer = definition["schema"].get("type") == "integer"
        self._check = compile_schema(definition["schema"], place)

    def read(self, text: str, errors: list[FieldError]) -> object:
        """Give the value of a decoded path segment, adding to `errors` what is wrong with it."""
        value: object = text
        if self._is_integer and _INTEGER.fullmatch(text):
            value = int(text[:_MORE_THAN_INT64])
        self._check(value, self.name, errors)
        return value


class Operation:
    """One operation of the contract, ready to be called."""

    def __init__(self, operation: AbstractOperation, *, max_body_bytes: int) -> None:
        self._parameters = [PathParameter(definition, operation.operation_id) for definition in operation.parameters]
        self._body = _compile_body(operation, max_body_bytes)
        self._handler: Handler = operation.function
        _check_signature(operation, {parameter.name for parameter in self._parameters}, has_body=self._body is not None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        errors: list[FieldError] = []
        texts = scope["path_params"]
        arguments = {parameter.name: parameter.read(texts[parameter.name], errors) for parameter in self._parameters}
        if errors:
            raise Unprocessable(errors)
        if self._body is not None:
            arguments["body"] = await self._body.read(scope, receive)
        response = await self._handler(**arguments)
        await response(scope, receive, send)


class _EnforcementAPI(RoutedAPI[Operation]):  # type: ignore[misc]  # Connexion ships no types
    def __init__(self, *args: Any, max_body_bytes: int, **kwargs: Any) -> None:  # noqa: ANN401  Connexion's arguments
        super().__init__(*args, **kwargs)
        self._max_body_bytes = max_body_bytes
        self.add_paths()

    def make_operation(self, operation: AbstractOperation) -> Operation:
        return Operation(operation, max_body_bytes=self._max_body_bytes)


class ContractEnforcement(RoutedMiddleware[_EnforcementAPI]):  # type: ignore[misc]  # Connexion ships no types
    """Checks a request against its operation and answers with its handler; other paths go to the next app."""

    def __init__(self, app: ASGIApp, *, max_body_bytes: int) -> None:
        super().__init__(app)
        self._max_body_bytes = max_body_bytes

    def api_cls(self, *args: Any, **kwargs: Any) -> _EnforcementAPI:  # noqa: ANN401  Connexion's arguments
        return _EnforcementAPI(*args, max_body_bytes=self._max_body_bytes, **kwargs)


def _compile_body(operation: AbstractOperation, limit: int) -> BodyRule | None:
    if not operation.request_body:
        return None
    if not operation.request_body.get("required", False):
        raise ContractError(f"nothing enforces the body of {operation.operation_id}, which is not required")
    content = operation.request_body["content"]
    place = f"the body of {operation.operation_id}"
    checks = {media_type.lower(): compile_schema(media["schema"], place) for media_type, media in content.items()}
    return BodyRule(checks, limit=limit)


def _check_signature(operation: AbstractOperation, parameters: set[str], *, has_body: bool) -> None:
    offered = parameters | ({"body"} if has_body else set())
    signature = inspect.signature(operation.function)
    # What the application has bound beforehand, such as the database, has a default by now.
    taken = {name for name, parameter in signature.parameters.items() if parameter.default is parameter.empty}
    if taken != offered:
        names = ", ".join(sorted(taken ^ offered))
        raise ContractError(f"the contract and the handler of {operation.operation_id} disagree about {names}")
