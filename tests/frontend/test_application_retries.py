"""A create whose answer is lost and that is sent again makes one task, and what is not the same draft makes another."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.conftest import MakeDatabase
from tests.support.application import TaskPage, open_page
from tests.support.stage import UNREACHABLE, Stage, run_stage


def lose_answer(user: TaskPage, *, status: int | None = None) -> list[str]:
    """Let the next create be carried out, and its answer be lost or replaced on the way; give the keys of all."""
    keys, is_lost = list[str](), False

    def pass_on(route: Route) -> None:
        nonlocal is_lost
        if route.request.method != "POST":
            route.fallback()
            return
        keys.append(route.request.headers["idempotency-key"])
        if is_lost:
            route.fallback()
            return
        is_lost = True
        assert route.fetch().status == 201
        if status is None:
            route.abort("connectionreset")
        else:
            route.fulfill(status=status, headers={"Access-Control-Allow-Origin": "*"})

    user.page.route("**/api/*/tasks", pass_on)
    return keys


@pytest.fixture
def user(page: Page, email: str) -> TaskPage:
    """Somebody who has no task yet."""
    user = TaskPage(page)
    user.sign_up(email)
    expect(page.get_by_text("Nothing to do.")).to_be_visible()
    return user


@pytest.mark.parametrize(
    ("status", "sentence"), [(None, UNREACHABLE), (503, "The server cannot answer at the moment (503).")]
)
def test_what_is_sent_again_is_one_task(
    status: int | None, sentence: str, user: TaskPage, stage: Stage, email: str
) -> None:
    """Whether the connection broke or a proxy answered: the same key goes along until there is an answer."""
    keys = lose_answer(user, status=status)
    user.add("Buy groceries", "Milk")
    expect(user.alert).to_contain_text(sentence)
    expect(user.new_title).to_have_value("Buy groceries")
    user.press("Add")
    expect(user.new_title).to_have_value("")
    expect(user.tasks).to_have_text(["Buy groceriesMilkEditDelete"])
    expect(user.alert).to_have_count(0)
    assert stage.read_rows(email) == [("Buy groceries", "Milk", False)]
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_another_draft_is_another_task(user: TaskPage, stage: Stage, email: str) -> None:
    """What was changed after a lost answer has a key of its own, and so has the same text once it is a task."""
    keys = lose_answer(user)
    user.add("Buy groceries")
    expect(user.alert).to_contain_text(UNREACHABLE)
    for number in (2, 3):
        user.add("Buy groceries", "Milk")
        expect(user.new_title).to_have_value("")
        expect(user.tasks.filter(has_text="Milk")).to_have_count(number - 1)
    user.come_back()
    expect(user.tasks).to_have_count(3)
    both = ("Buy groceries", "Milk", False)
    assert stage.read_rows(email) == [("Buy groceries", None, False), both, both]
    assert len(set(keys)) == 3


def test_the_server_is_another_one_when_it_is_sent_again(
    application: Path, browser: Browser, make_database: MakeDatabase
) -> None:
    """It was restarted in between: what the key has made, the database knows."""
    with run_stage(application, make_database(), browser) as (backend, user, _):
        with backend.run():
            user.sign_up("alice@example.com")
            expect(user.page.get_by_text("Nothing to do.")).to_be_visible()
            keys = lose_answer(user)
            user.add("Buy groceries")
            expect(user.alert).to_contain_text(UNREACHABLE)
        with backend.run():
            user.press("Add")
            expect(user.new_title).to_have_value("")
            expect(user.tasks).to_have_count(1)
            user.page.reload()
            expect(user.tasks).to_have_count(1)
        assert len(keys) == 2


def test_what_was_deleted_meanwhile_does_not_come_back(
    user: TaskPage, browser: Browser, stage: Stage, email: str
) -> None:
    """The first answer is given again, also for a task that is gone: the page looks what is there."""
    keys = lose_answer(user)
    user.add("Buy groceries")
    expect(user.alert).to_contain_text(UNREACHABLE)
    with open_page(browser, stage.url) as page:
        other = TaskPage(page)
        other.sign_in(email)
        other.press("Delete Buy groceries")
        expect(page.get_by_text("Nothing to do.")).to_be_visible()
    user.press("Add")
    expect(user.new_title).to_have_value("")
    expect(user.page.get_by_text("Nothing to do.")).to_be_visible()
    assert stage.read_rows(email) == []
    assert len(set(keys)) == 1
