"""A request is let in only with a token that the frontend signed: the header, the signature, the algorithm.

What the token claims is the matter of test_claims.
"""

import hmac
import json
import string
import time
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt import encode
from jwt.utils import base64url_decode, base64url_encode

from tests.support.cast import ALICE, BOB, SECRET, sign
from tests.support.problems import expect_problem
from tests.support.server import Server
from tests.support.tokens import HS256, INVALID, WRONG_SIGNATURE, expect_refusal, forge, make_claims, send

MISSING = 'Not authenticated; send the header "Authorization: Bearer <token>".'

OPERATIONS = [
    ("GET", "/api/alice/tasks"),
    ("POST", "/api/alice/tasks"),
    ("GET", "/api/alice/tasks/1"),
    ("PATCH", "/api/alice/tasks/1"),
    ("DELETE", "/api/alice/tasks/1"),
]

RSA_KEY = generate_private_key(65537, 2048)
RSA_PUBLIC_PEM = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def expect_missing(response: httpx.Response) -> None:
    """The whole answer to a request without a token."""
    assert (response.status_code, response.json()) == (401, expect_problem(401, MISSING))
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_operation_demands_a_token(method: str, path: str, anybody: httpx.Client) -> None:
    """Spec, user story 1, scenario 2."""
    expect_missing(anybody.request(method, path))


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_operation_demands_a_token_of_the_paths_user(method: str, path: str, bob: httpx.Client) -> None:
    """Spec, user story 1, scenario 5."""
    response = bob.request(method, path)
    assert response.status_code == 403
    assert response.json() == expect_problem(403, "The user_id in the path is not the user of the token.")


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "bearer", "Basic YWxpY2U6c2VjcmV0", "Token abc", f"Bearer{ALICE.token}", ALICE.token],
    ids=["empty", "no-token", "no-token-lower-case", "basic", "another-scheme", "no-space", "no-scheme"],
)
def test_a_header_without_a_bearer_token_counts_as_none(authorization: str, anybody: httpx.Client) -> None:
    """There is no token to be wrong (RFC 6750, section 3.1)."""
    expect_missing(anybody.get(ALICE.tasks, headers={"Authorization": authorization}))


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
def test_the_scheme_is_taken_in_any_case(scheme: str, anybody: httpx.Client) -> None:
    """RFC 9110, section 11.1."""
    assert anybody.get(ALICE.tasks, headers={"Authorization": f"{scheme} {ALICE.token}"}).status_code == 200


@pytest.mark.parametrize("second", [f"Bearer {ALICE.token}", f"Bearer {BOB.token}", "Basic YWxpY2U6c2VjcmV0"])
def test_two_authorization_headers_are_refused(second: str, anybody: httpx.Client) -> None:
    """Whichever a proxy looked at, it is not left to chance which one counts."""
    headers = [("Authorization", f"Bearer {ALICE.token}"), ("Authorization", second)]
    expect_refusal(anybody.get(ALICE.tasks, headers=headers), INVALID)
    assert anybody.get(ALICE.tasks, headers=headers[::-1]).status_code == 401


@pytest.mark.parametrize("padding", ["=", "=="])
@pytest.mark.parametrize("part", range(3))
def test_a_token_has_no_padding(part: int, padding: str, anybody: httpx.Client) -> None:
    """RFC 7515, section 2: one token would be several."""
    parts = ALICE.token.split(".")
    parts[part] += padding
    expect_refusal(send(anybody, ".".join(parts)), INVALID)


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "HS256"},
        {"alg": "HS256", "typ": "at+jwt", "kid": "1"},
        {"alg": "HS256", "typ": None},
    ],
    ids=str,
)
def test_the_header_need_not_name_a_type(header: dict[str, str | None], anybody: httpx.Client) -> None:
    """Hand-written bridges sign with `jose`, which sets no `typ`; null says nothing either."""
    assert send(anybody, forge(header=header)).status_code == 200


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("part", ["header", "payload"])
def test_a_token_is_utf_8(part: str, encoding: str, anybody: httpx.Client) -> None:
    """RFC 8725, section 3.7: rightly signed, and in an encoding that another reader might read otherwise."""
    texts = {"header": json.dumps(HS256), "payload": json.dumps(make_claims())}
    encoded = {name: text.encode(encoding if name == part else "utf-8") for name, text in texts.items()}
    signed = b".".join(base64url_encode(encoded[name]) for name in texts)
    signature = base64url_encode(hmac.digest(SECRET.encode(), signed, "sha256"))
    expect_refusal(send(anybody, f"{signed.decode()}.{signature.decode()}"), INVALID)


