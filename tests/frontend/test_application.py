"""A Next.js application with Better Auth, played in a real browser: TaskFlow is another origin, as it will be.

SCREENSHOTS=folder keeps pictures of the page.
"""

from time import monotonic

import pytest
from playwright.sync_api import Page, Request, Route, expect

from tests.support.application import TaskPage
from tests.support.browser import collect_complaints, keep_picture
from tests.support.stage import Stage

PATIENCE_SECONDS = 60


def end_session(stage: Stage, page: Page, email: str) -> None:
    """End somebody's session behind the page's back, and let the token that the page has run out."""
    stage.database.execute('DELETE FROM session USING "user" WHERE "user".id = "userId" AND email = %s', [email])
    page.wait_for_function("start => Date.now() > start + 4000", arg=page.evaluate("Date.now()"))


def test_the_whole_story(stage: Stage, page: Page) -> None:
    """SC-005: sign up, add, edit, complete, delete, sign out, and find it all again; the page never complains."""
    complaints, user, email = collect_complaints(page), TaskPage(page), "alice@example.com"
    user.sign_up(email)
    expect(page.get_by_text("Nothing to do.")).to_be_visible()
    for title, description in (("Buy groceries", "Milk, eggs, bread"), ("Water the plants", ""), ("Call home", "")):
        user.add(title, description)
        expect(user.tasks.filter(has_text=title)).to_be_visible()
        expect(user.new_title).to_have_value("")
    user.edit("Call home", "Call the dentist", "Before Friday")
    expect(user.tasks.nth(2)).to_contain_text("Call the dentistBefore Friday")
    user.tasks.nth(0).get_by_role("checkbox").click()
    expect(user.tasks.nth(0).get_by_role("checkbox")).to_be_checked()
    page.evaluate("scrollTo(0, 0)")
    keep_picture(page, "application", full_page=False)
    user.press("Delete Water the plants")
    expect(user.tasks).to_have_count(2)
    kept = [("Buy groceries", "Milk, eggs, bread", True), ("Call the dentist", "Before Friday", False)]
    assert stage.read_rows(email) == kept
    user.press("Sign out")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.get_by_text("Your session has ended.")).to_have_count(0)
    assert "Buy groceries" not in page.content()
    user.sign_in(email)
    expect(user.tasks).to_have_count(2)
    user.edit("Buy groceries", "Buy vegetables", "")
    expect(user.tasks.nth(0)).to_contain_text("Buy vegetables")
    assert stage.read_rows(email) == [("Buy vegetables", None, True), kept[1]]
    assert complaints == []


def test_the_browser_asks_first_and_sends_the_token(stage: Stage, page: Page, email: str) -> None:
    """The page's own requests cross origins with their token; the browser's preflights for them are answered."""
    seen, preflights = list[Request](), list[str]()
    page.on("request", lambda request: seen.append(request) if request.url.startswith(stage.taskflow_url) else None)
    session = page.context.new_cdp_session(page)

    def note(event: dict[str, dict[str, str]]) -> None:
        if event["request"]["method"] == "OPTIONS":
            preflights.append(event["request"]["url"])

    session.on("Network.requestWillBeSent", note)
    session.send("Network.enable")
    user = TaskPage(page)
    user.sign_up(email)
    user.add("Buy groceries")
    expect(user.tasks).to_have_count(1)
    user.tasks.get_by_role("checkbox").click()
    expect(user.tasks.get_by_role("checkbox")).to_be_checked()
    methods = {request.method for request in seen}
    assert {"GET", "POST", "PATCH"} <= methods
    assert all(request.headers["authorization"].startswith("Bearer ey") for request in seen)
    assert all(request.headers["origin"] == stage.url for request in seen)
    assert len(set(preflights)) == 2
    assert all(url.startswith(stage.taskflow_url) for url in preflights)


def test_a_second_click_makes_no_second_task(stage: Stage, page: Page, email: str) -> None:
    """Nor does the key Enter, while the first request is under way."""
    user, held = TaskPage(page), list[Route]()
    user.sign_up(email)
    page.route(
        f"{stage.taskflow_url}/**",
        lambda route: held.append(route) if route.request.method == "POST" else route.continue_(),
    )
    user.add("Buy groceries")
    button = page.get_by_role("button", name="Add")
    expect(button).to_be_disabled()
    button.click(force=True)
    user.new_title.press("Enter")
    expect(user.new_title).not_to_be_editable()
    only = held[0]
    only.continue_()
    expect(user.new_title).to_have_value("")
    expect(user.tasks).to_have_count(1)
    assert stage.read_rows(email) == [("Buy groceries", None, False)]
    assert held == [only]
    user.tasks.get_by_role("button", name="Delete").dblclick()
    expect(user.tasks).to_have_count(0)
    expect(user.alert).to_have_count(0)


