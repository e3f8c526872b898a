"""The longest requests and answers that the contract admits, through proxies as the documents configure them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import httpx
import psycopg
import pytest

from tests.support.cast import ALICE, User, authorize, sign
from tests.support.contract import check_response
from tests.support.privacy import note_text
from tests.support.proxies import PROXIES, Proxy, RunProxy, needs_nginx, run_nginx
from tests.support.server import Server

EMOJI = "\U0001f95b"
"""Four bytes of UTF-8, and twelve of a URL."""

TEXT = EMOJI * 200
LONGEST = User(EMOJI * 255)

NGINX_BUFFER = 4096
"""What nginx has for the head of an answer, unless it is told otherwise."""

TOKEN_BYTES = 16_384

CLIENT = {"X-Request-Id": "x" * 128, "Origin": "https://app.example.com"}


def sign_long(user: User) -> str:
    """Give a token of the greatest length."""

    def sign_padded(padding: int) -> str:
        return sign({"sub": user.id, "exp": int(time.time()) + 3600, "padding": "x" * padding})

    token = sign_padded((TOKEN_BYTES - len(sign_padded(0))) * 3 // 4 - 2)
    assert TOKEN_BYTES - 8 < len(token) <= TOKEN_BYTES
    return token


@contextmanager
def open_client(proxy: Proxy, user: User) -> Iterator[httpx.Client]:
    """Give a client of a proxy, with the longest token and what else makes answers long."""
    headers = {**CLIENT, **authorize(sign_long(user))}
    with httpx.Client(base_url=proxy.url, headers=headers, verify=proxy.trust, timeout=30) as client:
        yield client


def measure_head(response: httpx.Response) -> int:
    """Give the length of an answer's head as it was sent, in bytes."""
    fields = sum(len(name) + len(value) + 4 for name, value in response.headers.raw)
    return len(f"HTTP/1.1 {response.status_code} {response.reason_phrase}\r\n\r\n") + fields


def use_every_operation(client: httpx.Client, user: User) -> int:
    """Go through long lists and their tasks; give the length of the longest head."""
    note_text(TEXT)
    path = f"/api/{quote(user.id)}/tasks"
    responses = [client.post(path, json={"title": TEXT}, headers={"Idempotency-Key": "k" * 255}) for _ in range(2)]
    responses.append(client.post(path, json={"title": TEXT}))
    query: dict[str, str | int] = {"q": TEXT, "sort": "-title", "is_completed": "false", "limit": 1}
    page = client.get(path, params=query)
    cursor = httpx.URL(page.links["next"]["url"]).params["cursor"]
    responses += [page, client.get(page.links["next"]["url"]), client.get(path, params={**query, "cursor": cursor})]
    responses.append(client.get(path, params={**query, "cursor": cursor[:-8] + "AAAAAAAA"}))
    location = responses[0].headers["Location"]
    responses += [client.get(location), client.patch(location, json={"title": "x"}), client.delete(location)]
    for response in responses:
        check_response(response)
    assert [response.status_code for response in responses] == [201, 201, 201, 200, 200, 200, 422, 200, 200, 204]
    assert page.json()[0]["title"] == TEXT
    assert len(responses[4].json()) == 1
    return max(measure_head(response) for response in responses)


@pytest.mark.parametrize("user", [ALICE, LONGEST], ids=["a short user_id", "the longest user_id"])
@pytest.mark.parametrize("run_proxy", PROXIES)
def test_the_longest_requests_get_through(
    run_proxy: RunProxy, user: User, server: Server, database: psycopg.Connection
) -> None:
    """Texts of emoji, the longest token, key and request id: no answer is the proxy's."""
    assert not database.closed
    with run_proxy([server.url, server.url]) as proxy, open_client(proxy, user) as client:
        assert use_every_operation(client, user) < 2 * NGINX_BUFFER


@needs_nginx
def test_a_stock_nginx_is_enough_for_ordinary_users(server: Server, database: psycopg.Connection) -> None:
    """Its buffer for a head is 4 KiB."""
    assert not database.closed
    changes = {"proxy_buffer_size 8k;": ""}
    with run_nginx([server.url, server.url], changes) as proxy, open_client(proxy, ALICE) as client:
        assert use_every_operation(client, ALICE) < NGINX_BUFFER
