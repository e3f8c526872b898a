"""The Next.js application of the tests, built and running, and the people in front of it."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from uuid import uuid4

import httpx
from playwright.sync_api import Browser, Locator, Page

from tests.support.addresses import write_plain_url
from tests.support.better_auth import PASSWORD
from tests.support.browser import PATIENCE_MS
from tests.support.cast import SECRET
from tests.support.node import find_node, run_to_end
from tests.support.server import START_SECONDS, STOP_SECONDS, make_environment
from tests.support.waiting import wait_for

AUTH = {"BETTER_AUTH_SECRET": SECRET, "BETTER_AUTH_TELEMETRY": "0", "NEXT_TELEMETRY_DISABLED": "1"}


def build_application(folder: Path) -> None:
    """Build it, for whatever addresses it is told of later."""
    environment = make_environment(BETTER_AUTH_URL="http://localhost:3000", **AUTH)
    run_to_end(find_node(), _find_next(folder), "build", folder=folder, environment=environment)


def _find_next(folder: Path) -> Path:
    return folder.parent / "node_modules" / "next" / "dist" / "bin" / "next"


@contextmanager
def run_application(folder: Path, database_url: str, taskflow_url: str, port: int, **variables: str) -> Iterator[str]:
    """Run what has been built in a folder until the block ends; give its URL."""
    url = f"http://localhost:{port}"
    environment = make_environment(
        DATABASE_URL=write_plain_url(database_url), TASKFLOW_URL=taskflow_url, BETTER_AUTH_URL=url, **AUTH, **variables
    )
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(  # noqa: S603  our own command
            [find_node(), _find_next(folder), "start", "--port", str(port), "--hostname", "127.0.0.1"],
            env=environment,
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # whatever processes it starts end with it
        )
        try:

            def is_ready() -> bool:
                assert process.poll() is None, os.pread(log.fileno(), 100_000, 0).decode()
                try:
                    return httpx.get(f"http://127.0.0.1:{port}/").status_code == 200
                except httpx.TransportError:
                    return False

            wait_for(is_ready, START_SECONDS)
            yield url
        finally:
            with suppress(ProcessLookupError):  # it has ended by itself
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(STOP_SECONDS)


@contextmanager
def open_page(browser: Browser, url: str) -> Iterator[Page]:
    """Give the page of the application as somebody sees it who has never been there."""
    with browser.new_context(viewport={"width": 900, "height": 700}) as context:
        context.set_default_timeout(PATIENCE_MS)
        # Better Auth lets one address sign up three times in ten seconds: everybody comes from one of their own.
        address = {"X-Forwarded-For": str(IPv4Address(uuid4().int % 2**32))}
        context.route(f"{url}/api/auth/**", lambda route: route.continue_(headers=route.request.headers | address))
        page = context.new_page()
        page.goto(url)
        yield page


@dataclass(frozen=True)
class TaskPage:
    """The page of the application, as somebody uses it who sees what is on it."""

    page: Page

    @property
    def tasks(self) -> Locator:
        return self.page.get_by_role("list", name="Tasks").get_by_role("listitem")

    @property
    def alert(self) -> Locator:
        return self.page.locator(".notice[role=alert]")

    @property
    def new_title(self) -> Locator:
        return self.find_form("New task").get_by_label("Title")

    def find_form(self, name: str) -> Locator:
        return self.page.get_by_role("form", name=name)

    def enter_account(self, email: str) -> None:
        self.page.get_by_label("E-mail").fill(email)
        self.page.get_by_label("Password").fill(PASSWORD)

    def sign_up(self, email: str) -> None:
        self.page.get_by_role("button", name="I am new here").click()
        self.enter_account(email)
        self.page.get_by_role("button", name="Create account").click()

    def sign_in(self, email: str) -> None:
        self.enter_account(email)
        self.page.get_by_role("button", name="Sign in", exact=True).click()

    def fill(self, form: str, title: str, description: str) -> None:
        self.find_form(form).get_by_label("Title").fill(title)
        self.find_form(form).get_by_label("Description").fill(description)

    def add(self, title: str, description: str = "") -> None:
        self.fill("New task", title, description)
        self.press("Add")

    def edit(self, old_title: str, title: str, description: str) -> None:
        self.press(f"Edit {old_title}")
        self.fill(f"Edit {old_title}", title, description)
        self.press("Save")

    def come_back(self) -> None:
        """Look at the page again, after having looked at another one."""
        self.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()
