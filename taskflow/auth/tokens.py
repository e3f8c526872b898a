"""From a bearer token to a user id (RFC 7519, RFC 8725): by the secret or by the keys of the frontend's Better Auth."""

import asyncio
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import jwt
from jwt import PyJWK
from jwt.utils import base64url_decode, base64url_encode
from pydantic import SecretStr

from taskflow.auth.jwks import ACCEPTED_NAMES, ALGORITHMS, KeySet, describe_kid
from taskflow.errors import TokenExpired, TokenInvalid, TokenSignatureInvalid
from taskflow.settings import Settings

CLOCK_SKEW_SECONDS = 60
"""How far the frontend's clock may be ahead of ours. A token that has expired gets no grace."""

MAX_EXPIRY = 32_503_680_000
"""The year 3000, in seconds since the epoch. What is beyond it counts milliseconds, and would hardly ever expire."""

TOKEN_TYPES = {"jwt", "at+jwt"}
"""What a token may call itself, if anything. Better Auth signs its session cookies with the same keys, as another type
(RFC 8725, section 3.11).
"""

logger = logging.getLogger(__name__)


class TokenVerifier:
    """Verifies tokens with the keys that the settings name, and with no others.

    Those signed with HS256 by the shared secret, all others by the published keys: never one key for both.
    """

    def __init__(self, settings: Settings, on_fetch: Callable[[bool], None] = lambda _: None) -> None:
        self._max_bytes = settings.max_token_bytes
        self._verified = VerifiedTokens(settings.token_cache_size)
        self._secret = _prepare_secret(settings.better_auth_secret)
        self._secret_claims = _choose_claims(settings.jwt_issuer, settings.jwt_audience)
        url = settings.key_set_url
        # What was verified with a key that has been withdrawn since must not go on being good.
        self._keys = KeySet(url, settings, self._verified.clear, on_fetch) if url else None
        self._key_claims = _choose_claims(settings.key_set_issuers, settings.jwt_audience)
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        """Begin to fetch the published keys, if there are any."""
        if self._keys is not None:
            self._keys.open()

    async def close(self) -> None:
        if self._keys is not None:
            await self._keys.close()

    @property
    def has_keys(self) -> bool:
        """Whether every kind of token that is configured can be verified."""
        return self._keys is None or self._keys.is_known

    @property
    def has_stale_keys(self) -> bool:
        """Whether the published keys are known, but cannot be fetched any more."""
        return self._keys is not None and self._keys.is_stale

    async def authenticate(self, token: str) -> str:
        """Give the user id (`sub`) of a valid token.

        Raises TokenExpired, TokenSignatureInvalid, or TokenInvalid for everything else; KeysUnavailable where nobody
        can tell.
        """
        if len(token) > self._max_bytes:
            raise TokenInvalid("longer than MAX_TOKEN_BYTES")
        known = self._verified.find(token)
        if known is None:
            claims = await self._verify(token)
            known = VerifiedToken(_read_subject(claims), int(claims["exp"]))
            self._verified.add(token, known)
        elif known.expiry <= time.time():
            raise TokenExpired
        return known.user

    async def _verify(self, token: str) -> dict[str, Any]:
        if "=" in token:
            raise TokenInvalid("padded")  # RFC 7515, section 2
        try:
            key, rules = await self._choose_key(_read_header(token))
            if key is not self._secret:
                await self._take_turn()
            claims: dict[str, Any] = jwt.decode(token, key, algorithms=[key.algorithm_name], **rules)
        except jwt.ExpiredSignatureError:
            raise TokenExpired from None
        except jwt.InvalidSignatureError:
            raise TokenSignatureInvalid from None
        except jwt.DecodeError as error:
            # PyJWT's word for a signature whose last characters were changed or cut off.
            raise (TokenSignatureInvalid() if "crypto" in str(error) else TokenInvalid("not a JWT")) from None
        except (jwt.PyJWTError, ValueError) as error:
            # Its message can quote the token.
            raise TokenInvalid(type(error).__name__) from None
        if not _is_utf8(token):
            raise TokenInvalid("not UTF-8")
        _check_times(claims)
        return claims

    async def _take_turn(self) -> None:
        """Wait until it is this token's turn: one published key is used in a turn of the event loop.

        Wrong signatures cost nobody but their sender anything to make, and up to 1 ms to verify. Many at once would
        hold up the requests whose tokens are remembered, which come between them so.
        """
        async with self._turn:
            await asyncio.sleep(0)

    async def _choose_key(self, header: dict[str, Any]) -> tuple[PyJWK, dict[str, Any]]:
        """Give the key for a token with this header, and what its claims must be."""
        typ = header.get("typ")
        kind = "jwt" if typ is None else str(typ).lower().removeprefix("application/")
        if kind not in TOKEN_TYPES:
            raise TokenInvalid("typ is that of another kind of token")
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm == "HS256" and self._secret is not None:
            if "kid" in header and not isinstance(kid, str):
                raise TokenInvalid(f"kid is {describe_kid(kid)}")
            return self._secret, self._secret_claims
        if not isinstance(algorithm, str) or algorithm not in ACCEPTED_NAMES or self._keys is None:
            logger.warning("refused a token that is %s", self._explain_algorithm(algorithm))
            raise TokenInvalid("alg is not accepted")
        if not isinstance(kid, str):
            raise TokenInvalid(f"kid is {describe_kid(kid)}")
        jwk = (await self._keys.find(kid)).jwks.get(algorithm)
        if jwk is None:
            raise TokenInvalid("alg is not that of its key")
        return jwk, self._key_claims

    def _explain_algorithm(self, algorithm: object) -> str:
        """Say what a token is signed with, and what the operator would have to do to accept it."""
        if algorithm == "HS256":
            return "signed with HS256: to accept it, set BETTER_AUTH_SECRET to the frontend's"
        if algorithm in list(ACCEPTED_NAMES):
            return (
                f"signed with {algorithm}: to accept it, set BETTER_AUTH_URL to where the frontend's Better Auth "
                "publishes its keys; or let the frontend sign with HS256 and BETTER_AUTH_SECRET"
            )
        accepted = [*(["HS256"] if self._secret else []), *(ALGORITHMS if self._keys else [])]
        return f"not signed with {' or '.join(accepted)}, as the configuration has it"


