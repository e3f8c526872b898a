"""Tokens signed with keys that the frontend publishes, such as those of Better Auth's jwt plugin.

How the keys are come by, and what happens when they are not, is the matter of resilience/test_keys.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.utils import base64url_encode

from taskflow.auth.jwks.document import read_key_set
from tests.conftest import MakeDatabase
from tests.support.cast import ALICE, BOB, SECRET, sign
from tests.support.contract import check_response
from tests.support.keys import KeyServer, SigningKey, claim_better_auths, run_key_server
from tests.support.logs import wait_for_request
from tests.support.problems import expect_problem
from tests.support.server import Server, make_environment, run_server
from tests.support.tokens import EXPIRED, HS256, INVALID, WRONG_SIGNATURE, expect_refusal, forge, make_claims, send

ALGORITHMS = ("EdDSA", "Ed25519", "ES256", "ES512", "RS256", "PS256")
KEYS = {algorithm: SigningKey(f"key-{algorithm}", algorithm) for algorithm in ALGORITHMS}
ED25519 = KEYS["EdDSA"]


@pytest.fixture(scope="module")
def frontend() -> Iterator[KeyServer]:
    """A frontend that publishes a key for each algorithm."""
    with run_key_server(*KEYS.values()) as server:
        yield server


@pytest.fixture(scope="module")
def server(make_database: MakeDatabase, frontend: KeyServer) -> Iterator[Server]:
    """A server in production that has both, the secret and the keys."""
    environment = make_environment(
        ENVIRONMENT="production",
        DATABASE_URL=make_database(),
        CORS_ORIGINS="https://app.example.com",
        BETTER_AUTH_SECRET=SECRET,
        BETTER_AUTH_URL=frontend.origin,
        JWKS_COOLDOWN="0.1",
    )
    with run_server(environment) as running:
        yield running


@pytest.fixture
def anybody(server: Server) -> Iterator[httpx.Client]:
    """A client without a token."""
    with httpx.Client(base_url=server.url) as client:
        yield client


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_token_signed_with_a_published_key_is_accepted(
    key: SigningKey, frontend: KeyServer, anybody: httpx.Client
) -> None:
    """Each kind of key that Better Auth can be told to sign with; another user's path is 403 all the same."""
    token = key.sign(claim_better_auths(frontend))
    response = send(anybody, token)
    assert (response.status_code, response.json()) == (200, [])
    others = send(anybody, token, BOB.tasks)
    assert others.json() == expect_problem(403, "The user_id in the path is not the user of the token.")


def test_a_token_signed_with_the_secret_is_accepted_beside_them(anybody: httpx.Client) -> None:
    """Where a secret is set. The issuer that follows from BETTER_AUTH_URL is that of published keys only."""
    assert send(anybody, ALICE.token).status_code == 200
    assert send(anybody, sign(make_claims(iss="https://elsewhere.example"))).status_code == 200


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_another_key_of_the_same_name_makes_the_signature_wrong(
    key: SigningKey, frontend: KeyServer, anybody: httpx.Client
) -> None:
    """And so do a lost end, another end and other claims."""
    claims = claim_better_auths(frontend)
    token = key.sign(claims)
    signed, _, signature = token.rpartition(".")
    header = signed.partition(".")[0]
    other_payload = base64url_encode(json.dumps({**claims, "sub": BOB.id}).encode()).decode()
    for wrong in (
        SigningKey(key.kid, key.algorithm).sign(claims),
        token[:-1],
        token[: -len(signature)],
        signed + "." + ("B" if signature[0] == "A" else "A") + signature[1:],
        f"{header}.{other_payload}.{signature}",
    ):
        expect_refusal(send(anybody, wrong), WRONG_SIGNATURE)


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_an_expired_token_is_said_to_be(key: SigningKey, frontend: KeyServer, anybody: httpx.Client) -> None:
    """To the second, as with the secret."""
    expect_refusal(send(anybody, key.sign(claim_better_auths(frontend, exp=int(time.time())))), EXPIRED)


