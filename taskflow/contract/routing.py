"""Connexion's routing, with paths taken exactly as the contract writes them.

Connexion makes a path parameter of type integer part of the match, so that a wrong one would be a 404 before the token
was looked at; here any segment matches and its schema is judged later. One route stands for all methods of a path, so
that `Allow` is complete.
"""

from typing import Any
from urllib.parse import quote, unquote

from connexion.middleware.routing import RoutingAPI, RoutingMiddleware, RoutingOperation
from connexion.operations import AbstractOperation
from connexion.spec import Specification
from starlette.convertors import Convertor, register_url_convertor
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send


class _Segment(Convertor[str]):
    """One segment of a path, whatever is in it, as `_normalise_path` left it."""

    regex = "[^/]+"

    def convert(self, value: str) -> str:
        return unquote(value)


class _PathItem:
    """The operations of one path, by method."""

    def __init__(self) -> None:
        self.operations: dict[str, RoutingOperation] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        await self.operations[method](scope, receive, send)


class _RoutingAPI(RoutingAPI):  # type: ignore[misc]  # Connexion ships no types
    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  Connexion's own arguments
        self._path_items: dict[str, tuple[_PathItem, Route]] = {}
        super().__init__(*args, **kwargs)
        self.router.redirect_slashes = False

    @staticmethod
    def _framework_path_and_name(_operation: AbstractOperation, path: str) -> tuple[str, str]:
        return path.replace("}", ":segment}"), path

    def _add_operation_internal(
        self, method: str, path: str, operation: RoutingOperation, name: str | None = None
    ) -> None:
        if path not in self._path_items:
            item = _PathItem()
            route = Route(path, item, methods=[method], name=name)
            self._path_items[path] = item, route
            self.router.routes.append(route)
        item, route = self._path_items[path]
        item.operations[method.upper()] = operation
        route.methods = (route.methods or set()) | ({"GET", "HEAD"} if method == "get" else {method.upper()})


class ContractRouting(RoutingMiddleware):  # type: ignore[misc]  # Connexion ships no types
    """Finds the operation of a request; a slash at the end of its path is passed over.

    Raises Starlette's HTTPException: 404 for another path, 405 for another method.
    """

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app)
        register_url_convertor("segment", _Segment())
        self.router.redirect_slashes = False

    def add_api(self, specification: Specification, base_path: str | None = None, **kwargs: Any) -> None:  # noqa: ANN401
        api = _RoutingAPI(specification, base_path=base_path, next_app=self.app, **kwargs)
        self.router.mount(api.base_path, app=api.router)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path: str = scope["path"]
            raw_path: bytes = scope.get("raw_path") or b""
            if b"%" in raw_path:
                path = _normalise_path(raw_path)
            if len(path) > 1 and path.endswith("/"):
                path = path[:-1]
            scope["path"] = path
        await super().__call__(scope, receive, send)


def _normalise_path(raw_path: bytes) -> str:
    """Encode each segment in the one normal way (RFC 3986, section 6.2.2), to be decoded once it has been matched.

    So `t%61sks` is `tasks`, and an encoded slash or line feed stays inside its segment.
    """
    segments = raw_path.partition(b"?")[0].decode("ascii", "replace").split("/")
    return "/".join(quote(unquote(segment), safe="") for segment in segments)
