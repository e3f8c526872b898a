"""A JWK Set (RFC 7517), and those of its keys that tokens can be verified with."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK

ALGORITHMS = {
    "EdDSA": ("OKP", "Ed25519"),
    "ES256": ("EC", "P-256"),
    "ES512": ("EC", "P-521"),
    "RS256": ("RSA", None),
    "PS256": ("RSA", None),
}
"""What Better Auth can be told to sign with: the kind of key and its curve (RFC 7518, section 6; RFC 8037).

None of them is symmetric, so that nothing published can ever be taken for a shared secret.
"""


MAX_MISTAKES = 3
"""How many mistakes of one set are named."""

MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192
"""Less is too weak to be trusted (RFC 7518, section 3.3). More costs a worker 2 ms and up for each wrong signature."""

MAX_RSA_EXPONENT = 2**32
"""Keys have 65537. A long exponent makes a wrong signature cost up to 100 times as much CPU."""

OTHER_NAMES = {"Ed25519": "EdDSA"}
"""Fully specified names (RFC 9864) of these algorithms. RFC 9864 has no other for JWS that would fit one of them."""

ACCEPTED_NAMES = ALGORITHMS.keys() | OTHER_NAMES.keys()
"""What the `alg` of a token may be."""


class KeyMistake(Exception):
    """A published key is meant for tokens, but cannot be used; the text says why, without the key."""


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """A public key and the one algorithm it is for, by the name that it was published with.

    Two are equal if they verify the same.
    """

    algorithm: str
    material: Any
    """The key as the cryptographic library has it, which knows when two are the same."""
    jwks: Mapping[str, PyJWK] = field(compare=False)
    """The key for PyJWT, by each `alg` of a token that it verifies: several names of the one algorithm."""


def read_key_set(document: bytes, on_mistake: Callable[[str], None] = lambda _: None) -> dict[str, PublishedKey]:
    """Give the keys of a JWK Set that can be used, by their `kid`; others are passed over (RFC 7517, section 5).

    `on_mistake` is called with a sentence for each that is passed over although it is meant for tokens.
    Raises ValueError if it is no JWK Set, or one without a key that can be used: frontends have a key as long as they
    sign tokens, so a set without one is a mistake and not a withdrawal.
    """
    try:
        entries = json.loads(document)["keys"]
    except (ValueError, KeyError, TypeError, RecursionError):
        entries = None
    if not isinstance(entries, list):
        raise ValueError("it is not a JWK Set")  # noqa: TRY004  it is the document that is wrong
    if not entries:
        raise ValueError("there are none")
    keys: dict[str, PublishedKey] = {}
    mistakes: list[str] = []
    for number, entry in enumerate(entries, start=1):
        try:
            kid, key = _read_key(entry)
        except KeyMistake as mistake:
            mistakes.append(f"key {number}: {mistake}")
            continue
        if key is not None and keys.setdefault(kid, key) != key:
            mistakes.append(f"key {number}: its kid is that of an earlier key")
    if not keys:
        reason = f"none of its keys can be used; it must be for {', '.join(ALGORITHMS)}"
        raise ValueError("; ".join([reason, *mistakes[:MAX_MISTAKES]]))
    for text in mistakes[:MAX_MISTAKES]:
        on_mistake(text)
    return keys


def _read_key(entry: object) -> tuple[str, PublishedKey | None]:
    """Return the `kid` and the key of an entry; None if the key is for another purpose or algorithm."""
    if not isinstance(entry, dict):
        raise KeyMistake("it is not a JSON object")
    # A member that is null says nothing: some libraries write every member that they know.
    members = {name: value for name, value in entry.items() if value is not None}
    names = _list_names(members)
    if not names or members.get("use", "sig") != "sig" or not _is_for_verifying(members.get("key_ops", ["verify"])):
        return "", None
    kid = members.get("kid")
    if not isinstance(kid, str):
        raise KeyMistake(f"its kid is {describe_kid(kid)}")
    if "d" in members:
        raise KeyMistake("it is a private key, which must not be published")
    try:
        jwks = {name: _prepare(members, name) for name in names}
    except (jwt.PyJWTError, ValueError, TypeError):
        raise KeyMistake("it is malformed") from None
    material = jwks[names[0]].key
    if isinstance(material, RSAPublicKey):
        _check_rsa_key(material)
    return kid, PublishedKey(names[0], material, jwks)


def _check_rsa_key(key: RSAPublicKey) -> None:
    if key.key_size < MIN_RSA_BITS:
        raise KeyMistake(f"it is an RSA key of less than {MIN_RSA_BITS} bits")
    if key.key_size > MAX_RSA_BITS:
        raise KeyMistake(f"it is an RSA key of more than {MAX_RSA_BITS} bits")
    if key.public_numbers().e > MAX_RSA_EXPONENT:
        raise KeyMistake("it is an RSA key whose exponent has more than 32 bits; 65537 is usual")


def _list_names(members: Mapping[str, Any]) -> list[str]:
    """Return each `alg` of a token that this key verifies, its own name first; none if it is not one for us."""
    # Better Auth gives an RSA key a curve too, after its configuration has changed; it means nothing there.
    kind = (members.get("kty"), None if members.get("kty") == "RSA" else members.get("crv"))
    fitting = [algorithm for algorithm, needed in ALGORITHMS.items() if needed == kind]
    others = [name for name, algorithm in OTHER_NAMES.items() if algorithm in fitting]
    if "alg" in members:
        # As it is written: `jose`, which Better Auth signs with, takes no other name for it either.
        return [name for name in fitting + others if name == members["alg"]]
    # Better Auth always says which; without it, a key is for all that its kind can do (RFC 7517, section 4.4).
    return fitting + others


def _prepare(members: Mapping[str, Any], name: str) -> PyJWK:
    jwk = PyJWK(dict(members), OTHER_NAMES.get(name, name))
    # PyJWT demands that a token names the algorithm as its key does, and knows none of the other names.
    jwk.algorithm_name = name
    return jwk


def _is_for_verifying(operations: object) -> bool:
    return isinstance(operations, list) and "verify" in operations


def describe_kid(kid: object) -> str:
    """Say what is wrong with a `kid` that is not text (RFC 7515, section 4.1.4; RFC 7517, section 4.5)."""
    if kid is None:
        return "missing"
    if isinstance(kid, int | float) and not isinstance(kid, bool):
        return "a number; it must be text"
    return "not text"
