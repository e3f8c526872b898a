"""The schema brought up to date while serving: at once where that can be, and else with another try every second."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import psycopg

from taskflow.concurrency.background import Background
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
        self._trying = Background(self._keep_trying)
        self._has_tried = asyncio.Event()
        self.is_current = False

    async def open(self, *, patience: float) -> None:
        """Make the first try; return when it has ended, or after `patience` seconds."""
        self._trying.start()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._has_tried.wait(), patience)

    async def close(self) -> None:
        await self._trying.stop()

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

    async def _keep_trying(self) -> None:
        while not await self._try():
            self._has_tried.set()
            await asyncio.sleep(MIGRATION_RETRY_SECONDS)
        self._has_tried.set()

    def _complain(self, level: int, complaint: str) -> None:
        # Once, and not with every try.
        if complaint != self._complaint:
            logger.log(level, "%s", complaint)
        self._complaint = complaint
