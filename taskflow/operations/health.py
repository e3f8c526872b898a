"""The two operations of a supervisor: whether the process lives, and whether it can do its work."""

import asyncio
import math

import orjson

from taskflow.auth.tokens import TokenVerifier
from taskflow.concurrency.departure import forget_client
from taskflow.database import Database, DatabaseDefect, Statement
from taskflow.errors import DatabaseTimeout, FieldError, NotReady, Problem
from taskflow.web.responses import Answer

KNOWN_SECONDS = 1.0
"""For how long what is known of the database holds."""

PROBE_SECONDS = 0.8
"""How long a probe waits for the database to answer: less than the second that Kubernetes waits for a probe."""

_PING = Statement(b"ping", b"SELECT 1")

_WELL = b'{"status":"ok"}'


class Readiness:
    """What stands between this process and its work.

    The database is asked only when it has answered nobody in the last second, and by one probe at a time.
    """

    def __init__(self, database: Database, verifier: TokenVerifier) -> None:
        self._database = database
        self._verifier = verifier
        self._failed_at = -math.inf
        self._failure = ""
        self._asking: asyncio.Task[bool] | None = None

    async def list_failures(self) -> list[FieldError]:
        failures = [] if await self._reaches_database() else [FieldError(self._failure, "database")]
        if not self._verifier.has_keys:
            failures.append(FieldError("cannot be fetched", "keys"))
        return failures

    def list_warnings(self) -> list[FieldError]:
        """Return what works for the time being, but needs an operator before long.

        It is no failure: taking every process out of service would sign out users whose tokens can be verified.
        """
        if self._verifier.has_stale_keys:
            return [FieldError("cannot be fetched; those known are used for the time being", "keys")]
        return []

    async def _reaches_database(self) -> bool:
        loop = asyncio.get_running_loop()
        since = loop.time() - KNOWN_SECONDS
        if self._database.answered_at > since:
            return True
        if self._failed_at > since:
            return False
        if self._asking is None or self._asking.done():
            self._failure = "does not answer in time"
            self._asking = asyncio.create_task(self._ask())
        # It is not cancelled: that would take another connection, and longer than a probe waits.
        asking = self._asking
        await asyncio.wait({asking}, timeout=PROBE_SECONDS)
        if asking.done() and asking.result():
            return True
        self._failed_at = loop.time()
        return False

    async def _ask(self) -> bool:
        forget_client()  # others wait for it too
        try:
            await self._database.fetch_one(_PING, {})
        except DatabaseTimeout:
            return False
        except (Problem, DatabaseDefect):
            self._failure = "cannot be reached"
            return False
        return True


async def get_liveness() -> Answer:
    return Answer(_WELL)


async def get_readiness(readiness: Readiness) -> Answer:
    failures = await readiness.list_failures()
    if failures:
        raise NotReady(failures)
    warnings = readiness.list_warnings()
    return Answer(orjson.dumps({"status": "ok", "warnings": warnings}) if warnings else _WELL)