@pytest.mark.parametrize("expiry", [3600, -3600], ids=["current", "expired"])
def test_a_token_of_another_secret_is_refused(expiry: int, anybody: httpx.Client) -> None:
    """Spec, edge cases: JWT secret mismatch. It is the first thing to say, also of a token that has expired."""
    token = sign(make_claims(exp=int(time.time()) + expiry), secret="the-secret-of-another-frontend-altogether")
    expect_refusal(send(anybody, token), WRONG_SIGNATURE)


def test_a_signature_with_another_last_character_is_wrong(anybody: httpx.Client) -> None:
    """All alternatives; but for those that spell the same bytes, since the last character has two bits to spare."""
    token = sign(make_claims())
    signed, _, signature = token.rpartition(".")
    alternatives = [signature[:-1] + character for character in string.ascii_letters + string.digits + "-_"]
    different = [text for text in alternatives if base64url_decode(text + "=") != base64url_decode(signature + "=")]
    assert len(different) == 60
    for text in different:
        expect_refusal(send(anybody, f"{signed}.{text}"), WRONG_SIGNATURE)


def test_a_shortened_signature_is_wrong(anybody: httpx.Client) -> None:
    """However much of it was lost on the way, all of it included."""
    token = sign(make_claims())
    for lost in range(1, len(token.rpartition(".")[2]) + 1):
        expect_refusal(send(anybody, token[:-lost]), WRONG_SIGNATURE)


def test_a_changed_payload_makes_the_signature_wrong(anybody: httpx.Client) -> None:
    """Bob cannot make his token Alice's."""
    header, _, signature = BOB.token.split(".")
    payload = base64url_encode(json.dumps(make_claims()).encode()).decode()
    expect_refusal(send(anybody, f"{header}.{payload}.{signature}"), WRONG_SIGNATURE)


@pytest.mark.parametrize(
    "token",
    [
        "garbage",
        "abc def",
        f"{ALICE.token} {ALICE.token}",
        ".",
        "..",
        "...",
        ".".join(ALICE.token.split(".")[:2]),
        f"{ALICE.token}.{ALICE.token}",
        "e30.e30.",
        "mJ7vT0qYbWc2dXzK5nRp8sHgLfA3uEiO",
        "mJ7vT0qYbWc2dXzK5nRp8sHgLfA3uEiO.bm90LWEtand0LXNpZ25hdHVyZQ",
        f"%20{ALICE.token}",
        f'"{ALICE.token}"',
        "null",
        "undefined",
        "[object Object]",
        forge("[]"),
        forge('"text"'),
        forge("{"),
        forge(header="[]"),
        forge(header="{"),
        forge("[" * 5000),
    ],
    ids=lambda token: token[:16],  # what follows holds a time
)
def test_what_is_no_token_is_refused(token: str, anybody: httpx.Client) -> None:
    """Spec, user story 1, scenario 4. Also Better Auth's opaque session token and signed cookie, and slips in code."""
    expect_refusal(send(anybody, token), INVALID)


@pytest.mark.parametrize("token", [b"\xff\xfe", "é".encode(), b"\xe2\x80\x8b" + ALICE.token.encode()])
def test_bytes_that_are_not_ascii_are_refused(token: bytes, anybody: httpx.Client) -> None:
    """No token holds any, and decoding them must not fail."""
    expect_refusal(anybody.get(ALICE.tasks, headers={b"Authorization": b"Bearer " + token}), INVALID)


@pytest.mark.parametrize(
    "header",
    [
        *({"alg": name} for name in ("none", "None", "nOnE", "HS512", "hs256", "EdDSA", "RS256", "", None, 256)),
        {"alg": ["HS256"]},
        {"alg": ["none", "HS256"]},
        {"alg": {"HS256": 1}},
        {"typ": "JWT"},
        {**HS256, "crit": ["unknown"], "unknown": 1},
        {**HS256, "crit": "unknown"},
        {**HS256, "crit": []},
        {**HS256, "b64": False},
        {**HS256, "kid": 1},
    ],
    ids=str,
)
def test_a_header_that_is_not_plain_hs256_is_refused(header: dict[str, Any], anybody: httpx.Client) -> None:
    """Although the signature is right (RFC 8725, sections 3.1 and 3.2; RFC 7515, section 4.1.11)."""
    expect_refusal(send(anybody, forge(header=header)), INVALID)


