"""What the user of the application sees when something behind it fails, and that it recovers without a reload."""

from pathlib import Path
from time import monotonic

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.conftest import MakeDatabase
from tests.support.addresses import find_port
from tests.support.application import run_application
from tests.support.cluster import make_cluster
from tests.support.stage import UNREACHABLE, run_stage

RECOVERY_MS = 20_000

AWAY = "The sign-in service does not answer at the moment."


def expect_complaints(complaints: list[str], *reasons: str) -> None:
    """The console holds what the browser itself says of requests that failed, and nothing of the application's."""
    assert [said for said in complaints if not any(reason in said for reason in reasons)] == []


def test_the_database_stops_and_comes_back(application: Path, browser: Browser) -> None:
    """The page shows the sentence of the 503, keeps what was typed, and finds its way back by itself."""
    with make_cluster() as cluster:
        cluster.start()
        with run_stage(application, cluster.url, browser) as (backend, user, complaints), backend.run():
            user.sign_up("alice@example.com")
            user.add("Buy groceries")
            expect(user.tasks).to_have_count(1)
            cluster.stop()
            user.add("Water the plants", "Both of them")
            expect(user.alert).to_contain_text("please retry.")
            assert user.alert.get_by_role("paragraph").inner_text() in {
                "The database is temporarily unavailable, please retry.",
                "The database did not answer in time, please retry.",
            }
            expect(user.new_title).to_have_value("Water the plants")
            expect(user.tasks).to_have_count(1)
            cluster.start()
            expect(user.alert).to_have_count(0, timeout=RECOVERY_MS)
            user.press("Add")
            expect(user.tasks).to_have_count(2)
            expect(user.tasks.nth(1)).to_contain_text("Both of them")
            expect_complaints(complaints, "503 (Service Unavailable)", "500 (Internal Server Error)")


def test_the_database_is_away_when_a_token_is_needed(application: Path, browser: Browser) -> None:
    """Better Auth needs it too: the page does not take that for the end of the session."""
    with make_cluster() as cluster:
        cluster.start()
        with run_stage(application, cluster.url, browser, TOKEN_LIFE="6s") as (backend, user, _), backend.run():
            user.sign_up("alice@example.com")
            expect(user.page.get_by_text("Nothing to do.")).to_be_visible()
            cluster.stop()
            user.new_title.fill("Buy groceries")
            deadline = monotonic() + RECOVERY_MS / 1000
            while user.alert.count() == 0 or AWAY not in user.alert.inner_text():
                assert monotonic() < deadline
                user.press("Add")
                user.page.wait_for_timeout(100)
            cluster.start()
            expect(user.alert).to_have_count(0, timeout=RECOVERY_MS)
            user.press("Add")
            expect(user.tasks).to_have_count(1)


def test_the_page_is_loaded_while_the_database_is_away(application: Path, browser: Browser) -> None:
    """Who is signed in is not told to sign in, but that it cannot be known; and is inside as soon as it can."""
    with make_cluster() as cluster:
        cluster.start()
        with run_stage(application, cluster.url, browser) as (backend, user, _), backend.run():
            user.sign_up("alice@example.com")
            user.add("Buy groceries")
            expect(user.tasks).to_have_count(1)
            cluster.stop()
            user.page.reload()
            expect(user.alert).to_contain_text(AWAY)
            cluster.start()
            expect(user.tasks).to_have_count(1, timeout=RECOVERY_MS)
            expect(user.alert).to_have_count(0)


def test_without_its_database_the_application_does_not_start(application: Path) -> None:
    """It ends and says why, so that whoever runs it starts it again."""
    nowhere = "postgresql://nobody@127.0.0.1:9/nothing"
    with (
        pytest.raises(AssertionError, match=r"Better Auth's tables cannot be made: connect ECONNREFUSED"),
        run_application(application, nowhere, "http://127.0.0.1:9", find_port()),
    ):
        pass


