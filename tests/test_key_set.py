"""The published keys as a set that is kept fresh, and the endpoint that they come from: what no server's tests show."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from taskflow.auth.jwks import KeyEndpoint, KeysError, KeySet, PublishedKey
from taskflow.auth.jwks.document import read_key_set
from taskflow.errors import KeysUnavailable, TokenInvalid
from tests.support.keys import SigningKey, run_key_server
from tests.support.settings import make_settings

NOWHERE = "http://127.0.0.1:9/jwks"
COOLDOWN = 0.05
PATIENCE = 5

Answer = Callable[[], Awaitable[dict[str, PublishedKey]]]


def publish(*names: str) -> dict[str, PublishedKey]:
    """Give keys of these names."""
    keys = [SigningKey(name).published for name in names]
    return read_key_set(str({"keys": keys}).replace("'", '"').encode())


async def poll(condition: Callable[[], bool]) -> None:
    """Wait until this is so."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110  a key set tells nobody of its state
            await asyncio.sleep(COOLDOWN / 10)


@asynccontextmanager
async def open_key_set(answer: Answer, monkeypatch: pytest.MonkeyPatch, **settings: float) -> AsyncIterator[KeySet]:
    """Give a key set whose endpoint answers so."""
    monkeypatch.setattr(KeyEndpoint, "fetch", lambda _: answer())
    times = {"jwks_cooldown": COOLDOWN, **settings}
    complete = make_settings("postgresql://nobody@127.0.0.1:1/nothing", **times)
    keys = KeySet(NOWHERE, complete, on_withdrawal=lambda: None)
    keys.open()
    try:
        yield keys
    finally:
        await keys.close()


def test_a_key_that_appears_while_keys_are_fetched_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a fetch that was under way brings may be older than the token: it is no proof that there is no such key."""

    async def run() -> None:
        has_begun, may_end, answers = asyncio.Event(), asyncio.Event(), iter([publish("old"), publish("old", "new")])

        async def answer() -> dict[str, PublishedKey]:
            keys = next(answers)
            has_begun.set()
            await may_end.wait()
            return keys

        async with open_key_set(answer, monkeypatch) as keys:
            await has_begun.wait()
            search = asyncio.create_task(keys.find("new"))
            await asyncio.sleep(0)
            may_end.set()
            assert (await asyncio.wait_for(search, PATIENCE)).algorithm == "EdDSA"

    asyncio.run(run())


def test_a_key_that_was_refused_without_a_fetch_is_fetched_for_as_soon_as_may_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody need ask again: the set that it is in comes by itself, and the allowance is kept all the while."""

    async def run() -> None:
        published, fetches = ["old"], 0

        async def answer() -> dict[str, PublishedKey]:
            nonlocal fetches
            fetches += 1
            return publish(*published)

        async with open_key_set(answer, monkeypatch, jwks_burst=2) as keys:
            await keys.find("old")
            for name in ("first", "second", "third"):
                with pytest.raises(TokenInvalid):
                    await keys.find(name)
            published.append("new")
            with pytest.raises(TokenInvalid) as caught:
                await keys.find("new")
            assert caught.value.reason == "kid is not among the known keys, and JWKS_BURST allows no fetch now"
            assert fetches == 3  # at the start, and JWKS_BURST
            await poll(lambda: fetches == 4)
            assert (await keys.find("new")).algorithm == "EdDSA"
            assert fetches == 4

    asyncio.run(run())


def test_who_comes_while_keys_are_fetched_waits_for_them_though_no_fetch_is_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They may bring the key; who is not served by them is refused then, without another fetch."""

    async def run() -> None:
        has_begun, may_end = asyncio.Event(), asyncio.Event()
        answers = iter([publish("old"), publish("old", "new")])

        async def answer() -> dict[str, PublishedKey]:
            keys = next(answers)
            if "new" in keys:
                has_begun.set()
                await may_end.wait()
            return keys

        async with open_key_set(answer, monkeypatch, jwks_burst=1, jwks_cooldown=60) as keys:
            await keys.find("old")
            searches = [asyncio.create_task(keys.find("made up"))]
            await has_begun.wait()
            searches += [asyncio.create_task(keys.find(name)) for name in ("new", "other")]
            await asyncio.sleep(0)
            may_end.set()
            first, found, last = await asyncio.gather(*searches, return_exceptions=True)
            assert isinstance(found, PublishedKey)
            assert isinstance(first, TokenInvalid)
            assert isinstance(last, TokenInvalid)

    asyncio.run(run())


def test_who_no_longer_waits_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """JWKS_QUEUE_SIZE counts those who wait."""

    async def run() -> None:
        async def answer() -> dict[str, PublishedKey]:
            await asyncio.Event().wait()
            raise AssertionError

        async with open_key_set(answer, monkeypatch, jwks_queue_size=1) as keys:
            first = asyncio.create_task(keys.find("first"))
            await asyncio.sleep(0)
            with pytest.raises(KeysUnavailable):
                await keys.find("second")
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            third = asyncio.create_task(keys.find("third"))
            await asyncio.sleep(0)
            assert not third.done()
            third.cancel()

    asyncio.run(run())


def test_an_unexpected_error_is_an_outage_that_ends(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing that a fetch may raise is its last; the trace is in the log."""

    async def run() -> None:
        failures = iter([ZeroDivisionError()])

        async def answer() -> dict[str, PublishedKey]:
            for failure in failures:
                raise failure
            return publish("key")

        async with open_key_set(answer, monkeypatch) as keys:
            with pytest.raises(KeysUnavailable) as caught:
                await asyncio.wait_for(keys.find("key"), PATIENCE)
            assert caught.value.reason == "the published keys cannot be fetched: unexpected error"

            async def find() -> PublishedKey:
                while True:
                    try:
                        return await keys.find("key")
                    except KeysUnavailable:
                        await asyncio.sleep(COOLDOWN / 5)

            await asyncio.wait_for(find(), PATIENCE)
            with pytest.raises(TokenInvalid):
                await keys.find("other")

    asyncio.run(run())
    assert "ZeroDivisionError" in caplog.text