def test_what_is_wrong_is_said_where_it_is(stage: Stage, page: Page, email: str) -> None:
    """422: the sentence above, the reason beside its field, and nothing that was typed is lost."""
    user, long_title = TaskPage(page), "x" * 201
    user.sign_up(email)
    user.add(long_title, "kept")
    expect(user.alert).to_contain_text("title must have at most 200 characters.")
    expect(page.get_by_text("Title must have at most 200 characters.", exact=True)).to_be_visible()
    expect(user.new_title).to_have_attribute("aria-invalid", "true")
    expect(user.new_title).to_have_value(long_title)
    user.add("Short enough", "kept\nas typed")
    expect(user.tasks).to_have_count(1)
    assert stage.read_rows(email) == [("Short enough", "kept\nas typed", False)]
    expect(user.alert).to_have_count(0)
    expect(user.new_title).to_have_attribute("aria-invalid", "false")
    user.edit("Short enough", "", "kept")
    expect(user.alert).to_contain_text("title must not be empty.")
    user.press("Cancel")
    stage.database.execute("DELETE FROM tasks WHERE title = 'Short enough'")
    user.tasks.get_by_role("checkbox").click()
    expect(user.alert).to_contain_text("There is no task with this task_id.")
    expect(user.tasks).to_have_count(0)


def test_a_token_that_expires_is_not_noticed(stage: Stage, page: Page, email: str) -> None:
    """The application gets a new one from Better Auth, and TaskFlow has never to refuse one."""
    user, tokens, refusals = TaskPage(page), set[str](), list[int]()
    page.on("request", lambda request: tokens.add(request.headers.get("authorization", "")))
    page.on("response", lambda response: refusals.append(response.status) if response.status >= 400 else None)
    user.sign_up(email)
    expect(page.get_by_text("Nothing to do.")).to_be_visible()
    number, deadline = 0, monotonic() + PATIENCE_SECONDS
    while len(tokens - {""}) < 3:
        assert monotonic() < deadline
        number += 1
        user.add(f"Task {number}")
        expect(user.tasks).to_have_count(number)
    assert refusals == []
    assert len(stage.read_rows(email)) == number


def test_a_token_that_is_refused_is_renewed_once(page: Page, email: str) -> None:
    """Say that it expired on the way: the request is sent again with a new one, and the user sees nothing of it."""
    user, statuses = TaskPage(page), list[int]()
    user.sign_up(email)
    expect(page.get_by_text("Nothing to do.")).to_be_visible()
    page.on("response", lambda response: statuses.append(response.status) if "/tasks" in response.url else None)
    broken = ["eyJhbGciOiJFZERTQSJ9.eyJleHAiOjk5OTk5OTk5OTl9.AA"]

    def break_once(route: Route) -> None:
        if broken:
            route.fulfill(json={"token": broken.pop()})
        else:
            route.fallback()

    # The application asks for its token: what it gets is broken, once.
    page.route("**/api/auth/token", break_once)
    page.wait_for_function("start => Date.now() > start + 4000", arg=page.evaluate("Date.now()"))
    user.add("Buy groceries")
    expect(user.tasks).to_have_count(1)
    expect(user.alert).to_have_count(0)
    assert [status for status in statuses if status != 204] == [401, 201]


@pytest.mark.parametrize("has_left", [True, False])
def test_who_comes_next_sees_nothing_of_who_was_here(has_left: bool, stage: Stage, page: Page, email: str) -> None:
    """Another account at the same page, after a session has ended: its own tasks, its own token, no text of others."""
    user, statuses = TaskPage(page), list[int]()
    user.sign_up(email)
    user.add("Buy groceries")
    expect(user.tasks).to_have_count(1)
    user.new_title.fill("A secret")
    if has_left:
        user.press("Sign out")  # while the token at hand is still good
    else:
        end_session(stage, page, email)
        user.tasks.get_by_role("checkbox").click()
        expect(page.get_by_text("Your session has ended.")).to_be_visible()
    page.on("response", lambda response: statuses.append(response.status) if "/tasks" in response.url else None)
    user.sign_up(f"other-{email}")
    expect(page.get_by_text("Nothing to do.")).to_be_visible()
    expect(user.new_title).to_have_value("")
    assert set(statuses) <= {200, 204}


def test_a_session_that_has_ended_is_said_to_have(stage: Stage, page: Page, email: str) -> None:
    """Somebody has ended it elsewhere. Who signs in again finds what they were typing."""
    user = TaskPage(page)
    user.sign_up(email)
    user.add("Buy groceries")
    expect(user.tasks).to_have_count(1)
    user.press("Edit Buy groceries")
    page.get_by_role("form", name="Edit Buy groceries").get_by_label("Title").fill("Half an edi")
    end_session(stage, page, email)
    user.add("Water the plants")
    expect(page.get_by_text("Your session has ended.")).to_be_visible()
    assert stage.read_rows(email) == [("Buy groceries", None, False)]
    user.sign_in(email)
    expect(user.new_title).to_have_value("Water the plants")
    expect(page.get_by_role("form", name="Edit Buy groceries").get_by_label("Title")).to_have_value("Half an edi")
    user.press("Add")
    expect(user.tasks).to_have_count(2)
    assert [title for title, *_ in stage.read_rows(email)] == ["Buy groceries", "Water the plants"]
