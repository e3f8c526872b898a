"""The browser of the machine, and pages that are watched."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
PATIENCE_MS = 15_000


@contextmanager
def run_browser() -> Iterator[Browser]:
    """Run the browser that is installed until the block ends; none is ever downloaded. Skips where there is none."""
    command = next(filter(None, map(shutil.which, BROWSERS)), None)
    if command is None:
        pytest.skip(f"needs a browser: one of {', '.join(BROWSERS)}")
    with sync_playwright() as playwright:
        # As root, which CI often is, Chromium has no sandbox.
        browser = playwright.chromium.launch(executable_path=command, args=["--no-sandbox", "--disable-gpu", *QUIET])
        yield browser
        browser.close()


def collect_complaints(page: Page) -> list[str]:
    """Give what a page will have complained about in its console; it grows."""
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
    return complaints


def keep_picture(page: Page, name: str, *, full_page: bool = True) -> None:
    """Keep a picture of a page in the folder that SCREENSHOTS names, if it does."""
    if "SCREENSHOTS" in os.environ:
        page.screenshot(path=Path(os.environ["SCREENSHOTS"]) / f"{name}.png", full_page=full_page)
