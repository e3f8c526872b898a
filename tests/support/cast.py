"""Who appears in the tests, and the tokens they hold."""

import time
from dataclasses import dataclass
from typing import Any

import jwt

SECRET = "a-secret-of-the-tests-that-nobody-else-knows"


def sign(claims: dict[str, Any], *, secret: str = SECRET, algorithm: str = "HS256", **headers: Any) -> str:  # noqa: ANN401  a header may hold anything
    """Sign a token as the frontend would, or as somebody else would."""
    return jwt.encode(claims, secret, algorithm=algorithm, headers=headers)


def authorize(token: str) -> dict[str, str]:
    """Give the header that carries a token."""
    return {"Authorization": f"Bearer {token}"}


@dataclass(frozen=True)
class User:
    """Somebody with an account in the frontend."""

    id: str

    @property
    def token(self) -> str:
        return sign({"sub": self.id, "exp": int(time.time()) + 3600})

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the user's requests."""
        return authorize(self.token)

    @property
    def tasks(self) -> str:
        """The path of the user's tasks."""
        return f"/api/{self.id}/tasks"


ALICE = User("alice")
"""Owns the tasks of most tests."""

BOB = User("bob")
"""Another user, who must not get at Alice's."""