@pytest.mark.parametrize(
    "claims",
    [{"sub": None}, {"sub": ""}, {"exp": None}, {"iss": None}, {"iss": "https://elsewhere.example"}, {"iss": ["x"]}],
    ids=str,
)
def test_its_claims_count_as_those_of_any_token(
    claims: dict[str, Any], frontend: KeyServer, anybody: httpx.Client
) -> None:
    """`sub` and `exp` must be there; `iss` must be the origin of BETTER_AUTH_URL."""
    token = jwt.api_jws.encode(
        json.dumps(claim_better_auths(frontend, **claims)).encode(), ED25519.private, "EdDSA", {"kid": ED25519.kid}
    )
    expect_refusal(send(anybody, token), INVALID)


@pytest.mark.parametrize(
    "kind", ["better-auth.session-cache+jwt", "dpop+jwt", "", "JWE", 1, ["JWT"], "application/secevent+jwt"], ids=str
)
def test_another_type_of_token_is_refused(kind: object, frontend: KeyServer, anybody: httpx.Client) -> None:
    """RFC 8725, section 3.11. Better Auth signs its session cookies with the same keys, `sub` and all."""
    header = base64url_encode(json.dumps({"alg": "EdDSA", "kid": ED25519.kid, "typ": kind}).encode())
    signed = header + b"." + base64url_encode(json.dumps(claim_better_auths(frontend)).encode())
    token = signed + b"." + base64url_encode(ED25519.private.sign(signed))
    expect_refusal(send(anybody, token.decode()), INVALID)


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "application/at+jwt"])
def test_a_token_may_say_that_it_is_one(kind: str, frontend: KeyServer, anybody: httpx.Client) -> None:
    """RFC 7519, section 5.1; RFC 9068."""
    assert send(anybody, ED25519.sign(claim_better_auths(frontend), typ=kind)).status_code == 200


def test_a_token_without_the_id_of_its_key_is_refused(frontend: KeyServer, anybody: httpx.Client) -> None:
    """No key is tried on suspicion."""
    expect_refusal(send(anybody, jwt.encode(claim_better_auths(frontend), ED25519.private, "EdDSA")), INVALID)


@pytest.mark.parametrize(
    ("kid", "reason"),
    [
        (123, "kid is a number; it must be text"),
        (1.5, "kid is a number; it must be text"),
        (True, "kid is not text"),
        (["key-EdDSA"], "kid is not text"),
        ({}, "kid is not text"),
        (None, "kid is missing"),
    ],
    ids=str,
)
@pytest.mark.parametrize("algorithm", ["EdDSA", "HS256"])
def test_a_key_id_that_is_no_text_is_named_in_the_log(
    algorithm: str, kid: object, reason: str, anybody: httpx.Client, server: Server
) -> None:
    """RFC 7515, section 4.1.4; some frontends number their keys. The answer is the one to any token."""
    response = send(anybody, forge(header={"alg": algorithm, "kid": kid}))
    expect_refusal(response, INVALID)
    assert wait_for_request(server, response)["reason"] == reason


@pytest.mark.parametrize("name", ["", "nobody's", "key-eddsa", "key-EdDSA ", "../key-EdDSA", "x" * 5000])
def test_a_key_that_is_not_published_is_refused(name: str, frontend: KeyServer, anybody: httpx.Client) -> None:
    """After one more look at what is published."""
    expect_refusal(send(anybody, SigningKey(name).sign(claim_better_auths(frontend))), INVALID)


