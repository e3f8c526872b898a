"""A JWK Set (RFC 7517), and those of its keys that tokens can be verified with."""

import json
from dataclasses import dataclass, field
from typing import Any

import jwt
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


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """A public key and the one algorithm it is for. Two are equal if they verify the same."""

    algorithm: str
    material: Any
    """The key as the cryptographic library has it, which knows when two are the same."""
    jwk: PyJWK = field(compare=False)


def read_key_set(document: bytes) -> dict[str, PublishedKey]:
    """Give the keys of a JWK Set that can be used, by their `kid`; others are passed over (RFC 7517, section 5).

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
    for entry in entries:
        key = _read_key(entry) if isinstance(entry, dict) else None
        if key is not None:
            keys.setdefault(entry["kid"], key)
    if not keys:
        raise ValueError(f"none of its keys can be used; it must be for {', '.join(ALGORITHMS)}")
    return keys


def _read_key(entry: dict[str, Any]) -> PublishedKey | None:
    # Better Auth gives an RSA key a curve too, after its configuration has changed; it means nothing there.
    kind = (entry.get("kty"), None if entry.get("kty") == "RSA" else entry.get("crv"))
    fitting = [algorithm for algorithm, needed in ALGORITHMS.items() if needed == kind]
    # Better Auth always says which; without it, what is usual for keys of this kind.
    algorithm = entry.get("alg", fitting[0] if fitting else None)
    if algorithm not in fitting or not _is_for_verifying(entry):
        return None
    try:
        jwk = PyJWK(entry, algorithm)
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    # An RSA key of less than 2048 bits is too weak to be trusted (RFC 7518, section 3.3).
    return None if jwk.Algorithm.check_key_length(jwk.key) else PublishedKey(algorithm, jwk.key, jwk)


def _is_for_verifying(entry: dict[str, Any]) -> bool:
    kid, operations = entry.get("kid"), entry.get("key_ops", ["verify"])
    return (
        isinstance(kid, str)
        and entry.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and "d" not in entry  # a private key that is public is nobody's
    )
