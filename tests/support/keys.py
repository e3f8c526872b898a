"""A frontend that publishes keys, and what it signs with them."""

import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import OKPAlgorithm, get_default_algorithms

from tests.support.cast import ALICE
from tests.support.tokens import make_claims

PATH = "/api/auth/jwks"

_MAKERS: dict[str, Callable[[], Any]] = {
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ES512": lambda: ec.generate_private_key(ec.SECP521R1()),
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "PS256": lambda: rsa.generate_private_key(65537, 2048),
}


_ALGORITHMS = {**get_default_algorithms(), "Ed25519": OKPAlgorithm()}
_JWS = jwt.PyJWS()
_JWS.register_algorithm("Ed25519", _ALGORITHMS["Ed25519"])


class SigningKey:
    """A key pair of the frontend's, for one algorithm."""

    def __init__(self, kid: str, algorithm: str = "EdDSA") -> None:
        self.kid = kid
        self.algorithm = algorithm
        self.private = _MAKERS[algorithm]()

    @property
    def published(self) -> dict[str, Any]:
        """The public key as Better Auth publishes it."""
        return {**self.write(self.private.public_key()), "alg": self.algorithm, "kid": self.kid}

    def write(self, key: Any) -> dict[str, Any]:  # noqa: ANN401  public or private, of any kind
        """Give a key as a JWK, without what describes its use."""
        written: dict[str, Any] = _ALGORITHMS[self.algorithm].to_jwk(key, as_dict=True)
        return {name: value for name, value in written.items() if name != "key_ops"}

    def sign(self, claims: Mapping[str, Any] | None = None, **headers: Any) -> str:  # noqa: ANN401  a header may hold anything
        """Sign a token, Alice's unless others are claimed; as Better Auth does, without a type."""
        header = {"kid": self.kid, "typ": None, **headers}
        return _JWS.encode(json.dumps(claims or make_claims()).encode(), self.private, self.algorithm, header)


@dataclass
class Publication:
    """What the frontend answers to who asks for its keys; `pause` is in seconds, before each byte of the body."""

    body: bytes = b'{"keys": []}'
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    pause: float = 0


class KeyServer:
    """A frontend of which only the keys are there, at `url`."""

    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.publication = Publication()
        self.asked: list[str] = []
        """The paths that were asked for."""
        self.headers: list[dict[str, str]] = []
        """The headers of each request, their names in lower case."""
        self.most_at_once = 0
        self._at_once = 0
        self._lock = Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._make_handler())
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        self.origin = f"http://127.0.0.1:{self.port}"
        self.url = self.origin + PATH
        Thread(target=self._server.serve_forever, args=[0.01], daemon=True).start()

    def publish(self, *keys: SigningKey | Mapping[str, Any], **answer: Any) -> None:  # noqa: ANN401  as in Publication
        """Publish these keys and no others."""
        entries = [key.published if isinstance(key, SigningKey) else key for key in keys]
        self.publication = Publication(json.dumps({"keys": entries}).encode(), **answer)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _make_handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with server._lock:
                    server.asked.append(self.path)
                    server.headers.append({name.lower(): value for name, value in self.headers.items()})
                    server._at_once += 1
                    server.most_at_once = max(server.most_at_once, server._at_once)
                try:
                    self._answer(server.publication)
                except OSError:
                    pass  # who asked has had enough
                finally:
                    with server._lock:
                        server._at_once -= 1

            def _answer(self, publication: Publication) -> None:
                self.send_response(publication.status)
                for name, value in publication.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(publication.body)))
                self.end_headers()
                if not publication.pause:
                    self.wfile.write(publication.body)
                    return
                for byte in publication.body:
                    time.sleep(publication.pause)
                    self.wfile.write(bytes([byte]))

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@contextmanager
def run_key_server(*keys: SigningKey, port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[KeyServer]:
    """Run a frontend that publishes these keys, until the block ends."""
    server = KeyServer(port, tls)
    server.publish(*keys)
    try:
        yield server
    finally:
        server.stop()


def claim_better_auths(server: KeyServer, **changes: Any) -> dict[str, Any]:  # noqa: ANN401  a claim may hold anything
    """Give the claims of a token of Better Auth's jwt plugin as it comes, Alice's; None leaves a claim out."""
    now = int(time.time())
    claims = {
        "iat": now,
        "name": "Alice",
        "email": "alice@example.com",
        "emailVerified": False,
        "createdAt": "2026-01-05T10:30:00.000Z",
        "updatedAt": "2026-01-05T10:30:00.000Z",
        "id": ALICE.id,
        "sub": ALICE.id,
        "exp": now + 900,
        "iss": server.origin,
        "aud": server.origin,
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not None}
