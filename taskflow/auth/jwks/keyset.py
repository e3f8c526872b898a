"""The published keys as they are known now.

One task fetches them, one fetch at a time: at the start, when they have grown old, when a token names a key that is not
among them, and as long as it fails, once in JWKS_COOLDOWN. Who asks for a key that is known never waits.

A key that is not known may be new, or made up by an attacker. So fetches for such keys are allowed JWKS_BURST times at
once, and in the long run once in JWKS_COOLDOWN; past that, the answer comes at once, without a fetch.

While they cannot be fetched, known keys remain good for JWKS_MAX_AGE_STALE; then they are forgotten.
"""

import asyncio
import logging
import math
from collections.abc import Callable
from contextlib import suppress

from taskflow.auth.jwks.allowance import Allowance
from taskflow.auth.jwks.document import PublishedKey
from taskflow.auth.jwks.endpoint import KeyEndpoint, KeysError
from taskflow.concurrency.background import Background
from taskflow.errors import KeysUnavailable, TokenInvalid
from taskflow.settings import Settings

logger = logging.getLogger(__name__)


class KeySet:
    """The keys of one endpoint, and who waits for the next fetch.

    `on_withdrawal` is called when a known key is no longer good; `on_fetch` after each fetch, with its success.
    """

    def __init__(
        self,
        url: str,
        settings: Settings,
        on_withdrawal: Callable[[], None],
        on_fetch: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self._endpoint = KeyEndpoint(url, timeout=settings.jwks_timeout, max_bytes=settings.max_jwks_bytes)
        self._cooldown = settings.jwks_cooldown
        self._max_age = settings.jwks_max_age
        self._max_age_stale = settings.jwks_max_age_stale
        self._queue_size = settings.jwks_queue_size
        self._on_withdrawal = on_withdrawal
        self._on_fetch = on_fetch
        self._keys: dict[str, PublishedKey] = {}
        self._known_since = -math.inf
        self._failure: str | None = None
        self._mistakes: list[str] = []
        self._end: asyncio.TimerHandle | None = None
        self._allowance = Allowance(settings.jwks_burst, settings.jwks_cooldown)
        self._refill: asyncio.TimerHandle | None = None
        self._lacking: dict[int, float] = {}
        """Hashes of ids that the newest set lacked, and until when that counts. They come from requests that waited for
        a fetch, so JWKS_QUEUE_SIZE bounds their number."""
        self._waiting = 0
        self._due = asyncio.Event()
        """Set as long as a fetch is asked for or under way."""
        self._fetched = asyncio.Event()
        self._fetching = Background(self._keep_fresh)

    def open(self) -> None:
        """Begin to fetch; nobody waits for it but requests that need a key."""
        self._due.set()
        self._fetching.start()

    async def close(self) -> None:
        await self._fetching.stop()
        self._cancel_end()
        if self._refill is not None:
            self._refill.cancel()

    @property
    def is_known(self) -> bool:
        """Whether there are keys to verify tokens with, be they fetched long ago."""
        return bool(self._keys)

    @property
    def is_stale(self) -> bool:
        """Whether there are keys, and the last fetch has failed."""
        return self.is_known and self._failure is not None

    async def find(self, kid: str) -> PublishedKey:
        """Give the key of this id.

        Waits for the next fetch if it is not known and a fetch is under way or allowed. Raises TokenInvalid if the key
        was not among those that were fetched since then or a moment ago, or if no fetch is allowed; KeysUnavailable if
        the keys cannot be fetched, or if too many wait (JWKS_QUEUE_SIZE).
        """
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        while (key := self._keys.get(kid)) is None:
            if self._known_since >= asked_at:
                self._lacking[hash(kid)] = self._known_since + self._cooldown
                raise TokenInvalid("kid is not among the published keys")
            if self._failure is not None:
                raise KeysUnavailable(f"the published keys cannot be fetched: {self._failure}")
            if self._lacking.get(hash(kid), -math.inf) > loop.time():
                raise TokenInvalid("kid was not among the published keys a moment ago")
            # The set that is on its way may bring the key, even if it was asked for before.
            if not self._due.is_set() and not self._ask_for_fetch():
                self._ask_later()
                raise TokenInvalid("kid is not among the known keys, and JWKS_BURST allows no fetch now")
            await self._wait_for_fetch()
        return key

    def _ask_for_fetch(self) -> bool:
        is_allowed = self._allowance.take(asyncio.get_running_loop().time())
        if is_allowed:
            self._due.set()
        return is_allowed

    def _ask_later(self) -> None:
        """See to it that a key that was refused without a fetch is known soon, if it is a new one."""
        if self._refill is None:
            loop = asyncio.get_running_loop()
            self._refill = loop.call_later(self._allowance.measure_wait(loop.time()), self._ask_again)

    def _ask_again(self) -> None:
        self._refill = None
        if not self._due.is_set():
            self._ask_for_fetch()

    async def _wait_for_fetch(self) -> None:
        if self._waiting >= self._queue_size:
            raise KeysUnavailable("JWKS_QUEUE_SIZE requests wait for keys already")
        self._waiting += 1
        try:
            await self._fetched.wait()
        finally:
            self._waiting -= 1

    async def _keep_fresh(self) -> None:
        while True:
            await self._fetch()
            # Who has asked meanwhile may ask for another one: the key may be younger than this set.
            self._due.clear()
            self._fetched.set()
            self._fetched = asyncio.Event()
            if self._failure is not None:
                await asyncio.sleep(self._cooldown)
            else:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._due.wait(), self._max_age)
            self._due.set()

    async def _fetch(self) -> None:
        begun_at = asyncio.get_running_loop().time()
        try:
            self._replace(await self._endpoint.fetch())
            self._known_since = begun_at
            self._lacking = {name: until for name, until in self._lacking.items() if until > begun_at}
            self._note_mistakes(self._endpoint.mistakes)
        except KeysError as error:
            self._note_failure(str(error))
        except Exception:
            # Whatever it is, the next try may do better; without one, no new key would ever be known.
            logger.exception("unexpected error while fetching keys")
            self._note_failure("unexpected error")
        self._on_fetch(self._failure is None)

    def _note_failure(self, reason: str) -> None:
        if self._failure is None:
            state = "tokens signed with them are answered 503"
            if self._keys:
                state = f"those known go on being used for {self._max_age_stale:g} s at most (JWKS_MAX_AGE_STALE) or"
                self._end = asyncio.get_running_loop().call_later(self._max_age_stale, self._forget)
            logger.warning("the published keys (JWKS) cannot be fetched, %s until they are: %s", state, reason)
        self._failure = reason

    def _note_mistakes(self, mistakes: list[str]) -> None:
        if mistakes and mistakes != self._mistakes:
            logger.warning("some of the published keys (JWKS) are passed over: %s", "; ".join(mistakes))
        self._mistakes = mistakes

    def _forget(self) -> None:
        self._keys = {}
        self._known_since = -math.inf
        logger.warning(
            "the published keys (JWKS) could not be fetched for %g s (JWKS_MAX_AGE_STALE), "
            "tokens signed with them are answered 503 until they are: %s",
            self._max_age_stale,
            self._failure,
        )
        self._on_withdrawal()

    def _replace(self, keys: dict[str, PublishedKey]) -> None:
        self._cancel_end()
        if self._failure is not None:
            logger.warning("the published keys (JWKS) are fetched again")
        self._failure = None
        withdrawn = [kid for kid, key in self._keys.items() if keys.get(kid) != key]
        self._keys = keys
        if withdrawn:
            logger.warning("%d of the published keys (JWKS) withdrawn: their tokens no longer hold", len(withdrawn))
            self._on_withdrawal()

    def _cancel_end(self) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None
