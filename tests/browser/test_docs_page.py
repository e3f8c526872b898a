"""/docs in a real browser that has no network but this server: read the contract there, and try it.

SCREENSHOTS=folder keeps a picture of how the page looks at the end of each test.
"""

from collections.abc import Iterator

import httpx
import pytest
import yaml
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.support.browser import PATIENCE_MS, collect_complaints, keep_picture, run_browser
from tests.support.cast import ALICE
from tests.support.contract import CONTRACT
from tests.support.server import Server
from tests.support.tasks import create_task


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The browser of the machine."""
    with run_browser() as running:
        yield running


@pytest.fixture
def page(browser: Browser, server: Server, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page /docs, loaded. At the end, whatever it asked of another server or complained about is a failure."""
    strangers: list[str] = []

    def admit(route: Route) -> None:
        if route.request.url.startswith(f"{server.url}/"):
            route.continue_()
        else:
            strangers.append(route.request.url)
            route.abort()

    with browser.new_context(base_url=server.url, viewport={"width": 1280, "height": 1600}) as context:
        context.set_default_timeout(PATIENCE_MS)
        context.route("**/*", admit)
        page = context.new_page()
        complaints = collect_complaints(page)
        page.goto("/docs")
        yield page
        keep_picture(page, request.node.name)
    assert strangers + complaints == []


def open_operation(page: Page, operation_id: str) -> Locator:
    """Unfold an operation."""
    operation = page.locator(f"#operations-Tasks-{operation_id}")
    operation.locator(".opblock-summary").click()
    return operation


def authorize(page: Page, token: str) -> None:
    """Hand the page a token, as a reader would."""
    page.get_by_role("button", name="Authorize").first.click()
    dialog = page.locator(".modal-ux")
    dialog.get_by_role("textbox").fill(token)
    dialog.get_by_role("button", name="Apply credentials").click()
    dialog.get_by_role("button", name="Close").click()


def list_alices_tasks(page: Page) -> Locator:
    """Try listTasks out; give the answer as it is shown."""
    operation = open_operation(page, "listTasks")
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_placeholder("user_id").fill(ALICE.id)
    operation.get_by_role("button", name="Execute").click()
    return operation.locator(".live-responses-table tbody")


PROBES = {
    "script-src-elem": "document.head.append(Object.assign(document.createElement('script'), {src: ELSEWHERE}))",
    "style-src-elem": "document.head.append(document.createElement('style'))",
    "img-src": "new Image().src = ELSEWHERE",
    "connect-src": "fetch(ELSEWHERE).catch(() => {})",
    "script-src-attr": "document.body.innerHTML = '<p onclick=\"1\">'",
    "frame-src": "document.body.append(Object.assign(document.createElement('iframe'), {src: ELSEWHERE}))",
    "form-action": "const form = document.createElement('form'); form.action = ELSEWHERE;"
    " document.body.append(form); form.submit()",
}


@pytest.mark.parametrize("directive", PROBES)
def test_the_page_may_do_nothing_that_it_need_not(directive: str, browser: Browser, server: Server) -> None:
    """Whatever a contract or an answer would smuggle into it could neither load, nor run, nor send anything away."""
    with browser.new_context(base_url=server.url) as context:
        page = context.new_page()
        page.goto("/docs")
        violated = page.evaluate(
            "([probe]) => new Promise((resolve) => {"
            "  addEventListener('securitypolicyviolation', (event) => resolve(event.effectiveDirective));"
            "  new Function('ELSEWHERE', probe)('https://elsewhere.example');"
            "})",
            [PROBES[directive]],
        )
    assert violated == directive


def test_the_page_shows_every_operation(page: Page) -> None:
    """NFR-006, SC-008: method, path and summary of each, in the order of the contract."""
    expected = [
        [method.upper(), path, operation["summary"]]
        for path, item in yaml.safe_load(CONTRACT.read_text())["paths"].items()
        for method, operation in item.items()
    ]
    blocks = page.locator(".opblock")
    expect(blocks).to_have_count(len(expected))
    shown = [
        [
            block.locator(".opblock-summary-method").inner_text(),
            block.locator("[data-path]").get_attribute("data-path"),
            block.locator(".opblock-summary-description").inner_text(),
        ]
        for block in blocks.all()
    ]
    assert shown == expected
    expect(page.locator(".info .title")).to_contain_text("TaskFlow API")


def test_an_operation_can_be_tried_with_a_token(page: Page, alice: httpx.Client) -> None:
    """Authorize, Try it out, Execute: the answer stands below."""
    task = create_task(alice, ALICE, title="Buy groceries, then bread")
    authorize(page, ALICE.token)
    answer = list_alices_tasks(page)
    expect(answer.locator(".response-col_status")).to_have_text("200")
    expect(answer).to_contain_text(f'"title": "{task["title"]}"')


def test_the_token_outlives_a_reload(page: Page, alice: httpx.Client) -> None:
    """A reader hands it over once."""
    create_task(alice, ALICE, title="Buy groceries, then bread")
    authorize(page, ALICE.token)
    page.reload()
    answer = list_alices_tasks(page)
    expect(answer.locator(".response-col_status")).to_have_text("200")
    expect(answer).to_contain_text("Buy groceries, then bread")


def test_the_examples_of_a_body_can_be_chosen(page: Page) -> None:
    """Both examples of a patch are offered by their summaries, and shown when chosen."""
    operation = open_operation(page, "updateTask")
    body = operation.locator(".opblock-section-request-body")
    chooser = body.locator(".examples-select select")
    expect(chooser.locator("option")).to_have_text(["Complete it", "A new title, no description"])
    chooser.select_option("rewrite")
    expect(body.locator(".highlight-code")).to_contain_text('"title": "Buy vegetables"')