def test_an_outage_that_has_ended_takes_no_time_off_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """JWKS_MAX_AGE_STALE counts from the first fetch that failed; each one that succeeds begins anew."""
    stale = 4 * COOLDOWN

    async def run() -> None:
        is_down = False

        async def answer() -> dict[str, PublishedKey]:
            if is_down:
                raise KeysError("it is down")
            return publish("key")

        async with open_key_set(answer, monkeypatch, jwks_max_age=COOLDOWN, jwks_max_age_stale=stale) as keys:
            await keys.find("key")
            for _ in range(4):
                is_down = True
                await poll(lambda: keys.is_stale)
                is_down = False
                await poll(lambda: not keys.is_stale)
            # Longer than any of the ends that were set.
            await asyncio.sleep(2 * stale)
            assert not keys.is_stale
            await keys.find("key")
            is_down = True
            await poll(lambda: not keys.is_known)
            with pytest.raises(KeysUnavailable):
                await keys.find("key")

    asyncio.run(run())


def test_nothing_is_fetched_any_more_once_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing waits until the fetch that is under way has ended."""

    async def run() -> list[str]:
        said: list[str] = []

        async def answer() -> dict[str, PublishedKey]:
            said.append("begun")
            try:
                await asyncio.Event().wait()
            finally:
                said.append("ended")
            raise AssertionError

        async with open_key_set(answer, monkeypatch):
            await asyncio.sleep(0)
        return said.copy()  # the end of the event loop would end whatever is left

    assert asyncio.run(run()) == ["begun", "ended"]


def test_a_name_that_nobody_resolves_holds_up_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """The look-up hangs in a thread of its own: the fetch ends in time, and the next one begins no second look-up.

    Meanwhile the event loop resolves other names.
    """
    asked: list[object] = []
    answers, resolve = Event(), socket.getaddrinfo

    def hang(host: str, *arguments: object, **options: object) -> object:
        if host != "keys.example":
            return resolve(host, *arguments, **options)  # type: ignore[arg-type]  # they are passed on
        asked.append(host)
        answers.wait(60)
        raise socket.gaierror(socket.EAI_NONAME, "no such host")

    monkeypatch.setattr(socket, "getaddrinfo", hang)

    async def run() -> None:
        endpoint = KeyEndpoint("http://keys.example/jwks", timeout=0.1, max_bytes=1024)
        for _ in range(2):
            with pytest.raises(KeysError, match="there was no whole answer"):
                await endpoint.fetch()
            await asyncio.wait_for(asyncio.get_running_loop().getaddrinfo("127.0.0.1", 80), 1)
        assert asked == ["keys.example"]
        answers.set()
        with pytest.raises(KeysError, match="its host has no address"):
            await endpoint.fetch()

    asyncio.run(run())


@contextmanager
def drop_connections(host: str, port: int) -> Iterator[None]:
    """Leave whoever connects to this address without an answer, as a network that drops packets does."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((host, port))
        listener.listen(0)
        # The first ones fill the queue of those that nobody accepts; what comes after them hangs.
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.settimeout(0)
            client.connect_ex((host, port))
        yield


def test_an_address_that_does_not_answer_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host with an IPv6 address, say, in a network where IPv6 leads nowhere."""
    resolve = socket.getaddrinfo

    def find(host: str, *arguments: object, **options: object) -> object:
        if host != "keys.example":
            return resolve(host, *arguments, **options)  # type: ignore[arg-type]  # they are passed on
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in ("127.0.0.2", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", find)
    with run_key_server(SigningKey("key")) as frontend, drop_connections("127.0.0.2", frontend.port):
        endpoint = KeyEndpoint(f"http://keys.example:{frontend.port}/jwks", timeout=2, max_bytes=65_536)
        assert list(asyncio.run(endpoint.fetch())) == ["key"]
        assert [headers["host"] for headers in frontend.headers] == [f"keys.example:{frontend.port}"]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A file with a certificate for `localhost` that no authority has signed, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + made.public_bytes(Encoding.PEM))
    return path


@pytest.mark.parametrize(
    ("host", "is_trusted", "reason"),
    [
        ("localhost", True, None),
        ("localhost", False, "its certificate is not trusted"),
        ("127.0.0.1", True, "its certificate is not trusted"),
    ],
    ids=["trusted", "self-signed", "of-another-name"],
)
def test_a_certificate_must_be_trusted_and_be_the_hosts(
    host: str, is_trusted: bool, reason: str | None, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the authorities of the system, or those that SSL_CERT_FILE names."""
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with run_key_server(SigningKey("key"), tls=tls) as frontend:
        endpoint = KeyEndpoint(f"https://{host}:{frontend.port}/jwks", timeout=PATIENCE, max_bytes=65_536)
        if reason is None:
            assert list(asyncio.run(endpoint.fetch())) == ["key"]
            return
        with pytest.raises(KeysError) as caught:
            asyncio.run(endpoint.fetch())
        assert str(caught.value) == reason
