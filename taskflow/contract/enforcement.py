"""The contract's demands on a request, and the call of its handler.

Everything that depends on the contract alone is worked out once, when the server starts: how each parameter is read,
which checks a body must pass, which arguments a handler takes.
"""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from connexion.middleware.abstract import RoutedAPI, RoutedMiddleware
from connexion.operations import AbstractOperation
from starlette.types import ASGIApp, Receive, Scope, Send

from taskflow.concurrency.departure import note_client
from taskflow.contract.body import BodyRule
from taskflow.contract.loading import ContractError
from taskflow.contract.parameters import Parameters
from taskflow.contract.schema import compile_schema

Handler = Callable[..., Awaitable[ASGIApp]]
"""Gives an answer, which is an ASGI application of its own."""


class Operation:
    """One operation of the contract, ready to be called."""

    def __init__(self, operation: AbstractOperation, *, max_body_bytes: int) -> None:
        self._parameters = Parameters(operation.parameters, operation.operation_id)
        self._body = _compile_body(operation, max_body_bytes)
        self._handler: Handler = operation.function
        _check_signature(operation, self._parameters, has_body=self._body is not None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        arguments = self._parameters.read(scope)
        if self._body is not None:
            arguments["body"] = await self._body.read(scope, receive)
        note_client(receive)
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


def _check_signature(operation: AbstractOperation, parameters: Parameters, *, has_body: bool) -> None:
    """A parameter that may be missing has a default in its handler, and no other has."""
    # What the application has bound beforehand, such as the database.
    bound = getattr(operation.function, "keywords", {})
    signature = inspect.signature(operation.function).parameters
    taken = {(name, of.default is of.empty) for name, of in signature.items() if name not in bound}
    certain = parameters.certain | ({"body"} if has_body else set())
    offered = {(name, True) for name in certain} | {(name, False) for name in parameters.possible}
    if taken != offered:
        names = ", ".join(sorted({name for name, _ in taken ^ offered}))
        raise ContractError(f"the contract and the handler of {operation.operation_id} disagree about {names}")