def test_no_key_is_taken_for_another_kind(frontend: KeyServer, anybody: httpx.Client) -> None:
    """Neither a public key for a secret, nor one algorithm's key for another's (RFC 8725, sections 3.1 and 3.3)."""
    claims = claim_better_auths(frontend)
    for key in KEYS.values():
        public = key.private.public_key()
        for encoding in (Encoding.PEM, Encoding.DER):
            secret = public.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
            token = _sign_with_hmac(claims, {"alg": "HS256", "kid": key.kid}, secret)
            expect_refusal(send(anybody, token), WRONG_SIGNATURE)
            for algorithm in ALGORITHMS:
                token = _sign_with_hmac(claims, {"alg": algorithm, "kid": key.kid}, secret)
                assert send(anybody, token).status_code == 401
        secret = json.dumps(key.published).encode()
        expect_refusal(send(anybody, _sign_with_hmac(claims, HS256, secret)), WRONG_SIGNATURE)
    for kid, signer in (
        ("key-PS256", KEYS["RS256"]),
        ("key-RS256", KEYS["PS256"]),
        ("key-ES256", ED25519),
        ("key-EdDSA", KEYS["Ed25519"]),
        ("key-Ed25519", ED25519),
    ):
        expect_refusal(send(anybody, signer.sign(claims, kid=kid)), INVALID)


def _sign_with_hmac(claims: dict[str, Any], header: dict[str, Any], secret: bytes) -> str:
    signed = b".".join(base64url_encode(json.dumps(part).encode()) for part in (header, claims))
    return (signed + b"." + base64url_encode(hmac.new(secret, signed, hashlib.sha256).digest())).decode()


@pytest.mark.parametrize(
    "algorithm", ["none", "ES384", "ES256K", "RS512", "HS512", "Ed448", "ed25519", "ESP256", "", None, 1, ["EdDSA"]]
)
def test_an_algorithm_that_is_not_accepted_is_refused(
    algorithm: object, frontend: KeyServer, anybody: httpx.Client
) -> None:
    """Whatever key is named beside it."""
    token = forge(claim_better_auths(frontend), {"alg": algorithm, "kid": ED25519.kid})
    expect_refusal(send(anybody, token), INVALID)


def test_what_the_token_brings_along_is_no_key(frontend: KeyServer, anybody: httpx.Client) -> None:
    """RFC 8725, section 3.10: `jwk`, `jku` and `x5u` are looked at by nobody, and nothing is fetched from there."""
    attacker = SigningKey(ED25519.kid)
    before = len(frontend.asked)
    for header in (
        {"jwk": attacker.published},
        {"jku": f"{frontend.origin}/attack"},
        {"x5u": f"{frontend.origin}/attack"},
    ):
        expect_refusal(send(anybody, attacker.sign(claim_better_auths(frontend), **header)), WRONG_SIGNATURE)
    assert "/attack" not in frontend.asked[before:]


def describe_key(entry: object) -> str:
    """Name a published key by what is the same in every run: its numbers are random."""
    numbers = {"d", "dp", "dq", "e", "n", "p", "q", "qi", "x", "y"}
    return str({name: entry[name] for name in entry if name not in numbers} if isinstance(entry, dict) else entry)


