"""Two pages of one user change the same task: nobody overwrites or deletes what they have not seen, or loses a word."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Locator, Page, Request, Route, expect

from tests.support.application import TaskPage, open_page
from tests.support.browser import collect_complaints, keep_picture
from tests.support.stage import Stage

SPARED = "Somebody has changed this task, so it is not deleted yet."
GONE = "Somebody has deleted this task."


@dataclass(frozen=True)
class Pair:
    """Two pages of the same user, both of which show the task `Buy groceries`, `Milk`."""

    mine: TaskPage
    theirs: TaskPage

    @property
    def newest(self) -> Locator:
        """What is there now, as my page shows it."""
        return self.mine.tasks.get_by_role("alert")

    def open_editor(self, title: str, description: str) -> None:
        """Write over both fields in my page, and do not save it yet."""
        self.mine.press("Edit Buy groceries")
        self.mine.fill("Edit Buy groceries", title, description)


@pytest.fixture
def pair(page: Page, browser: Browser, stage: Stage, email: str) -> Iterator[Pair]:
    """The second one, in another browser, is opened when the task is there."""
    mine = TaskPage(page)
    mine.sign_up(email)
    mine.add("Buy groceries", "Milk")
    expect(mine.tasks).to_have_count(1)
    with open_page(browser, stage.url) as other:
        theirs = TaskPage(other)
        theirs.sign_in(email)
        expect(theirs.tasks).to_have_text(["Buy groceriesMilkEditDelete"])
        yield Pair(mine, theirs)


def change_theirs(pair: Pair, title: str, description: str) -> None:
    pair.theirs.edit("Buy groceries", title, description)
    expect(pair.theirs.tasks).to_have_text([f"{title}{description}EditDelete"])


def expect_task_in_both(pair: Pair, text: str) -> None:
    """The page that has changed it last shows it, and the other one once somebody looks at it again."""
    expect(pair.mine.tasks).to_have_text([f"{text}EditDelete"])
    pair.theirs.come_back()
    expect(pair.theirs.tasks).to_have_text([f"{text}EditDelete"])


def test_a_conflict_is_shown_and_mine_is_kept(pair: Pair, stage: Stage, email: str) -> None:
    """What is there now stands above what was typed; nothing is saved before its author has decided."""
    complaints = collect_complaints(pair.mine.page)
    pair.open_editor("Buy vegetables", "Leek")
    change_theirs(pair, "Buy bread", "Rye")
    pair.mine.press("Save")
    expect(pair.newest).to_contain_text("Somebody has changed this task, so yours is not saved yet.")
    expect(pair.newest.get_by_role("definition")).to_have_text(["Buy bread", "Rye"])
    form = pair.mine.find_form("Edit Buy bread")
    expect(form.get_by_label("Title")).to_have_value("Buy vegetables")
    expect(form.get_by_label("Description")).to_have_value("Leek")
    expect(pair.mine.alert).to_have_count(0)
    keep_picture(pair.mine.page, "conflict", full_page=False)
    assert stage.read_rows(email) == [("Buy bread", "Rye", False)]
    pair.mine.press("Keep mine")
    expect_task_in_both(pair, "Buy vegetablesLeek")
    assert stage.read_rows(email) == [("Buy vegetables", "Leek", False)]
    assert [said for said in complaints if "412 (Precondition Failed)" not in said] == []
    assert len(complaints) == 1


def test_a_conflict_is_shown_and_theirs_is_taken(pair: Pair, stage: Stage, email: str) -> None:
    """The page shows theirs, and nothing more is sent."""
    changes = list[Request]()
    pair.open_editor("Buy vegetables", "Leek")
    change_theirs(pair, "Buy bread", "Rye")
    pair.mine.press("Save")
    expect(pair.newest).to_be_visible()
    pair.mine.page.on("request", lambda request: changes.append(request) if request.method == "PATCH" else None)
    pair.mine.press("Take theirs")
    expect_task_in_both(pair, "Buy breadRye")
    assert stage.read_rows(email) == [("Buy bread", "Rye", False)]
    assert changes == []


def test_what_was_not_touched_becomes_what_it_is_now(pair: Pair, stage: Stage, email: str) -> None:
    """Who has edited the description only does not undo another title; that there is one, they see first."""
    pair.open_editor("Buy groceries", "Milk, eggs")
    change_theirs(pair, "Buy food", "Milk")
    pair.mine.press("Save")
    expect(pair.newest.get_by_role("definition")).to_have_text(["Buy food", "Milk"])
    expect(pair.mine.find_form("Edit Buy food").get_by_label("Title")).to_have_value("Buy food")
    assert stage.read_rows(email) == [("Buy food", "Milk", False)]
    pair.mine.press("Keep mine")
    expect_task_in_both(pair, "Buy foodMilk, eggs")
    assert stage.read_rows(email) == [("Buy food", "Milk, eggs", False)]


def test_a_conflict_may_be_met_by_another(pair: Pair, stage: Stage, email: str) -> None:
    """Theirs has changed again while mine was thought about: it is shown again, and what was typed is still there."""
    pair.open_editor("Buy vegetables", "")
    change_theirs(pair, "Buy bread", "Rye")
    pair.mine.press("Save")
    expect(pair.newest.get_by_role("definition")).to_have_text(["Buy bread", "Rye"])
    pair.theirs.edit("Buy bread", "Buy bread", "")
    expect(pair.theirs.tasks).to_have_text(["Buy breadEditDelete"])
    pair.mine.fill("Edit Buy bread", "Buy vegetables and bread", "")
    pair.mine.press("Keep mine")
    expect(pair.newest.get_by_role("definition")).to_have_text(["Buy bread", "none"])
    assert stage.read_rows(email) == [("Buy bread", None, False)]
    pair.mine.press("Keep mine")
    expect_task_in_both(pair, "Buy vegetables and bread")
    assert stage.read_rows(email) == [("Buy vegetables and bread", None, False)]


def test_where_nothing_is_in_doubt_nobody_is_asked(pair: Pair, stage: Stage, email: str) -> None:
    """Theirs was a tick, which the edit leaves alone; and then the same words as mine."""
    pair.open_editor("Buy vegetables", "Leek")
    pair.theirs.tasks.get_by_role("checkbox").click()
    expect(pair.theirs.tasks.get_by_role("checkbox")).to_be_checked()
    pair.mine.press("Save")
    expect_task_in_both(pair, "Buy vegetablesLeek")
    assert stage.read_rows(email) == [("Buy vegetables", "Leek", True)]
    for user in (pair.mine, pair.theirs):
        user.press("Edit Buy vegetables")
        user.fill("Edit Buy vegetables", "Buy food", "Leek")
    for user in (pair.mine, pair.theirs):
        user.press("Save")
        expect(user.tasks).to_have_text(["Buy foodLeekEditDelete"])
    assert stage.read_rows(email) == [("Buy food", "Leek", True)]


def test_a_saved_edit_whose_answer_was_lost_is_no_conflict(pair: Pair, stage: Stage, email: str) -> None:
    """The second try finds its own words there."""
    pair.open_editor("Buy vegetables", "Leek")

    def lose_answer(route: Route) -> None:
        route.fetch()
        route.abort("connectionreset")

    pair.mine.page.route(
        f"{stage.taskflow_url}/**",
        lambda route: lose_answer(route) if route.request.method == "PATCH" else route.fallback(),
        times=1,
    )
    pair.mine.press("Save")
    expect(pair.mine.alert).to_contain_text("The server cannot be reached.")
    assert stage.read_rows(email) == [("Buy vegetables", "Leek", False)]
    pair.mine.press("Save")
    expect_task_in_both(pair, "Buy vegetablesLeek")


def test_nobody_deletes_what_they_have_not_seen(pair: Pair, stage: Stage, email: str) -> None:
    """It is shown as it is now; who still wants it gone deletes that."""
    change_theirs(pair, "Keep the receipts", "For the taxes")
    pair.mine.press("Delete Buy groceries")
    expect(pair.mine.tasks.get_by_role("alert")).to_contain_text(SPARED)
    expect(pair.mine.tasks.locator("label")).to_have_text(["Keep the receiptsFor the taxes"])
    assert stage.read_rows(email) == [("Keep the receipts", "For the taxes", False)]
    pair.mine.press("Delete Keep the receipts")
    expect(pair.mine.page.get_by_text("Nothing to do.")).to_be_visible()
    assert stage.read_rows(email) == []


def test_a_tick_is_not_asked_about(pair: Pair, stage: Stage, email: str) -> None:
    """It says one thing, whatever the text is meanwhile; which is shown along with it."""
    change_theirs(pair, "Buy bread", "Rye")
    pair.mine.tasks.get_by_role("checkbox").click()
    expect(pair.mine.tasks.get_by_role("checkbox")).to_be_checked()
    expect_task_in_both(pair, "Buy breadRye")
    assert stage.read_rows(email) == [("Buy bread", "Rye", True)]


def test_what_was_typed_outlives_its_task(pair: Pair, stage: Stage, email: str) -> None:
    """Somebody else has deleted it: the text stays, and may become a new task."""
    pair.open_editor("Buy vegetables", "Leek")
    pair.theirs.press("Delete Buy groceries")
    expect(pair.theirs.tasks).to_have_count(0)
    pair.mine.press("Save")
    expect(pair.mine.tasks.get_by_role("alert")).to_contain_text(GONE)
    form = pair.mine.find_form("Edit Buy groceries")
    expect(form.get_by_label("Title")).to_have_value("Buy vegetables")
    expect(form.get_by_label("Description")).to_have_value("Leek")
    pair.mine.press("Add as a new task")
    expect_task_in_both(pair, "Buy vegetablesLeek")
    assert stage.read_rows(email) == [("Buy vegetables", "Leek", False)]
