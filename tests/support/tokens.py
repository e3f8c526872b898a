"""Tokens that no library would make (any header, any payload, rightly signed all the same), and how they fare."""

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

import httpx
from jwt.utils import base64url_encode

from tests.support.cast import ALICE, SECRET
from tests.support.problems import expect_problem

INVALID = "Invalid token"
EXPIRED = "Token expired"
WRONG_SIGNATURE = "Invalid token signature"

HS256 = {"alg": "HS256", "typ": "JWT"}


def make_claims(**changes: Any) -> dict[str, Any]:  # noqa: ANN401  a claim may hold anything
    """Give the claims of a token of Alice's, some of them changed; None leaves a claim out."""
    claims = {"sub": ALICE.id, "exp": int(time.time()) + 3600, **changes}
    return {name: value for name, value in claims.items() if value is not None}


def forge(
    claims: Mapping[str, Any] | str | None = None, header: Mapping[str, Any] | str = HS256, secret: str = SECRET
) -> str:
    """Sign exactly these bytes with HMAC and SHA-256, whatever they say; a str is taken for JSON already written."""
    parts = (header, make_claims() if claims is None else claims)
    signed = b".".join(
        base64url_encode((part if isinstance(part, str) else json.dumps(part)).encode()) for part in parts
    )
    signature = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return b".".join([signed, base64url_encode(signature)]).decode()


def send(client: httpx.Client, token: str, path: str = ALICE.tasks) -> httpx.Response:
    """List tasks with a token."""
    return client.get(path, headers={"Authorization": f"Bearer {token}"})


def expect_refusal(response: httpx.Response, detail: str) -> None:
    """The whole answer to a token that is not valid."""
    assert (response.status_code, response.json()) == (401, expect_problem(401, detail))
    assert response.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