def write_rsa_key(bits: int, exponent: int = 65_537) -> dict[str, Any]:
    """Return a published RSA key of this size, to which nobody has the private key."""
    numbers = {"n": 2 ** (bits - 1) + 1, "e": exponent}
    return {"kty": "RSA", "kid": "large", "alg": "RS256"} | {
        name: base64url_encode(number.to_bytes((number.bit_length() + 7) // 8)).decode()
        for name, number in numbers.items()
    }


GOOD = SigningKey("good")
RSA = SigningKey("rsa", "RS256")
SHORT = generate_private_key(65537, 1024)  # noqa: S505  it is to be refused


@pytest.mark.parametrize(
    "entry",
    [
        {"kty": "oct", "kid": "x", "k": "c2VjcmV0", "alg": "HS256"},
        {"kty": "oct", "kid": "x", "k": "c2VjcmV0"},
        {"kty": "oct", "kid": "x", "k": "c2VjcmV0", "alg": "EdDSA"},
        {**GOOD.published, "kid": None},
        {**GOOD.published, "kid": 1},
        {**GOOD.published, "use": "enc"},
        {**GOOD.published, "key_ops": ["sign"]},
        {**GOOD.published, "key_ops": "verify"},
        {**GOOD.published, "alg": "RS256"},
        {**GOOD.published, "alg": "HS256"},
        {**GOOD.published, "alg": "none"},
        {**GOOD.published, "alg": ""},
        {**GOOD.published, "alg": 0},
        {**GOOD.published, "alg": ["EdDSA"]},
        {**GOOD.published, "alg": "Ed448"},
        {**GOOD.published, "alg": "ed25519"},
        {**GOOD.published, "use": ""},
        {**GOOD.published, "use": ["sig"]},
        {**GOOD.published, "key_ops": []},
        {**GOOD.published, "key_ops": [None]},
        {**SigningKey("p256", "ES256").published, "alg": "ESP256"},
        {**SigningKey("p256", "ES256").published, "alg": "Ed25519"},
        {**GOOD.published, "crv": "Ed448"},
        {**GOOD.published, "crv": ["Ed25519"]},
        {**GOOD.published, "kty": {}},
        {**GOOD.published, "x": "AA"},
        {**GOOD.published, "x": None},
        {**GOOD.published, **GOOD.write(GOOD.private)},
        {**RSA.published, **RSA.write(RSA.private)},
        {**RSA.published, **RSA.write(SHORT.public_key())},
        {**RSA.published, "n": "!"},
        {**RSA.published, "alg": "RS512"},
        {**SigningKey("p256", "ES256").published, "alg": "ES512"},
        {**SigningKey("p256", "ES256").published, "x": "AA"},
        {**SigningKey("p256", "ES256").published, "y": SigningKey("p256", "ES256").published["y"]},
        SigningKey("p384", "ES384").published,
        None,
        "key",
        [],
        {},
    ],
    ids=describe_key,
)
def test_a_key_that_cannot_be_used_is_passed_over(entry: Any) -> None:  # noqa: ANN401  whatever is published
    """RFC 7517, section 5: the others of its set count all the same."""
    keys = read_key_set(json.dumps({"keys": [entry, GOOD.published]}).encode())
    assert [(kid, key.algorithm, key.material) for kid, key in keys.items()] == [
        ("good", "EdDSA", GOOD.private.public_key())
    ]


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(KEYS[name], {"PS256": "RS256", "Ed25519": "EdDSA"}.get(name, name)) for name in ALGORITHMS],
    ids=ALGORITHMS,
)
def test_a_key_need_not_name_its_algorithm_nor_its_use(key: SigningKey, algorithm: str) -> None:
    """Its kind tells; of RSA's two, both (RFC 7517, section 4.4), the usual one first."""
    plain = {name: value for name, value in key.published.items() if name != "alg"}
    assert read_key_set(json.dumps({"keys": [plain]}).encode())[key.kid].algorithm == algorithm


@pytest.mark.parametrize("name", ["RS256", "PS256"])
def test_an_rsa_key_that_names_no_algorithm_verifies_both(name: str) -> None:
    plain = {member: value for member, value in KEYS[name].published.items() if member != "alg"}
    (key,) = read_key_set(json.dumps({"keys": [plain]}).encode()).values()
    assert list(key.jwks) == ["RS256", "PS256"]


@pytest.mark.parametrize("members", [("alg",), ("use",), ("key_ops",), ("alg", "use", "key_ops", "d", "x5c", "oth")])
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_member_that_is_null_says_nothing(key: SigningKey, members: tuple[str, ...]) -> None:
    """The key is the one that it is without that member."""
    plain = {name: value for name, value in key.published.items() if name not in members}
    expected, found = (
        read_key_set(json.dumps({"keys": [entry]}).encode())
        for entry in (plain, {**plain, **dict.fromkeys(members, None)})
    )
    assert found == expected
    assert list(found[key.kid].jwks) == list(expected[key.kid].jwks)


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ({}, ["EdDSA", "Ed25519"]),
        ({"alg": None}, ["EdDSA", "Ed25519"]),
        ({"alg": "EdDSA"}, ["EdDSA"]),
        ({"alg": "Ed25519"}, ["Ed25519"]),
    ],
    ids=str,
)
def test_a_key_verifies_what_is_signed_by_its_own_name(said: dict[str, object], names: list[str]) -> None:
    """EdDSA with Ed25519 has two names (RFC 9864). One that a key does not say is not its own, as `jose` has it."""
    plain = {name: value for name, value in GOOD.published.items() if name != "alg"}
    (key,) = read_key_set(json.dumps({"keys": [{**plain, **said}]}).encode()).values()
    assert (key.algorithm, list(key.jwks)) == (names[0], names)


