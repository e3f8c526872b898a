"""TaskFlow below a path, which the proxy takes off: what it writes leads back to it."""

from collections.abc import Iterator, Mapping
from urllib.parse import quote, urljoin

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.test_docs_page import authorize, list_alices_tasks
from tests.conftest import MakeDatabase
from tests.support.browser import PATIENCE_MS, collect_complaints, run_browser
from tests.support.cast import ALICE, SECRET, User
from tests.support.proxies import Proxy, needs_haproxy, needs_nginx, read_snippet, run_haproxy, run_nginx
from tests.support.server import make_environment, run_server

NGINX = {
    "upstream taskflow {\n": f"{read_snippet('nginx', 1)}upstream taskflow {{\n",
    "    location / {\n        proxy_pass http://taskflow;\n": read_snippet("nginx", 2),
}
HAPROXY = {"    default_backend taskflow\n": f"{read_snippet('haproxy', 1)}    default_backend taskflow\n"}


@pytest.fixture(
    scope="module",
    params=[pytest.param("nginx", marks=needs_nginx), pytest.param("HAProxy", marks=needs_haproxy)],
)
def proxy(request: pytest.FixtureRequest, make_database: MakeDatabase) -> Iterator[Proxy]:
    """A proxy that leads to TaskFlow below /taskflow/, as the document says."""
    environment = make_environment(DATABASE_URL=make_database(), BETTER_AUTH_SECRET=SECRET, ROOT_PATH="/taskflow")
    run_proxy, changes = {"nginx": (run_nginx, NGINX), "HAProxy": (run_haproxy, HAPROXY)}[request.param]
    with run_server(environment) as server, run_proxy([server.url, server.url], changes) as running:
        yield running


def call(proxy: Proxy, method: str, url: str, headers: Mapping[str, str], title: str | None = None) -> httpx.Response:
    body = None if title is None else {"title": title}
    return httpx.request(method, url, headers=headers, json=body, verify=proxy.trust, timeout=30)


@pytest.mark.parametrize(
    "user", [ALICE, User("a/b c"), User("50%25"), User("\U0001f95b")], ids=lambda user: ascii(user.id)
)
def test_location_and_link_lead_back(proxy: Proxy, user: User) -> None:
    """Resolved as a client does (RFC 3986), for ids that need percent-encoding too."""
    tasks = f"{proxy.url}/taskflow/api/{quote(user.id, safe='')}/tasks"
    created = [call(proxy, "POST", tasks, user.headers, title) for title in ("one", "two")]
    for answer in created:
        assert answer.status_code == 201, answer.text
        assert call(proxy, "GET", urljoin(tasks, answer.headers["Location"]), user.headers).json() == answer.json()
    first = call(proxy, "GET", f"{tasks}?limit=1", user.headers)
    second = call(proxy, "GET", urljoin(tasks, first.links["next"]["url"]), user.headers)
    assert [*first.json(), *second.json()] == [answer.json() for answer in created]


def test_the_docs_are_read_and_tried_below_the_path(proxy: Proxy) -> None:
    """In a browser: the page, what it loads, and a request that is tried from it."""
    assert call(proxy, "POST", f"{proxy.url}/taskflow{ALICE.tasks}", ALICE.headers, "Seen in a browser").is_success
    with run_browser() as browser, browser.new_context(ignore_https_errors=True) as context:
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        complaints = collect_complaints(page)
        urls: list[str] = []
        page.on("request", lambda request: urls.append(request.url))
        page.goto(f"{proxy.url}/taskflow/docs")
        authorize(page, ALICE.token)
        expect(list_alices_tasks(page)).to_contain_text("Seen in a browser")
    assert complaints == []
    assert [url for url in urls if not url.startswith((f"{proxy.url}/taskflow/", "data:"))] == []