def test_something_on_the_way_answers_instead(application: Path, browser: Browser, make_database: MakeDatabase) -> None:
    """A proxy knows no problem documents. Its answers, one without a body included, are failures all the same."""
    answers = ["<h1>Bad Gateway</h1>", "", '{"detail": ["x"], "errors": [{"code": 1}]}']
    bodies = iter(answers)
    with run_stage(application, make_database(), browser) as (backend, user, _), backend.run():
        user.sign_up("alice@example.com")
        user.add("Buy groceries")
        expect(user.tasks).to_have_count(1)
        origin = {"Access-Control-Allow-Origin": "*"}

        def refuse(route: Route) -> None:
            if route.request.method == "DELETE" and (body := next(bodies, None)) is not None:
                headers = origin | {"Content-Length": str(len(body))}
                route.fulfill(status=502, headers=headers, content_type="application/json", body=body)
            else:
                route.continue_()

        user.page.route(f"{backend.url}/**", refuse)
        for _ in answers:
            user.press("Delete Buy groceries")
            expect(user.alert).to_contain_text("The server cannot answer at the moment (502).")
            expect(user.tasks).to_have_count(1)
            user.press("Try again")
            expect(user.alert).to_have_count(0)
        user.press("Delete Buy groceries")
        expect(user.page.get_by_text("Nothing to do.")).to_be_visible()


def test_better_auth_cannot_be_reached(application: Path, browser: Browser, make_database: MakeDatabase) -> None:
    """The forms say so, and keep what was typed; nothing is stuck when it is back."""
    with run_stage(application, make_database(), browser) as (backend, user, complaints), backend.run():
        said = user.page.get_by_text(AWAY)
        user.page.route("**/api/auth/sign-*", lambda route: route.abort())
        user.page.route("**/api/auth/sign-*/**", lambda route: route.abort())
        user.sign_up("alice@example.com")
        expect(said).to_be_visible()
        expect(user.page.get_by_label("E-mail")).to_have_value("alice@example.com")
        user.page.unroute("**/api/auth/sign-*/**")
        user.press("Create account")
        user.new_title.fill("Buy groceries")
        user.press("Sign out")
        expect(said).to_be_visible()
        expect(user.new_title).to_have_value("Buy groceries")
        user.page.unroute("**/api/auth/sign-*")
        user.press("Sign out")
        expect(user.page.get_by_role("heading", name="Sign in")).to_be_visible()
        expect(said).to_have_count(0)
        expect_complaints(complaints, "ERR_FAILED")


@pytest.mark.parametrize("by", ["itself", "hand"])
def test_taskflow_is_restarted(by: str, application: Path, browser: Browser, make_database: MakeDatabase) -> None:
    """The page says that it cannot be reached, keeps what was typed, and recovers by itself or at a click."""
    with run_stage(application, make_database(), browser) as (backend, user, complaints):
        with backend.run():
            user.sign_up("alice@example.com")
            user.add("Buy groceries")
            expect(user.tasks).to_have_count(1)
        if by == "hand":
            user.page.evaluate("window.setTimeout = () => 0")  # nothing happens by itself any more
        user.add("Water the plants")
        expect(user.alert).to_contain_text(UNREACHABLE)
        expect(user.new_title).to_have_value("Water the plants")
        with user.page.expect_event("requestfailed", lambda request: request.method == "PATCH"):
            user.tasks.get_by_role("checkbox").click()
        expect(user.alert).to_contain_text(UNREACHABLE)
        expect(user.tasks.get_by_role("checkbox")).not_to_be_checked()
        with backend.run():
            if by == "hand":
                user.press("Try again")
            expect(user.alert).to_have_count(0, timeout=RECOVERY_MS)
            user.press("Add")
            expect(user.tasks).to_have_count(2)
            expect(user.new_title).to_have_value("")
            expect_complaints(complaints, "ERR_CONNECTION_REFUSED")


def test_taskflow_is_not_there_yet(application: Path, browser: Browser, make_database: MakeDatabase) -> None:
    """Who signs up meanwhile is told so, and sees the tasks as soon as it is."""
    with run_stage(application, make_database(), browser) as (backend, user, _):
        user.sign_up("alice@example.com")
        expect(user.alert).to_contain_text(UNREACHABLE)
        with backend.run():
            expect(user.page.get_by_text("Nothing to do.")).to_be_visible(timeout=RECOVERY_MS)
            expect(user.alert).to_have_count(0)
