"""Tokens that have been verified are remembered, no longer than they are good and no more than so many."""

import asyncio
import time

import jwt
import pytest

from taskflow.auth.tokens import TokenVerifier, VerifiedToken, VerifiedTokens
from taskflow.errors import TokenExpired, TokenSignatureInvalid
from tests.support.cast import ALICE, BOB, sign
from tests.support.settings import make_settings
from tests.support.waiting import wait_for

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


@pytest.fixture
def verifications(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens that PyJWT has been asked about."""
    asked: list[str] = []
    decode = jwt.decode

    def count(token: str, *arguments: object, **options: object) -> object:
        asked.append(token)
        return decode(token, *arguments, **options)  # type: ignore[arg-type]  # they are passed on

    monkeypatch.setattr(jwt, "decode", count)
    return asked


def test_a_token_is_verified_once(verifications: list[str]) -> None:
    """And the user remains the same."""
    verifier, token = TokenVerifier(make_settings(NOWHERE)), ALICE.token
    assert [asyncio.run(verifier.authenticate(token)) for _ in range(3)] == [ALICE.id] * 3
    assert verifications == [token]


def test_without_a_cache_a_token_is_verified_every_time(verifications: list[str]) -> None:
    """TOKEN_CACHE_SIZE=0."""
    verifier, token = TokenVerifier(make_settings(NOWHERE, token_cache_size=0)), ALICE.token
    assert [asyncio.run(verifier.authenticate(token)) for _ in range(3)] == [ALICE.id] * 3
    assert verifications == [token] * 3


def test_a_remembered_token_expires_to_the_second() -> None:
    """It is good until its exp, and never after."""
    verifier, expiry = TokenVerifier(make_settings(NOWHERE)), int(time.time()) + 2
    token = sign({"sub": ALICE.id, "exp": expiry})

    def is_expired() -> bool:
        before = time.time()
        try:
            asyncio.run(verifier.authenticate(token))
        except TokenExpired:
            assert time.time() >= expiry
            return True
        assert before < expiry
        return False

    assert not is_expired()
    wait_for(is_expired, 10)


def test_what_was_refused_is_refused_again(verifications: list[str]) -> None:
    """Only what is right is remembered."""
    verifier, token = TokenVerifier(make_settings(NOWHERE)), sign({"sub": "a", "exp": 2**33}, secret="another" * 5)
    for _ in range(2):
        with pytest.raises(TokenSignatureInvalid):
            asyncio.run(verifier.authenticate(token))
    assert verifications == [token] * 2


def test_a_token_that_is_almost_a_remembered_one_is_not_it() -> None:
    """One character decides."""
    verifier, token = TokenVerifier(make_settings(NOWHERE)), ALICE.token
    asyncio.run(verifier.authenticate(token))
    with pytest.raises(TokenSignatureInvalid):
        asyncio.run(verifier.authenticate(token[:-1] + ("A" if token[-1] != "A" else "B")))


def test_no_more_are_remembered_than_there_is_room_for() -> None:
    """The one that has been there longest goes; the tokens themselves are not kept."""
    tokens = VerifiedTokens(2)
    for name in ("first", "second", "third"):
        tokens.add(name, VerifiedToken(BOB.id, 2**33))
    found = [name for name in ("first", "second", "third") if tokens.find(name)]
    assert found == ["second", "third"]