def _prepare_secret(secret: SecretStr | None) -> PyJWK | None:
    if secret is None:
        return None
    # Prepared once: given the bare secret, PyJWT looks on every call whether it might be a certificate.
    text = base64url_encode(secret.get_secret_value().encode()).decode()
    return PyJWK.from_dict({"kty": "oct", "alg": "HS256", "k": text})


def _read_header(token: str) -> dict[str, Any]:
    """Give what a token says of itself, to choose the key with which it is then verified.

    PyJWT's function for this decodes all of the token, which the verification does once more.
    """
    try:
        header = json.loads(base64url_decode(token.partition(".")[0]))
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise TokenInvalid("not a JWT")
    return header


def _choose_claims(issuers: tuple[str, ...], audiences: tuple[str, ...]) -> dict[str, Any]:
    """Give what PyJWT shall demand of a token's claims."""
    return {
        "issuer": issuers or None,
        "audience": audiences or None,
        "options": {
            "require": ["exp", "sub"],
            # Better Auth always sets both; they count only where it is known what they must be.
            "verify_iss": bool(issuers),
            "verify_aud": bool(audiences),
            # PyJWT would refuse what was issued a second from now; leeway would prolong tokens that have expired.
            "verify_iat": False,
            "verify_nbf": False,
        },
    }


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """What remains to be known of a token whose signature and claims were right.

    `expiry` is in seconds since the epoch. Only the withdrawal of its key makes a token that is good now bad before:
    the start of its life has come.
    """

    user: str
    expiry: int


class VerifiedTokens:
    """The tokens verified last, at most `size` of them. Only their digests are kept."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._tokens: OrderedDict[bytes, VerifiedToken] = OrderedDict()

    def find(self, token: str) -> VerifiedToken | None:
        return self._tokens.get(_digest(token))

    def add(self, token: str, verified: VerifiedToken) -> None:
        if self._size == 0:
            return
        if len(self._tokens) >= self._size:
            # The one that has been here longest. Its user pays one verification if it comes again.
            self._tokens.popitem(last=False)
        self._tokens[_digest(token)] = verified

    def clear(self) -> None:
        self._tokens.clear()


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()


def _is_utf8(token: str) -> bool:
    """Tell whether header and payload are UTF-8 (RFC 8725, section 3.7): Python's json reads UTF-16 and UTF-32 too."""
    for part in token.split(".")[:2]:
        try:
            text = base64url_decode(part).decode()
        except ValueError:
            return False
        if "\0" in text:  # as in UTF-16 without a mark at its beginning
            return False
    return True


def _check_times(claims: dict[str, Any]) -> None:
    # PyJWT has compared exp with the clock, but takes a string of digits for a number too.
    for name in ("exp", "nbf"):
        time_claimed = claims.get(name, 0)
        if not _is_number(time_claimed):
            raise TokenInvalid(f"{name} is not a number")
        if time_claimed > MAX_EXPIRY:
            raise TokenInvalid(f"{name} is beyond the year 3000; it must count seconds, not milliseconds")
    # Not the other way round: NaN is before nothing.
    if not claims.get("nbf", 0) <= time.time() + CLOCK_SKEW_SECONDS:
        raise TokenInvalid("nbf is in the future")


def _is_number(value: object) -> bool:
    """Tell a NumericDate (RFC 7519, section 2); of Python's types, bool is an int."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _read_subject(claims: dict[str, Any]) -> str:
    # Never from another claim: an e-mail verification link is signed with the same secret and has a userId.
    subject: str = claims["sub"]
    # Half a surrogate pair is no text; the contract says what else a user_id must be.
    if not subject or any("\ud800" <= character <= "\udfff" for character in subject):
        raise TokenInvalid("sub is empty or not text")
    return subject
