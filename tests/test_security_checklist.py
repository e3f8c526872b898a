"""SECURITY.md says nothing without proof, and some of the proofs that stand nowhere else."""

import ast
import hashlib
import hmac
import json
import re
import socket
import zlib
from functools import cache

import httpx
import pytest
from jwt.utils import base64url_encode

from taskflow.settings import Settings
from tests.support.cast import ALICE, SECRET
from tests.support.problems import expect_problem
from tests.support.server import REPOSITORY, Server
from tests.support.tokens import HS256, INVALID, WRONG_SIGNATURE, expect_refusal, forge, make_claims, send
from tests.support.wire import connect, write_head

TEXT = (REPOSITORY / "SECURITY.md").read_text()
PROOFS = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)))
POINTS = [*(f"API{number}" for number in range(1, 11)), *(f"3.{number}" for number in range(1, 13))]
BODY = b'{"title": "Buy groceries"}'


@cache
def list_tests(path: str) -> set[str]:
    """Give the names of a module's tests."""
    tree = ast.parse((REPOSITORY / path).read_bytes())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@pytest.mark.parametrize(("path", "name"), PROOFS, ids=lambda part: str(part).rpartition("/")[2])
def test_a_proof_is_a_test_that_exists(path: str, name: str) -> None:
    """Whoever renames a test mends the document."""
    assert name in list_tests(path)


def test_every_proof_is_looked_at() -> None:
    """What looks like the name of a test is one that the test above has understood."""
    assert len(re.findall(r"::", TEXT)) == len(re.findall(r"`tests/[\w/]+\.py::\w+`", TEXT))
    assert all((REPOSITORY / path).is_file() for path in re.findall(r"`(tests/[\w/]+\.py)`", TEXT))


@pytest.mark.parametrize("point", POINTS)
def test_every_point_has_a_proof_or_a_reason(point: str) -> None:
    """The ten risks of OWASP and the twelve practices of RFC 8725 stand in their order, none left out."""
    rows = [line for line in TEXT.splitlines() if line.startswith(f"| {point} ")]
    assert len(rows) == 1
    _, _, what, proof, _ = rows[0].split("|")
    assert "::" in proof or what.strip().startswith("Does not apply: ")


def test_every_variable_that_is_named_exists() -> None:
    """A limit that was renamed would be looked for in vain."""
    named = set(re.findall(r"`([A-Z]+_[A-Z_]+)[`=]", TEXT))
    assert len(named) > 5
    assert named <= {field.upper() for field in Settings.model_fields}


def test_the_dompurify_that_is_named_is_the_one_that_is_served(anybody: httpx.Client) -> None:
    """Whoever renews Swagger UI reads on there what was known of the old one."""
    script = anybody.get("/docs/swagger-ui-bundle.js").text
    assert re.findall(r"DOMPurify ([\d.]+\d)", TEXT) == re.findall(r'DOMPurify\.version="([\d.]+)"', script)
    assert "queryConfigEnabled:!1" in script


@pytest.mark.parametrize("name", ["jku", "x5u"])
def test_keys_that_a_token_names_are_not_fetched(name: str, anybody: httpx.Client) -> None:
    """Nobody knocks at the address that the header gives, whoever has signed the token."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        header = {
            **HS256,
            name: f"http://127.0.0.1:{listener.getsockname()[1]}/keys",
            "x5c": ["MIIB"],
            "kid": "../../x",
        }
        assert send(anybody, forge(header=header)).status_code == 200
        expect_refusal(send(anybody, forge(header=header, secret="the attacker's own")), WRONG_SIGNATURE)
        with pytest.raises(BlockingIOError):
            listener.accept()


def sign_bytes(payload: bytes, **header: str) -> str:
    """Sign a payload that need be neither JSON nor UTF-8, rightly."""
    parts = [base64url_encode(json.dumps({**HS256, **header}).encode()), base64url_encode(payload)]
    signature = hmac.new(SECRET.encode(), b".".join(parts), hashlib.sha256).digest()
    return b".".join([*parts, base64url_encode(signature)]).decode()


def test_a_token_is_neither_decrypted_nor_unpacked(anybody: httpx.Client) -> None:
    """A few bytes could grow to gigabytes; and the five parts of an encrypted token are none of ours."""
    packed = zlib.compress(json.dumps(make_claims()).encode(), wbits=-15)
    expect_refusal(send(anybody, sign_bytes(packed, zip="DEF")), INVALID)
    encrypted = base64url_encode(b'{"alg": "dir", "enc": "A256GCM", "zip": "DEF"}').decode() + "..YQ.YQ.YQ"
    expect_refusal(send(anybody, encrypted), INVALID)


def test_claims_in_latin_1_are_refused(anybody: httpx.Client) -> None:
    """What is not UTF-8 must not become somebody's id by a guess; the same claims in UTF-8 are understood."""
    claims = json.dumps(make_claims(sub="zo\u00eb"), ensure_ascii=False)
    assert send(anybody, sign_bytes(claims.encode()), "/api/zo%C3%AB/tasks").status_code == 200
    expect_refusal(send(anybody, sign_bytes(claims.encode("latin-1")), "/api/zo%C3%AB/tasks"), INVALID)


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /docs HTTP/1.1\nHost: test\n\n",
        b"GET /docs HTTP/1.1\r\nHost: test\nX: y\r\n\r\n",
        b"GET /docs HTTP/1.1\rHost: test\r\r",
        *(
            write_head("POST", ALICE.tasks.encode(), b"Transfer-Encoding: chunked", user=ALICE) + body
            for body in (
                b"1a\n" + BODY + b"\r\n0\r\n\r\n",
                b"1a\r\n" + BODY + b"\n0\r\n\r\n",
                b"1a;x\n" + BODY + b"\r\n0\r\n\r\n",
                b"1a;x\ry\r\n" + BODY + b"\r\n0\r\n\r\n",
            )
        ),
    ],
    ids=["head", "header", "CR", "size", "end of a chunk", "extension", "CR in an extension"],
)
def test_a_line_ends_in_cr_and_lf_or_the_connection_ends(request_: bytes, server: Server, alice: httpx.Client) -> None:
    """A proxy that sees the end of a line elsewhere would see another request; nothing is done of this one."""
    with connect(server) as wire:
        wire.send(request_)
        answer = wire.read_answer()
        assert (answer.status_code, answer.json()) == (400, expect_problem(400, "The request is not valid HTTP/1.1."))
        assert wire.read_to_end() == b""
    assert alice.get(ALICE.tasks).json() == []
