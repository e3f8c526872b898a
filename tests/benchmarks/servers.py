"""The servers that are compared, each on one core, one worker, with its database on the other."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from tests.benchmarks.exchanges import Exchange
from tests.support.addresses import find_port, write_plain_url
from tests.support.cast import SECRET
from tests.support.server import REPOSITORY, START_SECONDS, make_environment, stop_process
from tests.support.waiting import wait_for

FASTIFY = Path(__file__).parent / "contenders" / "fastify"

UVICORN = ("-m", "uvicorn", "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "error")


@dataclass(frozen=True)
class Contender:
    """A server to be measured; `command` is what follows the name of its program.

    `invalid` is the status with which it refuses a body that breaks its schema.
    """

    name: str
    command: tuple[str, ...]
    program: str = sys.executable
    invalid: int = 422

    def adapt(self, exchange: Exchange) -> Exchange:
        """Give the exchange with the status that this server answers with."""
        return replace(exchange, status=self.invalid) if exchange.status == 422 else exchange


TASKFLOW = Contender("TaskFlow", ("-m", "taskflow", "serve"))
SESSION = Contender("FastAPI + SQLModel, Session", (*UVICORN, "tests.benchmarks.contenders.fastapi_session:app"))
ASYNC_SESSION = Contender(
    "FastAPI + SQLModel, AsyncSession", (*UVICORN, "tests.benchmarks.contenders.fastapi_async:app")
)
CONNEXION = Contender(
    "Connexion + SQLModel", (*UVICORN, "tests.benchmarks.contenders.plain_connexion:app"), invalid=400
)
LIMIT = Contender("bare ASGI function", (*UVICORN, "tests.benchmarks.contenders.bare_asgi:app"))
FASTIFY_PG = Contender("Fastify + pg, Node.js", ("server.js",), program="node")

CONTENDERS = (TASKFLOW, LIMIT, FASTIFY_PG, SESSION, ASYNC_SESSION, CONNEXION)
PEERS = (SESSION, ASYNC_SESSION)
"""What a user would pick instead; the better of the two is the one that counts."""


def install_fastify() -> None:
    """Fetch what the Fastify server needs, as its lock file says. Raises RuntimeError without npm."""
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError("npm is missing: install Node.js 20 or newer")
    if not (FASTIFY / "node_modules").exists():
        subprocess.run([npm, "ci", "--no-audit", "--no-fund", "--silent"], cwd=FASTIFY, check=True)  # noqa: S603


@contextmanager
def run_contender(
    contender: Contender, database_url: str, *, cores: set[int], variables: Mapping[str, str] | None = None
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run a server on these cores until the block ends; give its URL and process once it answers."""
    port = find_port()
    environment = make_environment(
        ENVIRONMENT="production",
        DATABASE_URL=write_plain_url(database_url),
        BETTER_AUTH_SECRET=SECRET,
        CORS_ORIGINS="https://app.example.com",
        PORT=str(port),
        UVICORN_PORT=str(port),
        PYTHONPATH=str(REPOSITORY),
        **variables or {},
    )
    process = subprocess.Popen(  # noqa: S603  our own command
        [contender.program, *contender.command],
        env=environment,
        cwd=FASTIFY if contender.program == "node" else REPOSITORY / "tests",  # no .env of the developer's is read
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),  # noqa: PLW1509  nothing runs beside us yet
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: _answers(url, process), START_SECONDS)
        yield url, process
    finally:
        stop_process(process)


def _answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    if process.poll() is not None:
        raise RuntimeError(f"the server ended with code {process.returncode}")
    try:
        httpx.get(f"{url}/api/nobody/tasks")
    except httpx.TransportError:
        return False
    return True
