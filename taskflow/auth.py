"""From a bearer token to a user id: HS256 with the secret that Better Auth shares (RFC 7519, RFC 8725)."""

import logging
import time
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import jwt
from jwt import PyJWK
from jwt.utils import base64url_decode, base64url_encode

from taskflow.errors import TokenExpired, TokenInvalid, TokenSignatureInvalid
from taskflow.settings import Settings

CLOCK_SKEW_SECONDS = 60
"""How far the frontend's clock may be ahead of ours. A token that has expired gets no grace."""

logger = logging.getLogger(__name__)


class TokenVerifier:
    """Verifies tokens with the keys that the settings name, and with no others."""

    def __init__(self, settings: Settings) -> None:
        secret = settings.secret.encode()
        # Prepared once: given the bare secret, PyJWT looks on every call whether it might be a certificate.
        self._key = PyJWK.from_dict({"kty": "oct", "alg": "HS256", "k": base64url_encode(secret).decode()})
        self._max_bytes = settings.max_token_bytes
        self._verified = VerifiedTokens(settings.token_cache_size)
        self._claims: dict[str, Any] = {
            "issuer": settings.jwt_issuer or None,
            "audience": settings.jwt_audience or None,
            "options": {
                "require": ["exp", "sub"],
                # Better Auth always sets both; they count only where the operator has said what they must be.
                "verify_iss": bool(settings.jwt_issuer),
                "verify_aud": bool(settings.jwt_audience),
                # PyJWT would refuse what was issued a second from now; leeway would prolong tokens that have expired.
                "verify_iat": False,
                "verify_nbf": False,
            },
        }

    async def authenticate(self, token: str) -> str:
        """Give the user id (`sub`) of a valid token.

        Raises TokenExpired, TokenSignatureInvalid, or TokenInvalid for everything else.
        """
        if len(token) > self._max_bytes:
            raise TokenInvalid("longer than MAX_TOKEN_BYTES")
        known = self._verified.find(token)
        if known is None:
            claims = self._verify(token)
            known = VerifiedToken(_read_subject(claims), int(claims["exp"]))
            self._verified.add(token, known)
        elif known.expiry <= time.time():
            raise TokenExpired
        return known.user

    def _verify(self, token: str) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(token, self._key, algorithms=["HS256"], **self._claims)
        except jwt.ExpiredSignatureError:
            raise TokenExpired from None
        except jwt.InvalidSignatureError:
            raise TokenSignatureInvalid from None
        except jwt.InvalidAlgorithmError:
            logger.warning(
                "refused a token that is not signed with HS256: the frontend must sign with BETTER_AUTH_SECRET"
            )
            raise TokenInvalid("InvalidAlgorithmError") from None
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


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """What remains to be known of a token whose signature and claims were right.

    `expiry` is in seconds since the epoch. A token that is good now does not become bad before: its key is fixed, and
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
    expiry, start = claims["exp"], claims.get("nbf", 0)
    if not _is_number(expiry) or not _is_number(start) or not start <= time.time() + CLOCK_SKEW_SECONDS:
        raise TokenInvalid("exp is not a number, or nbf is none or in the future")


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
