"""The real Better Auth, as a frontend runs it, and the accounts that people have with it."""

import json
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt
from jwt.utils import base64url_decode

from tests.support.addresses import find_port, write_plain_url
from tests.support.cast import SECRET, authorize
from tests.support.contract import check_response
from tests.support.node import find_node
from tests.support.server import START_SECONDS, make_environment, stop_process
from tests.support.waiting import wait_for

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class BetterAuth:
    """A running Better Auth; `mode` is one of auth/modes.ts."""

    mode: str
    url: str
    log: Path
    browsers: ExitStack = field(default_factory=ExitStack)

    @property
    def token_path(self) -> str:
        """Where a frontend gets its token."""
        return "/api/token" if self.mode == "bridge" else "/api/auth/token"

    @property
    def variables(self) -> dict[str, str]:
        """What TaskFlow must be told to accept its tokens."""
        if self.mode in {"hs256", "bridge"}:
            return {"BETTER_AUTH_SECRET": SECRET}
        return {"BETTER_AUTH_URL": self.url}

    def sign_up(self, name: str) -> "Account":
        """Make an account, and sign in with it."""
        client = self.browsers.enter_context(httpx.Client(base_url=self.url, headers={"Origin": self.url}, timeout=30))
        email = f"{name}@example.com"
        created = client.post("/api/auth/sign-up/email", json={"email": email, "password": PASSWORD, "name": name})
        assert created.status_code == 200, created.text
        return Account(self, email, created.json()["user"]["id"], client)


@dataclass(frozen=True)
class Account:
    """Somebody's account, and the browser with its cookies."""

    better_auth: BetterAuth
    email: str
    id: str
    client: httpx.Client

    @property
    def tasks(self) -> str:
        """The path of the user's tasks."""
        return f"/api/{self.id}/tasks"

    def sign_in(self) -> dict[str, Any]:
        """Sign in; give the whole answer."""
        answer = self.client.post("/api/auth/sign-in/email", json={"email": self.email, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def sign_out(self) -> None:
        assert self.client.post("/api/auth/sign-out", json={}).json() == {"success": True}

    def ask_for_token(self) -> httpx.Response:
        """Ask as the frontend's own code does, with the session's cookie."""
        return self.client.get(self.better_auth.token_path)

    def get_token(self) -> str:
        answer = self.ask_for_token()
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["token"]
        return token

    def find_cookie(self, name: str) -> str:
        """Give the value of a cookie."""
        value = self.client.cookies.get(f"better-auth.{name}")
        assert value is not None, f"there is no cookie {name}"
        return value


def read_header(token: str) -> dict[str, Any]:
    """Give the header of a token."""
    return jwt.get_unverified_header(token)


def read_claims(token: str) -> dict[str, Any]:
    """Give what a token claims."""
    claims: dict[str, Any] = json.loads(base64url_decode(token.split(".")[1]))
    return claims


def open_tasks(url: str, token: str) -> httpx.Client:
    """Give a client of TaskFlow with a token; every answer that it gets is held against the contract."""

    def read_and_check(response: httpx.Response) -> None:
        response.read()
        check_response(response)

    return httpx.Client(base_url=url, headers=authorize(token), timeout=30, event_hooks={"response": [read_and_check]})


@contextmanager
def run_better_auth(
    program: Path, database_url: str, mode: str, *, port: int | None = None, **variables: str
) -> Iterator[BetterAuth]:
    """Run Better Auth in a mode until the block ends; its tables are in the database, made when missing.

    `program` is auth/server.ts of an installed project; `variables` are those that auth/ reads.
    """
    port = port or find_port()
    url = f"http://127.0.0.1:{port}"
    environment = make_environment(
        MODE=mode,
        PORT=str(port),
        DATABASE_URL=write_plain_url(database_url),
        BETTER_AUTH_URL=url,
        BETTER_AUTH_SECRET=SECRET,
        BETTER_AUTH_TELEMETRY="0",
        **variables,
    )
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "better-auth.log"
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603  our own command
                [find_node(), "--import", "tsx", program],
                env=environment,
                cwd=program.parent,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:

            def is_ready() -> bool:
                assert process.poll() is None, log.read_text()
                return "ready" in log.read_text()

            wait_for(is_ready, START_SECONDS)
            running = BetterAuth(mode, url, log)
            with running.browsers:
                yield running
        finally:
            code = stop_process(process)
    assert code == -signal.SIGTERM
