"""The load: wrk, with as many connections as SC-004 of the specification names, on a core of its own."""

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.exchanges import Exchange
from tests.support.cast import User

CONNECTIONS = 50


@dataclass(frozen=True)
class Figures:
    """What one server did with one kind of request for a while."""

    requests: int
    seconds: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    wrong: int

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


def run_load(url: str, exchange: Exchange, *, seconds: float, length: int | None) -> Figures:
    """Send one kind of request for a while; what is not answered as expected is counted."""
    command = ["wrk", "--threads=1", f"--connections={CONNECTIONS}", f"--duration={seconds}s", "--timeout=20s"]
    environment = {
        "METHOD": exchange.method,
        "REQUEST_PATH": exchange.path,
        "TOKEN": exchange.token or User(exchange.user).token,
        "FIRST_ID": str(exchange.first_id),
        "ID_COUNT": str(exchange.id_count),
        "EXPECTED_STATUS": str(exchange.status),
    }
    if exchange.body is not None:
        environment["BODY"] = exchange.body
    if exchange.condition is not None:
        environment["CONDITION"] = exchange.condition
    if length is not None:
        environment["EXPECTED_LENGTH"] = str(length)
    result = subprocess.run(  # noqa: S603  our own command
        [*command, "--script", str(Path(__file__).with_name("load.lua")), url],
        env={"PATH": "/usr/bin:/bin:/usr/local/bin", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"^RESULT (.*)$", result.stdout, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"wrk ended without a result: {result.stdout}{result.stderr}")
    return Figures(**json.loads(found[1]))
