"""Creates that can be sent again: one key, one task (draft-ietf-httpapi-idempotency-key-header)."""

import asyncio
import logging
import random
from collections.abc import Mapping
from hashlib import sha256

import orjson

from taskflow.concurrency.background import Background
from taskflow.database import Database, DatabaseDefect, Row, RowExists, Value, statements
from taskflow.errors import DatabaseUnavailable, KeyReused
from taskflow.settings import Settings

PAUSE_SECONDS = 3600
"""How long a key may be there when its life is over."""

RETRY_SECONDS = 60
"""How long after an outage the next try is made."""

logger = logging.getLogger(__name__)


async def insert_once(database: Database, task: Mapping[str, Value], key: str) -> Row:
    """Create a task, unless its user has created one with this key before; give id, version and JSON of then.

    Raises KeyReused if that was another task.
    """
    digest = sha256(orjson.dumps(task, option=orjson.OPT_SORT_KEYS)).hexdigest()
    values = {**task, "key": key, "digest": digest}
    try:
        rows = await database.fetch_all(statements.INSERT_TASK_ONCE, values)
    except RowExists:
        # Somebody was faster with the same key, and has committed: now it is known.
        rows = await database.fetch_all(statements.INSERT_TASK_ONCE, values)
    ((first_digest, *answer),) = rows
    if first_digest != digest.encode():
        raise KeyReused
    return tuple(answer)


class KeyExpiry:
    """Removes keys whose life is over (IDEMPOTENCY_KEY_LIFETIME), at the start and from time to time."""

    def __init__(self, database: Database, settings: Settings, *, pause: float = PAUSE_SECONDS) -> None:
        self._database = database
        self._pause = pause
        self._lifetime = settings.idempotency_key_lifetime
        self._removal = Background(self._keep_removing)

    async def open(self) -> None:
        """Begin; nobody waits for it."""
        self._removal.start()

    async def close(self) -> None:
        await self._removal.stop()

    async def _keep_removing(self) -> None:
        while True:
            pause = self._pause
            try:
                await self.remove_aged()
            except DatabaseUnavailable:  # which has been logged
                pause = min(pause, RETRY_SECONDS)
            except DatabaseDefect:
                logger.exception("idempotency keys that are no longer needed cannot be removed")
            # At random, so that many servers do not come all at once.
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  no secret

    async def remove_aged(self) -> None:
        """Remove all keys that are old enough, some at a time."""
        removed = statements.AGED_ROWS
        while removed == statements.AGED_ROWS:
            ((count,),) = await self._database.fetch_all(statements.DELETE_AGED_KEYS, {"seconds": self._lifetime})
            removed = int(count or 0)
