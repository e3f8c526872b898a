"""Where keys are published: one GET, bounded in time and size, that follows nobody anywhere else."""

import asyncio
import socket
import ssl
from concurrent.futures import Future
from functools import partial

import httpx

from taskflow.auth.jwks.document import PublishedKey, read_key_set
from taskflow.concurrency.threads import run_in_thread

OK = 200


class KeysError(Exception):
    """The keys could not be fetched; the text says why, without the address."""


class KeyEndpoint:
    """The address of a JWK Set. `timeout` is in seconds and for all of a fetch, `max_bytes` for what is sent."""

    def __init__(self, url: str, *, timeout: float, max_bytes: int) -> None:
        self._url = httpx.URL(url)
        self._timeout = timeout
        self._max_bytes = max_bytes
        self.mistakes: list[str] = []
        """Why keys of the last answer were passed over."""
        self._lookup: Future[list[str]] | None = None
        # The authorities that the system trusts, an operator's own among them.
        self._trusted = ssl.create_default_context()

    async def fetch(self) -> dict[str, PublishedKey]:
        """Give the keys that are published now, by their `kid`. Raises KeysError."""
        try:
            async with asyncio.timeout(self._timeout):
                body = await self._read()
        except (TimeoutError, httpx.TimeoutException):
            raise KeysError(f"there was no whole answer in {self._timeout:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
            raise KeysError(_explain_failure(error)) from None
        self.mistakes = []
        try:
            return read_key_set(body, self.mistakes.append)
        except ValueError as error:
            raise KeysError(str(error)) from None

    async def _read(self) -> bytes:
        failure: httpx.ConnectError | httpx.ConnectTimeout | None = None
        addresses = await self._find_addresses()
        for address in addresses:
            # Each has its share of the time, so that one that does not answer leaves some for the next.
            limits = httpx.Timeout(self._timeout, connect=self._timeout / len(addresses))
            try:
                return await self._read_from(address, limits)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        raise failure or OSError

    async def _find_addresses(self) -> list[str]:
        # In a thread of its own. The event loop's few are the database's too, and one that hangs on a name would hold
        # up its connections, and the end of the server. Never a second one beside it.
        if self._lookup is None or self._lookup.done():
            self._lookup = run_in_thread(partial(_look_up, self._url.raw_host.decode()))
        return await asyncio.wrap_future(self._lookup)

    async def _read_from(self, address: str, limits: httpx.Timeout) -> bytes:
        # A client for this request alone: it has no connection that may have been closed meanwhile, and no cookies.
        # No proxy of the environment's: who stands between could sign for anybody. Nothing compressed: a few bytes
        # could become many.
        async with (
            httpx.AsyncClient(verify=self._trusted, trust_env=False, timeout=limits) as client,
            client.stream(
                "GET",
                self._url.copy_with(host=address),
                headers={
                    "Host": self._url.netloc.decode(),
                    "Accept": "application/json",
                    "Accept-Encoding": "identity",
                },
                extensions={"sni_hostname": self._url.raw_host.decode()},  # whose certificate it must show
                follow_redirects=False,
            ) as response,
        ):
            if response.status_code != OK:
                raise KeysError(f"the answer was {response.status_code}, not {OK}; nothing is followed anywhere else")
            codings = {coding.lower() for coding in response.headers.get_list("Content-Encoding", split_commas=True)}
            if codings - {"", "identity"}:
                raise KeysError("the answer was compressed")
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > self._max_bytes:
                    raise KeysError(f"the answer was larger than MAX_JWKS_BYTES ({self._max_bytes})")
        return bytes(body)


def _look_up(host: str) -> list[str]:
    """Give the addresses of a host, the preferred one first."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _explain_failure(error: BaseException) -> str:
    """Say what kind of failure it was; its own message can hold the address."""
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(cause)
    if any(isinstance(cause, socket.gaierror | UnicodeError) for cause in causes):
        return "its host has no address"
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return "its certificate is not trusted"
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return "the connection was refused"
    return f"the connection failed ({type(error).__name__})"
