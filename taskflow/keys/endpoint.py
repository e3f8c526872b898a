"""Where keys are published: one GET, bounded in time and size, that follows nobody anywhere else."""

import asyncio

import httpx

from taskflow.keys.document import PublishedKey, read_key_set

OK = 200


class KeysError(Exception):
    """The keys could not be fetched; the text says why, without the address."""


class KeyEndpoint:
    """The address of a JWK Set.

    `timeout` is in seconds and for all of a fetch, `max_bytes` for what is sent. Its connections are to be closed.
    """

    def __init__(self, url: str, *, timeout: float, max_bytes: int) -> None:
        self._url = url
        self._timeout = timeout
        self._max_bytes = max_bytes
        # Nothing compressed: a few bytes could become many.
        self._client = httpx.AsyncClient(
            follow_redirects=False,
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            timeout=timeout,
        )

    async def fetch(self) -> dict[str, PublishedKey]:
        """Give the keys that are published now, by their `kid`. Raises KeysError."""
        try:
            async with asyncio.timeout(self._timeout):
                body = await self._read()
        except (TimeoutError, httpx.TimeoutException):
            raise KeysError(f"there was no whole answer in {self._timeout:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
            # Its message can hold the address.
            raise KeysError(f"the connection failed ({type(error).__name__})") from None
        try:
            return read_key_set(body)
        except ValueError as error:
            raise KeysError(str(error)) from None

    async def close(self) -> None:
        await self._client.aclose()

    async def _read(self) -> bytes:
        async with self._client.stream("GET", self._url) as response:
            if response.status_code != OK:
                raise KeysError(f"the answer was {response.status_code}, not {OK}; nothing is followed anywhere else")
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise KeysError("the answer was compressed")
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > self._max_bytes:
                    raise KeysError(f"the answer was larger than MAX_JWKS_BYTES ({self._max_bytes})")
        return bytes(body)
