"""Tokens with wrong signatures, which cost their sender nothing, leave the event loop to the others between them."""

import asyncio

import pytest

from taskflow.auth.tokens import TokenVerifier
from taskflow.errors import TokenSignatureInvalid
from tests.support.keys import SigningKey, claim_better_auths, run_key_server
from tests.support.settings import make_settings

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
TOKENS = 20


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES512"])
def test_the_event_loop_turns_between_two_verifications(algorithm: str) -> None:
    """Counted in turns of the loop: without the wait, the loop would stand still for all of them together."""

    async def count_turns() -> int:
        with run_key_server(SigningKey("key", algorithm)) as frontend:
            verifier = TokenVerifier(make_settings(NOWHERE, jwks_url=frontend.url))
            await verifier.open()
            forger = SigningKey("key", algorithm)
            tokens = [forger.sign(claim_better_auths(frontend, sub=str(number))) for number in range(TOKENS)]
            with pytest.raises(TokenSignatureInvalid):
                await verifier.authenticate(tokens[0])  # waits for the keys, so that nobody does below
            requests = [asyncio.create_task(verifier.authenticate(token)) for token in tokens]
            turns = 0
            while not all(request.done() for request in requests):
                await asyncio.sleep(0)
                turns += 1
            assert {type(request.exception()) for request in requests} == {TokenSignatureInvalid}
            await verifier.close()
            return turns

    assert asyncio.run(count_turns()) >= TOKENS
