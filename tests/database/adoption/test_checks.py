"""Check constraints: one that is true of every task stays, and any other keeps the table from being adopted."""

import psycopg
import pytest

from taskflow.database.migrations import NEWEST_VERSION, migrate
from tests.support.adoption import add, expect_refusal, run

HARMLESS = [
    "id > -1",
    "id::bigint <= 9007199254740991",
    "id <> 0 AND id >= 1",
    "is_completed IN (true, false)",
    "is_completed OR NOT is_completed",
    "updated_at >= created_at",
    "created_at <= updated_at AND created_at IS NOT NULL",
    "octet_length(title) <= 800",
    "octet_length(user_id) BETWEEN 1 AND 1020",
    "char_length(title) > 0 AND char_length(title) <= 200 AND id > 0 AND user_id <> ''",
    "length(title) BETWEEN 1 AND 200 AND length(user_id) BETWEEN 1 AND 255 AND updated_at >= created_at",
    "length(title) < 201 OR is_completed",
    "title IS NOT NULL AND user_id IS NOT NULL AND is_completed IS NOT NULL",
    "length(title) NOT IN (0, 201, 202)",
]

REFUSED = {
    "id > 1": "id",
    "id < 9007199254740991": "id",
    "id IN (1, 2)": "id",
    "is_completed": "is_completed",
    "NOT is_completed": "is_completed",
    "updated_at > created_at": "created_at, updated_at",
    "created_at >= updated_at": "created_at, updated_at",
    "created_at > '2020-01-01'": "created_at",
    "octet_length(title) <= 799": "title",
    "octet_length(user_id) <= 1000": "user_id",
    "octet_length(title) = length(title)": "title",
    "length(title) > 0 AND length(user_id) = 36": "user_id, title",
    "length(title) < 200 OR is_completed": "title, is_completed",
    "length(title) NOT IN (0, 17)": "title",
    "length(title) + 1 > 1": "title",
    "title >= ''": "title",
    "id % 2 = 0 OR id % 2 = 1": "id",
}


@pytest.mark.parametrize("check", HARMLESS)
def test_a_check_that_is_true_of_every_task_stays(check: str, url: str) -> None:
    """Whether it is of one column or of several."""
    run(url, add(f"ALTER TABLE tasks ADD CONSTRAINT ours CHECK ({check})"))
    assert migrate(url) == NEWEST_VERSION
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT 1 FROM pg_constraint WHERE conname = 'ours'").fetchall() == [(1,)]


@pytest.mark.parametrize("check", REFUSED)
def test_a_check_that_is_not_true_of_every_task_is_refused(check: str, url: str) -> None:
    """Its columns are named. One that cannot be judged counts as one of these."""
    schema = add(f"ALTER TABLE tasks ADD CONSTRAINT ours CHECK ({check})")
    expect_refusal(url, schema, f"its check constraint ours on {REFUSED[check]} can refuse a task: drop it")


@pytest.mark.parametrize("check", ["title <> ''", "user_id <> '' AND title <> ''", "length(title) BETWEEN 1 AND 200"])
def test_a_check_of_a_text_column_stays(check: str, url: str) -> None:
    """PostgreSQL writes it otherwise than that of a varchar."""
    run(url, add(f"ALTER TABLE tasks ALTER title TYPE text, ALTER user_id TYPE text, ADD CHECK ({check})"))
    assert migrate(url) == NEWEST_VERSION


def test_the_order_of_times_must_have_been_validated(url: str) -> None:
    """A row from before the check may be against it, and could not be changed."""
    expect_refusal(
        url,
        add("ALTER TABLE tasks ADD CONSTRAINT ours CHECK (updated_at >= created_at) NOT VALID"),
        "its check constraint ours on created_at, updated_at can refuse a task: drop it",
    )


def test_a_check_of_too_many_numbers_is_not_judged(url: str) -> None:
    """It would take long."""
    numbers = ", ".join(str(number) for number in range(100, 300, 2))
    schema = add(
        f"ALTER TABLE tasks ADD CONSTRAINT ours CHECK (octet_length(title) NOT IN ({numbers})"
        " OR octet_length(user_id) > 0 OR id > 0)"
    )
    expect_refusal(url, schema, "its check constraint ours on id, user_id, title can refuse a task: drop it")