@pytest.mark.parametrize(
    ("entry", "mistake"),
    [
        ({**GOOD.published, "kid": 1}, "its kid is a number; it must be text"),
        ({**GOOD.published, "kid": 1.5}, "its kid is a number; it must be text"),
        ({**GOOD.published, "kid": True}, "its kid is not text"),
        ({**GOOD.published, "kid": ["good"]}, "its kid is not text"),
        ({**GOOD.published, "kid": None}, "its kid is missing"),
        ({**GOOD.published, **GOOD.write(GOOD.private)}, "it is a private key, which must not be published"),
        ({**GOOD.published, "x": "AA"}, "it is malformed"),
        ({**RSA.published, **RSA.write(SHORT.public_key())}, "it is an RSA key of less than 2048 bits"),
        (write_rsa_key(8193), "it is an RSA key of more than 8192 bits"),
        (write_rsa_key(16_384), "it is an RSA key of more than 8192 bits"),
        (write_rsa_key(2048, 2**32 + 1), "it is an RSA key whose exponent has more than 32 bits; 65537 is usual"),
        (write_rsa_key(3072, 2**3000 + 1), "it is an RSA key whose exponent has more than 32 bits; 65537 is usual"),
        ("key", "it is not a JSON object"),
        # Meant for something else: there is nothing to mend.
        ({**GOOD.published, "use": "enc"}, None),
        ({"kty": "oct", "kid": "x", "k": "c2VjcmV0"}, None),
        (SigningKey("p384", "ES384").published, None),
    ],
    ids=describe_key,
)
def test_it_is_said_why_a_key_is_passed_over(entry: object, mistake: str | None) -> None:
    """By its place in the set, and without anything of the key; beside a good one, or in place of it."""
    mistakes: list[str] = []
    read_key_set(json.dumps({"keys": [GOOD.published, entry]}).encode(), mistakes.append)
    assert mistakes == ([f"key 2: {mistake}"] if mistake else [])
    with pytest.raises(ValueError, match="none of its keys can be used") as caught:
        read_key_set(json.dumps({"keys": [entry]}).encode())
    assert str(caught.value).endswith(f"; key 1: {mistake}" if mistake else "RS256, PS256")


@pytest.mark.parametrize(("bits", "exponent"), [(2048, 3), (2048, 2**32 - 1), (4096, 65_537), (8192, 65_537)])
def test_an_rsa_key_of_usual_size_is_accepted(bits: int, exponent: int) -> None:
    """What is larger would make each wrong signature an attack on the processor."""
    assert list(read_key_set(json.dumps({"keys": [write_rsa_key(bits, exponent)]}).encode())) == ["large"]


def test_of_several_keys_with_one_kid_the_first_counts() -> None:
    """Whoever signs with another one learns why it is not accepted. The same key twice is no mistake."""
    first, other = GOOD.published, {**SigningKey(GOOD.kid, "ES256").published}
    mistakes: list[str] = []
    (key,) = read_key_set(json.dumps({"keys": [first, first, other, first]}).encode(), mistakes.append).values()
    assert key.algorithm == GOOD.algorithm
    assert mistakes == ["key 3: its kid is that of an earlier key"]


def test_only_the_first_mistakes_are_named() -> None:
    """A set can hold thousands."""
    mistakes: list[str] = []
    read_key_set(json.dumps({"keys": [GOOD.published, *[None] * 1000]}).encode(), mistakes.append)
    assert mistakes == [f"key {number}: it is not a JSON object" for number in (2, 3, 4)]


