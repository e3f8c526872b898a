"""The list in the page: what has not changed is not sent again, and a filter takes nothing from under a hand."""

import pytest
from playwright.sync_api import Browser, Page, Response, Route, expect

from tests.support.application import TaskPage, open_page
from tests.support.stage import Stage


@pytest.fixture
def user(page: Page, email: str) -> TaskPage:
    """Somebody with two tasks, the first one done."""
    user = TaskPage(page)
    user.sign_up(email)
    expect(page.get_by_text("Nothing to do.")).to_be_visible()
    for number, title in enumerate(("Buy groceries", "Call home"), start=1):
        user.add(title)
        expect(user.tasks).to_have_count(number)
    user.tasks.nth(0).get_by_role("checkbox").click()
    expect(user.tasks.nth(0).get_by_role("checkbox")).to_be_checked()
    return user


def look_again(user: TaskPage, stage: Stage) -> Response:
    """Come back to the page; give the answer to its question for the list."""
    with user.page.expect_response(lambda response: is_list(response, stage)) as answer:
        user.come_back()
    return answer.value


def choose(user: TaskPage, stage: Stage, name: str) -> Response:
    """Choose what is shown; give the answer to the question for that, once all of it is there."""
    with user.page.expect_response(lambda response: is_list(response, stage)) as answer:
        user.page.get_by_label("Show").select_option(name)
    answer.value.finished()
    return answer.value


def is_list(response: Response, stage: Stage) -> bool:
    return response.url.startswith(stage.taskflow_url) and response.request.method == "GET"


def test_a_list_that_has_not_changed_is_not_sent_again(
    user: TaskPage, browser: Browser, stage: Stage, email: str
) -> None:
    """304, and the page keeps what it shows; after a change, it is the new list."""
    shown = ["Buy groceriesEditDelete", "Call homeEditDelete"]
    first = look_again(user, stage)
    assert first.status == 200
    for _ in range(2):
        again = look_again(user, stage)
        assert again.status == 304
        assert again.request.headers["if-none-match"] == first.headers["etag"]
        expect(user.tasks).to_have_text(shown)
    with open_page(browser, stage.url) as page:
        other = TaskPage(page)
        other.sign_in(email)
        other.press("Delete Call home")
        expect(other.tasks).to_have_count(1)
    assert look_again(user, stage).status == 200
    expect(user.tasks).to_have_text(shown[:1])
    assert stage.read_rows(email) == [("Buy groceries", None, True)]


def test_only_what_is_asked_for_is_shown(user: TaskPage, stage: Stage) -> None:
    """Whatever the lists of the other filters have as their ETag."""
    look_again(user, stage)
    for name, shown in (
        ("Open", ["Call homeEditDelete"]),
        ("Done", ["Buy groceriesEditDelete"]),
        ("All", ["Buy groceriesEditDelete", "Call homeEditDelete"]),
    ):
        assert choose(user, stage, name).status == 200
        expect(user.tasks).to_have_text(shown)
        assert look_again(user, stage).status == 304
        expect(user.tasks).to_have_text(shown)
    user.tasks.nth(0).get_by_role("checkbox").click()
    expect(user.tasks.nth(0).get_by_role("checkbox")).not_to_be_checked()
    user.page.get_by_label("Show").select_option("Done")
    expect(user.page.get_by_text("Nothing is done yet.")).to_be_visible()


def test_the_last_filter_counts(user: TaskPage) -> None:
    """Also where the answer for the one before comes after it."""
    held = list[Route]()

    def hold(route: Route) -> None:
        held.append(route)

    user.page.route("**/tasks?is_completed=false", hold, times=1)
    with user.page.expect_request("**/tasks?is_completed=false"):
        user.page.get_by_label("Show").select_option("Open")
    user.page.get_by_label("Show").select_option("Done")
    expect(user.tasks).to_have_text(["Buy groceriesEditDelete"])
    with user.page.expect_response("**/tasks?is_completed=true"):
        held[0].continue_()
    expect(user.tasks).to_have_text(["Buy groceriesEditDelete"])


def test_a_filter_takes_nothing_from_under_a_hand(user: TaskPage, stage: Stage, email: str) -> None:
    """What is being edited stays, and what was just ticked off, until the list is read again."""
    user.press("Edit Buy groceries")
    user.fill("Edit Buy groceries", "Buy vegetables", "Leek")
    assert choose(user, stage, "Open").status == 200
    expect(user.tasks.nth(1)).to_contain_text("Call home")
    user.tasks.nth(1).get_by_role("checkbox").click()
    expect(user.tasks.nth(1).get_by_role("checkbox")).to_be_checked()
    look_again(user, stage)
    expect(user.tasks).to_have_count(1)
    expect(user.find_form("Edit Buy groceries").get_by_label("Title")).to_have_value("Buy vegetables")
    user.press("Save")
    expect(user.page.get_by_text("Nothing to do.")).to_be_visible()
    assert stage.read_rows(email) == [("Buy vegetables", "Leek", True), ("Call home", None, True)]
