"""Connexion's bearer scheme: the token becomes a user, and the path must be that user's."""

from collections.abc import Awaitable, Callable
from typing import Any

from connexion.lifecycle import ConnexionRequest
from starlette.types import Scope

from taskflow.errors import NotYourPath, TokenInvalid, TokenMissing

Authenticate = Callable[[str], Awaitable[str]]
"""Gives the user id of a token, or raises a Problem."""

USER_PARAMETER = "user_id"
"""The path parameter that names whose path it is."""


def make_bearer_handler(authenticate: Authenticate, on_user: Callable[[str], None]) -> type:
    """Make the handler that Connexion runs for every operation with a bearer scheme.

    No handler of an operation can forget the check: it is reached only after it. `on_user` is told the user.
    """

    class BearerHandler:
        def get_fn(self, _scheme: dict[str, Any], _scopes: list[str]) -> Callable[[ConnexionRequest], Awaitable[Any]]:
            return self._verify

        @staticmethod
        async def _verify(request: ConnexionRequest) -> dict[str, str]:
            scope = request.scope
            user = await authenticate(find_token(scope))
            on_user(user)
            if scope["path_params"].get(USER_PARAMETER, user) != user:
                raise NotYourPath
            return {"sub": user}

    return BearerHandler


def find_token(scope: Scope) -> str:
    """Take the bearer token from a request's headers (RFC 6750, section 2.1).

    Raises TokenMissing where there is none, TokenInvalid where it cannot be one.
    """
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    if not values:
        raise TokenMissing
    scheme, _, token = values[0].strip().partition(b" ")
    token = token.strip()
    if scheme.lower() != b"bearer" or not token:
        raise TokenMissing
    if len(values) > 1 or not token.isascii():
        raise TokenInvalid("two Authorization headers, or not ASCII")
    return str(token, "ascii")
