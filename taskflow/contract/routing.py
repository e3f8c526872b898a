"""From a path and a method to an operation, with paths taken exactly as the contract writes them.

Connexion's own routing makes a path parameter of type integer part of the match, so that a wrong one would be a 404
before the token was looked at; here any segment matches and its schema is judged later. Its router also asks each route
in turn on every request; here one expression a path is compiled at start.
"""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

from connexion.middleware.abstract import ROUTING_CONTEXT, AbstractRoutingAPI, SpecMiddleware
from connexion.operations import AbstractOperation
from connexion.spec import Specification
from starlette.types import ASGIApp, Receive, Scope, Send

from taskflow.errors import MethodNotAllowed

_PLAIN = "!$&'()*+,;=:@"
"""What may stand in a segment as it is, beside letters, digits and -._~ (RFC 3986, section 3.3)."""


class _PathItem:
    """One path of the contract, and the operations on it by method."""

    def __init__(self, path: str) -> None:
        # The names of parameters stand in braces; everything else is matched as it is written.
        parts = re.split(r"\{([^}]+)\}", path)
        self.pattern = re.compile(
            "".join(
                f"(?P<{part}>[^/]+)" if index % 2 else re.escape(quote(part, safe=f"/{_PLAIN}"))
                for index, part in enumerate(parts)
            )
        )
        self.operations: dict[str, str] = {}


class _RoutingAPI(AbstractRoutingAPI):  # type: ignore[misc]  # Connexion ships no types
    """What Connexion finds in the contract, as a table of paths."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  Connexion's own arguments
        self.path_items: dict[str, _PathItem] = {}
        super().__init__(*args, **kwargs)

    def make_operation(self, operation: AbstractOperation) -> str:
        return str(operation.operation_id)

    @staticmethod
    def _framework_path_and_name(_operation: AbstractOperation, path: str) -> tuple[str, str]:
        return path, path

    def _add_operation_internal(self, method: str, path: str, operation: str, name: str | None = None) -> None:
        del name
        operations = self.path_items.setdefault(path, _PathItem(f"{self.base_path}{path}")).operations
        operations[method.upper()] = operation
        if method == "get":
            operations["HEAD"] = operation


class ContractRouting(SpecMiddleware):  # type: ignore[misc]  # Connexion ships no types
    """Finds the operation of a request; a slash at the end of its path is passed over.

    `on_operation` is told it. A path that is not in the contract is left to the next app. Raises MethodNotAllowed.
    """

    def __init__(self, app: ASGIApp, *, on_operation: Callable[[str], None]) -> None:
        self.app = app
        self._on_operation = on_operation
        self._path_items: list[tuple[str, _PathItem]] = []

    def add_api(self, specification: Specification, base_path: str | None = None, **kwargs: Any) -> None:  # noqa: ANN401
        api = _RoutingAPI(specification, base_path=base_path, **kwargs)
        self._path_items += [(api.base_path, item) for item in api.path_items.values()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self._route(scope)
        await self.app(scope, receive, send)

    def _route(self, scope: Scope) -> None:
        path: str = scope["path"]
        raw_path: bytes = scope.get("raw_path") or b""
        is_encoded = b"%" in raw_path
        if is_encoded:
            path = _normalise_path(raw_path)
        if len(path) > 1 and path.endswith("/"):
            path = path[:-1]
        scope["path"] = path
        context = scope.setdefault("extensions", {})[ROUTING_CONTEXT] = {"api_base_path": "", "operation_id": None}
        for base_path, item in self._path_items:
            match = item.pattern.fullmatch(path)
            if match is None:
                continue
            operation = item.operations.get(scope["method"])
            if operation is None:
                raise MethodNotAllowed(item.operations)
            self._on_operation(operation)
            context.update(api_base_path=base_path, operation_id=operation)
            parameters = match.groupdict()
            if is_encoded:
                parameters = {name: unquote(value) for name, value in parameters.items()}
            scope["path_params"] = parameters
            return


def _normalise_path(raw_path: bytes) -> str:
    """Encode each segment in the one normal way (RFC 3986, section 6.2.2), to be decoded once it has been matched.

    So `t%61sks` is `tasks`, and an encoded slash or line feed stays inside its segment.
    """
    segments = raw_path.partition(b"?")[0].decode("ascii", "replace").split("/")
    return "/".join(quote(unquote(segment), safe=_PLAIN) for segment in segments)