def test_a_curve_of_an_rsa_key_means_nothing() -> None:
    """Better Auth publishes one with a key that it made before it was told to sign with EdDSA."""
    keys = read_key_set(json.dumps({"keys": [{**RSA.published, "crv": "Ed25519"}]}).encode())
    assert keys["rsa"].algorithm == "RS256"


def test_what_is_written_beside_a_key_makes_no_other_key_of_it() -> None:
    """Only another key of the same name does."""
    first, second, third = (
        read_key_set(json.dumps({"keys": [entry]}).encode())["good"]
        for entry in (GOOD.published, {**GOOD.published, "use": "sig"}, SigningKey("good").published)
    )
    assert first == second
    assert first != third


@pytest.mark.parametrize("keys", [[{}], [None], [{"kty": "oct", "kid": "x", "k": "c2VjcmV0"}]], ids=str)
def test_a_set_of_which_no_key_can_be_used_is_an_error(keys: list[object]) -> None:
    """One that has no keys at all is one too: a frontend that signs tokens has a key."""
    with pytest.raises(ValueError, match="none of its keys can be used; it must be for EdDSA, ES256"):
        read_key_set(json.dumps({"keys": keys}).encode())
    with pytest.raises(ValueError, match=r"^there are none$"):
        read_key_set(b'{"keys": []}')


@pytest.mark.parametrize(
    "document",
    [
        *(b"", b"<html>", b"[]", b"null", b"{}", b"[" * 99_999, b"\xff"),
        *(b'{"keys": %b}' % keys for keys in (b"null", b"1", b"{}", b'""', b'"maintenance"', b'{"a": {}}')),
    ],
)
def test_what_is_no_key_set_is_an_error(document: bytes) -> None:
    """A page that says that there is no such page, say."""
    with pytest.raises(ValueError, match="it is not a JWK Set"):
        read_key_set(document)


@pytest.fixture(scope="module")
def keys_alone(database_url: str, frontend: KeyServer) -> Iterator[Server]:
    """A server in production without a secret, which accepts two issuers and one audience."""
    environment = make_environment(
        ENVIRONMENT="production",
        DATABASE_URL=database_url,
        CORS_ORIGINS="https://app.example.com",
        JWKS_URL=frontend.url,
        JWT_ISSUER="https://app.example.com, https://beta.example.com",
        JWT_AUDIENCE="taskflow",
    )
    with run_server(environment) as running:
        yield running


@pytest.mark.parametrize(
    ("issuer", "audience", "status"),
    [
        ("https://app.example.com", "taskflow", 200),
        ("https://beta.example.com", ["other", "taskflow"], 200),
        ("https://gamma.example.com", "taskflow", 401),
        ("https://app.example.com", "other", 401),
        ("https://app.example.com", None, 401),
        (None, "taskflow", 401),
    ],
)
def test_configured_issuers_and_audiences_are_demanded(
    issuer: str | None, audience: object, status: int, frontend: KeyServer, keys_alone: Server
) -> None:
    """JWT_ISSUER and JWT_AUDIENCE, as with the secret."""
    with httpx.Client(base_url=keys_alone.url) as client:
        response = send(client, ED25519.sign(claim_better_auths(frontend, iss=issuer, aud=audience)))
    check_response(response)
    assert response.status_code == status


def test_without_a_secret_no_token_of_one_is_accepted(keys_alone: Server) -> None:
    """Not even of an empty one; and the log says what to set."""
    claims = make_claims(iss="https://app.example.com", aud="taskflow")
    with httpx.Client(base_url=keys_alone.url) as client:
        for token in (sign(claims), forge(claims, secret="")):
            expect_refusal(send(client, token), INVALID)
    (first, *_) = [json.loads(line) for line in keys_alone.read_log().splitlines() if '"warning"' in line]
    assert first["message"] == (
        "refused a token that is signed with HS256: to accept it, set BETTER_AUTH_SECRET to the frontend's"
    )
