"""The schema brought up to date while serving: at once where that can be, and else with another try every second."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial

import psycopg

from taskflow.concurrency.threads import run_in_thread
from taskflow.database.failures import name_error
from taskflow.database.migrations import MigrationError, migrate

MIGRATION_RETRY_SECONDS = 1.0
"""How long to wait before another try to reach a database that was not there at start."""

logger = logging.getLogger(__name__)


class SchemaKeeper:
    """Migrates in the background until it has succeeded, and calls `then`; `is_current` tells whether it has.

    `on_error` is told the driver's name of each failure to connect.
    """

    def __init__(
        self,
        url: str,
        *,
        connect_timeout: int,
        then: Callable[[], None],
        on_error: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._url = url
        self._connect_timeout = connect_timeout
        self._then = then
        self._on_error = on_error
        self._complaint = ""
        self._going_on: asyncio.Task[None] | None = None
        self.is_current = False

    async def open(self, *, patience: float) -> None:
        """Make the first try; return when it has ended, or after `patience` seconds."""
        attempt = asyncio.create_task(self._try())
        await asyncio.wait({attempt}, timeout=patience)
        self._going_on = asyncio.create_task(self._go_on(attempt))

    async def close(self) -> None:
        if self._going_on is not None:
            self._going_on.cancel()
            await asyncio.wait({self._going_on})

    async def _try(self) -> bool:
        try:
            version = await asyncio.wrap_future(
                run_in_thread(partial(migrate, self._url, connect_timeout=self._connect_timeout))
            )
        except psycopg.OperationalError as error:
            self._on_error(type(error).__name__)
            self._complain(logging.WARNING, f"the database is not available yet, trying again: {name_error(error)}")
        except MigrationError as error:
            self._complain(logging.ERROR, str(error))
        except Exception:
            logger.exception("the schema could not be migrated")
        else:
            logger.info("the schema is up to date (version %s)", version)
            self.is_current = True
            self._then()
        return self.is_current

    async def _go_on(self, attempt: asyncio.Task[bool]) -> None:
        while not await attempt:
            await asyncio.sleep(MIGRATION_RETRY_SECONDS)
            attempt = asyncio.create_task(self._try())

    def _complain(self, level: int, complaint: str) -> None:
        # Once, and not with every try.
        if complaint != self._complaint:
            logger.log(level, "%s", complaint)
        self._complaint = complaint