@pytest.mark.parametrize("signature", ["", "AA"])
@pytest.mark.parametrize("algorithm", ["none", "None", "HS256"])
def test_an_unsigned_token_is_refused(algorithm: str, signature: str, anybody: httpx.Client) -> None:
    """The oldest attack of all."""
    signed = forge(header={"alg": algorithm}).rpartition(".")[0]
    expect_refusal(send(anybody, f"{signed}.{signature}"), WRONG_SIGNATURE if algorithm == "HS256" else INVALID)


@pytest.mark.parametrize(
    ("token", "detail"),
    [
        (encode(make_claims(), RSA_KEY, "RS256"), INVALID),
        (encode(make_claims(), Ed25519PrivateKey.generate(), "EdDSA", {"kid": "1"}), INVALID),
        (sign(make_claims(), secret=SECRET * 2, algorithm="HS512"), INVALID),
        (forge(secret=RSA_PUBLIC_PEM), WRONG_SIGNATURE),
        (forge(header={"alg": "RS256"}, secret=RSA_PUBLIC_PEM), INVALID),
        (forge(header={**HS256, "jwk": {"kty": "oct", "k": "YXR0YWNrZXI"}}, secret="attacker"), WRONG_SIGNATURE),
        (forge(header={**HS256, "jku": "http://127.0.0.1:9/jwks"}, secret="attacker"), WRONG_SIGNATURE),
        (forge(secret=""), WRONG_SIGNATURE),
    ],
    ids=["rs256", "eddsa", "hs512", "pem-as-secret", "rs256-by-hmac", "jwk", "jku", "no-secret"],
)
def test_no_key_but_the_secret_counts(token: str, detail: str, anybody: httpx.Client) -> None:
    """Neither other algorithms, nor keys that the token brings along, nor a public key taken for a secret."""
    expect_refusal(send(anybody, token), detail)


@pytest.mark.parametrize(("size", "status"), [(16_384, 200), (16_385, 401), (32_000, 401)])
def test_a_token_is_looked_at_up_to_a_size(size: int, status: int, anybody: httpx.Client) -> None:
    """Better Auth puts the whole user into it, picture included; past 16 KiB it costs more than it is worth."""
    token = _make_token_of(size)
    response = send(anybody, token)
    assert response.status_code == status
    if status == 401:
        expect_refusal(response, INVALID)


def _make_token_of(size: int) -> str:
    # Four characters of the token for three of the picture: a few lengths below, the header brings it to the byte.
    for kid in ("", "1", "12", "123"):
        header = {**HS256, "kid": kid}
        missing = size - len(forge(make_claims(image=""), header))
        for length in range(missing * 3 // 4 - 3, missing * 3 // 4 + 4):
            token = forge(make_claims(image="x" * length), header)
            if len(token) == size:
                return token
    raise AssertionError(f"no token of {size} bytes")


@pytest.mark.parametrize(
    ("token", "message"),
    [
        (
            encode(make_claims(), Ed25519PrivateKey.generate(), "EdDSA", {"kid": "1"}),
            (
                "refused a token that is signed with EdDSA: to accept it, set BETTER_AUTH_URL to where the frontend's "
                "Better Auth publishes its keys; or let the frontend sign with HS256 and BETTER_AUTH_SECRET"
            ),
        ),
        (
            forge(header={"alg": "none"}),
            "refused a token that is not signed with HS256, as the configuration has it",
        ),
    ],
    ids=["eddsa", "none"],
)
def test_the_log_tells_the_operator_of_another_algorithm(
    token: str, message: str, anybody: httpx.Client, server: Server
) -> None:
    """The commonest mistake: the frontend signs with keys of its own. The line says what to do, without the token."""
    before = len(server.read_log())
    response = send(anybody, token)
    lines = [json.loads(line) for line in server.read_log()[before:].splitlines()]
    (warning,) = [line for line in lines if line["level"] == "warning"]
    assert warning["request_id"] == response.headers["X-Request-Id"]
    assert warning["message"] == message
    assert not any(part in server.read_log() for part in token.split(".") if part)
