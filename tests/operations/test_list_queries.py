"""listTasks with parameters: filters, search and order give exactly the tasks that they say, in exactly that order."""

from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from tests.support.cast import ALICE, BOB
from tests.support.logs import open_scene
from tests.support.operations import OPERATIONS, Operation
from tests.support.problems import expect_problem
from tests.support.refusals import check_parameter_refusal
from tests.support.tasks import create_task

SORTS = ["id", "-id", "created_at", "-created_at", "updated_at", "-updated_at", "title", "-title"]

TITLES = ["milk", "Milk", "eggs", "Ägypten", "100%", "milk", "a_b", "axb", "\U0001f95b", "C:\\milk", "", "zebra"]
"""Equal ones, with what LIKE gives a meaning to, in the order of neither the alphabet nor a locale."""


@pytest.fixture
def tasks(alice: httpx.Client, database: psycopg.Connection) -> list[dict[str, Any]]:
    """Alice's tasks, whose times are equal here and there and in another order than their ids; Bob has some too."""
    for number, title in enumerate(TITLES):
        database.execute(
            "INSERT INTO tasks (user_id, title, description, is_completed, created_at, updated_at)"
            " VALUES ('alice', %(title)s, %(description)s, %(done)s,"
            " '2026-01-05 10:30:00.000001Z'::timestamptz - %(created)s * interval '1 microsecond',"
            " '2026-01-06 10:30:00Z'::timestamptz + %(updated)s * interval '1 second')",
            {
                "title": title or "untitled",
                "description": [None, "", "Milk, eggs", "no % here"][number % 4],
                "done": number % 3 == 0,
                "created": number // 2,
                "updated": number * 5 % 12 // 3,
            },
        )
        database.execute("INSERT INTO tasks (user_id, title) VALUES ('bob', %s)", [title or "untitled"])
    listed: list[dict[str, Any]] = alice.get(ALICE.tasks).json()
    assert len(listed) == len(TITLES)
    return listed


def sort_tasks(tasks: list[dict[str, Any]], sort: str) -> list[dict[str, Any]]:
    """Give tasks in an order, ties broken by id in the same direction."""
    column = sort.removeprefix("-")
    return sorted(tasks, key=lambda task: (task[column], task["id"]), reverse=sort.startswith("-"))


def walk_pages(client: httpx.Client, path: str, **parameters: Any) -> Iterator[list[dict[str, Any]]]:  # noqa: ANN401  httpx's own
    """Give the pages of a list, following each page's link."""
    response = client.get(path, params=parameters)
    assert response.status_code == 200, response.text
    yield response.json()
    while "next" in response.links:
        response = client.get(response.links["next"]["url"])
        assert response.status_code == 200, response.text
        yield response.json()


@pytest.mark.parametrize("sort", SORTS)
def test_a_list_comes_in_the_order_that_is_asked_for(
    alice: httpx.Client, tasks: list[dict[str, Any]], sort: str
) -> None:
    """Times to the microsecond, titles by code point, and what is equal by id."""
    assert alice.get(ALICE.tasks, params={"sort": sort}).json() == sort_tasks(tasks, sort)


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("limit", [1, 2, 5, 11, 12, 13, 1000])
def test_pages_give_every_task_once_and_in_order(
    alice: httpx.Client, tasks: list[dict[str, Any]], sort: str, limit: int
) -> None:
    """All are full but the last, and none is empty."""
    pages = list(walk_pages(alice, ALICE.tasks, sort=sort, limit=limit))
    assert [task for page in pages for task in page] == sort_tasks(tasks, sort)
    assert [len(page) for page in pages] == [limit] * (12 // limit) + ([12 % limit] if 12 % limit else [])


@pytest.mark.parametrize("is_completed", [True, False])
def test_completed_tasks_and_others_are_told_apart(
    alice: httpx.Client, tasks: list[dict[str, Any]], *, is_completed: bool
) -> None:
    """Each list is the other's complement."""
    response = alice.get(ALICE.tasks, params={"is_completed": str(is_completed).lower()})
    assert response.json() == [task for task in tasks if task["is_completed"] is is_completed]


@pytest.mark.parametrize(
    "text",
    ["milk", "MILK", "ilk", "ägypten", "%", "_", "\\", "no % here", "\U0001f95b", "a_b", " ", "%%", "nothing", "'"],
)
def test_a_search_finds_a_text_in_titles_and_descriptions(
    alice: httpx.Client, tasks: list[dict[str, Any]], text: str
) -> None:
    """In upper and lower case, and no character stands for others."""
    wanted = text.lower()
    found = [task for task in tasks if wanted in task["title"].lower() or wanted in (task["description"] or "").lower()]
    assert alice.get(ALICE.tasks, params={"q": text}).json() == found


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        ("Cafe\u0301", "Caf\u00e9"),
        ("Caf\u00e9", "Cafe\u0301"),
        ("CAFE\u0301", "caf\u00e9"),
        ("caf\u00e9", "CAFE\u0301"),
        ("a Cafe\u0301, and Caf\u00e9", "cafe\u0301, and Cafe\u0301"),
        ("e\u0323\u0302", "\u1ec7"),
        ("e\u0302\u0323", "\u1ec7"),
        ("\u00ea\u0323", "\u1eb9\u0302"),
        ("\u212b", "\u00c5"),
        ("A\u030a", "\u212b"),
        ("\u1112\u1161\u11ab\u1100\u116e\u11a8", "\ud55c\uad6d"),
        ("\ud55c\uad6d", "\u1112\u1161\u11ab"),
        ("\u304b\u3099", "\u304c"),
        ("\u0915\u093c", "\u0958"),
        ("\U0001d157\U0001d165", "\U0001d15e"),
        ("q\u0307\u0323", "q\u0323\u0307"),
        ("x\u0301", "\u0301"),
        ("x" + "\u0301\u0323" * 15, "x" + "\u0323" * 15 + "\u0301" * 15),
        ("e\u0301 " * 60, "\u00e9 " * 60),
        # Long runs of letters, in scripts that put no spaces between words or whose block has marks too.
        *(
            (letters + " Cafe\u0301", text)
            for letters in (
                "\u0e01" * 40,
                "\u1000" * 40,
                "\u10d0" * 40,
                "\u0628" * 35,
                "\u0915" * 36,
                "\U00012000" * 40,
            )
            for text in ("Caf\u00e9", "Cafe\u0301")
        ),
        ("\u1000" * 31 + "\u1025\u102e", "\u1026"),
        ("\u1026", "\u1025\u102e"),
        # Capitals that are two characters, and one in lower case.
        ("T\u0308", "\u1e97"),
        ("J\u030c", "\u01f0"),
        ("H\u0331", "\u1e96"),
        ("W\u030a", "\u1e98"),
        ("\u1e97", "T\u0308"),
        ("\u0399\u0308\u0301", "\u0390"),
        ("\u0390", "\u0399\u0308\u0301"),
        # Too many marks in a row to be put in order: the very text is found all the same.
        ("x" + "\u0301\u0323" * 16, "x" + "\u0301\u0323" * 16),
    ],
    ids=ascii,
)
def test_a_search_finds_characters_however_they_are_composed(alice: httpx.Client, stored: str, text: str) -> None:
    """Canonically equivalent texts are the same (UAX #15); what is stored stays as it was sent."""
    tasks = [
        create_task(alice, ALICE, title=stored),
        create_task(alice, ALICE, description=f"before {stored} behind"),
    ]
    create_task(alice, ALICE, title="something else", description=None)
    assert alice.get(ALICE.tasks, params={"q": text}).json() == tasks
    assert (tasks[0]["title"], tasks[1]["description"]) == (stored, f"before {stored} behind")


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        ("Caf\u00e9", "Cafe"),
        ("Cafe\u0301", "Cafe"),
        ("Cafe", "Caf\u00e9"),
        ("Caf\u00e9", "\u0301"),
        ("e\u0301", "e\u0300"),
        ("\ufb01sh", "fish"),
        ("\uff41", "a"),
        ("\u00b2", "2"),
        ("1\u00bd", "11"),
        ("x" + "\u0301\u0323" * 16, "x\u0323"),
    ],
    ids=ascii,
)
def test_a_search_tells_other_characters_apart(alice: httpx.Client, stored: str, text: str) -> None:
    """A letter without its accent is another one, and so is what merely looks alike (compatibility characters)."""
    create_task(alice, ALICE, title=stored, description=stored)
    assert alice.get(ALICE.tasks, params={"q": text}).json() == []


NEARLY = {"first": "b" + "a" * 199, "last": "a" * 199 + "b", "middle": "a" * 100 + "b" + "a" * 99}
"""Searches that nearly fit everywhere in a text of `a` alone, by the place of the wrong letter."""


@pytest.mark.parametrize("text", NEARLY.values(), ids=NEARLY)
def test_a_search_costs_no_more_for_a_text_that_nearly_fits(
    alice: httpx.Client, database: psycopg.Connection, text: str
) -> None:
    """Neither in long texts nor in many: ILIKE, which takes text times pattern, would miss the deadline."""
    insert = (
        "INSERT INTO tasks (user_id, title, description)"
        " SELECT 'alice', 'x', repeat('a', %s) FROM generate_series(1, %s)"
    )
    database.execute(insert, [1_000, 10_000])
    database.execute(insert, [1_000_000, 8])
    task = create_task(alice, ALICE, description="a" * 1_000 + text.upper() + "a" * 1_000)
    assert alice.get(ALICE.tasks, params={"q": text}).json() == [task]


@pytest.mark.parametrize(
    "description",
    ["\u0301\u0323" * 100_000, "a\U00010efd\u0301\u0323" * 1_000 + "\u0301\u0323" * 50_000, "e\u0301" * 100_000],
    ids=["marks", "marks behind letters", "letters with marks"],
)
def test_a_search_takes_any_text_apart_in_time(alice: httpx.Client, description: str) -> None:
    """PostgreSQL would put a hundred thousand marks into order for minutes, and could not be stopped meanwhile."""
    task = create_task(alice, ALICE, description=description)
    assert alice.get(ALICE.tasks, params={"q": "groceries"}).json() == [task]
    assert alice.get(ALICE.tasks, params={"q": "caf\u00e9"}).json() == []


def test_everything_at_once(alice: httpx.Client, tasks: list[dict[str, Any]]) -> None:
    """Filters, search, order and pages; the link repeats only the limit, and the cursor keeps the rest."""
    parameters: dict[str, str | int] = {"is_completed": "false", "q": "MILK", "sort": "-title", "limit": 2}
    open_tasks = [task for task in tasks if not task["is_completed"]]
    found = [task for task in open_tasks if "milk" in f"{task['title']} {task['description']}".lower()]
    response = alice.get(ALICE.tasks, params=parameters)
    link = httpx.URL(response.links["next"]["url"])
    assert link.path == ALICE.tasks
    assert dict(link.params.remove("cursor")) == {"limit": "2"}
    pages = list(walk_pages(alice, ALICE.tasks, **parameters))
    assert [task for page in pages for task in page] == sort_tasks(found, "-title")
    assert len(pages) > 1


def test_a_space_may_be_written_as_a_plus(alice: httpx.Client, tasks: list[dict[str, Any]]) -> None:
    """As every browser's URLSearchParams does."""
    (found,) = (task for task in tasks if task["title"] == "100%")
    create_task(alice, ALICE, title="two words")
    assert [task["title"] for task in alice.get(f"{ALICE.tasks}?q=two+words").json()] == ["two words"]
    assert alice.get(f"{ALICE.tasks}?q=100%25").json() == [found]


def test_a_list_without_a_limit_has_no_link(alice: httpx.Client, tasks: list[dict[str, Any]]) -> None:
    """It is whole, whatever filters it."""
    for query in ("", "?sort=title", "?is_completed=false", "?limit=12", "?limit=1000"):
        response = alice.get(ALICE.tasks + query)
        assert "Link" not in response.headers
    assert len(tasks) == 12


def test_a_page_says_where_the_next_one_is(alice: httpx.Client, tasks: list[dict[str, Any]]) -> None:
    """RFC 8288; a list that begins in the middle is whole from there on."""
    response = alice.get(ALICE.tasks, params={"limit": 5})
    target, relation = response.headers["Link"].split("; ")
    assert relation == 'rel="next"'
    assert target.startswith(f"<{ALICE.tasks}?limit=5&cursor=")
    cursor = httpx.URL(response.links["next"]["url"]).params["cursor"]
    assert alice.get(ALICE.tasks, params={"cursor": cursor}).json() == tasks[5:]
    assert alice.get(ALICE.tasks, params={"cursor": cursor, "limit": 3}).json() == tasks[5:8]


def test_a_long_list_with_a_filter_is_given_whole(alice: httpx.Client, database: psycopg.Connection) -> None:
    """It is read in several parts, as the plain list is."""
    database.execute(
        "INSERT INTO tasks (user_id, title, is_completed)"
        " SELECT 'alice', lpad(((n * 7919) % 5000)::text, 4, '0'), n % 2 = 0 FROM generate_series(1, 9000) AS n"
    )
    response = alice.get(ALICE.tasks, params={"is_completed": "true", "sort": "-title"})
    assert response.headers["Transfer-Encoding"] == "chunked"
    tasks = response.json()
    assert tasks == sort_tasks(tasks, "-title")
    assert {task["id"] for task in tasks} == set(range(2, 9001, 2))
    assert len(tasks) == 4500


def test_long_descriptions_end_a_page_early_and_nothing_is_lost(alice: httpx.Client) -> None:
    """Or a page could be of a gigabyte: its link says that more follows."""
    tasks = [create_task(alice, ALICE, description="x" * 400_000) for _ in range(7)]
    pages = list(walk_pages(alice, ALICE.tasks, limit=5))
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [task for page in pages for task in page] == tasks


def test_tasks_that_come_and_go_disturb_no_walk(alice: httpx.Client, database: psycopg.Connection) -> None:
    """What was there throughout is given once, with tasks created and deleted before, behind and at the cursor."""
    database.execute("INSERT INTO tasks (user_id, title) SELECT 'alice', n FROM generate_series(1, 300) AS n")
    for sort in SORTS:
        kept = {task["id"] for task in alice.get(ALICE.tasks).json() if task["id"] % 3}
        seen = []
        for page in walk_pages(alice, ALICE.tasks, sort=sort, limit=20):
            seen += [task["id"] for task in page]
            database.execute("DELETE FROM tasks WHERE id = %s AND id %% 3 = 0", [seen[-1]])
            database.execute("INSERT INTO tasks (user_id, title) VALUES ('alice', '0'), ('alice', '99')")
            database.execute("DELETE FROM tasks WHERE id = (SELECT min(id) FROM tasks WHERE id % 3 = 0)")
        assert len(seen) == len(set(seen))
        assert kept - set(seen) == set()


@pytest.fixture
def cursor(alice: httpx.Client, tasks: list[dict[str, Any]]) -> str:
    """A cursor of Alice's open tasks by title."""
    response = alice.get(ALICE.tasks, params={"is_completed": "false", "sort": "title", "limit": 3})
    assert tasks
    return httpx.URL(response.links["next"]["url"]).params["cursor"]


FOREIGN = "does not belong to this list"


@pytest.mark.parametrize(
    "parameters",
    [
        {"sort": "id"},
        {"sort": "-title"},
        {"is_completed": "true"},
        {"is_completed": "true", "sort": "title"},
        {"is_completed": "false", "sort": "-title"},
        {"is_completed": "false", "sort": "title", "q": "m"},
        {"q": "m"},
    ],
)
def test_a_cursor_is_of_no_use_for_another_list(alice: httpx.Client, cursor: str, parameters: dict[str, str]) -> None:
    """Other filters or another order would give a page that begins nowhere."""
    check_parameter_refusal(alice.get(ALICE.tasks, params={**parameters, "cursor": cursor}), "cursor", FOREIGN)


@pytest.mark.parametrize(
    "parameters", [{}, {"sort": "title"}, {"is_completed": "false"}, {"is_completed": "false", "sort": "title"}]
)
def test_a_cursor_holds_filters_and_order(
    alice: httpx.Client, tasks: list[dict[str, Any]], cursor: str, parameters: dict[str, str]
) -> None:
    """They may be left out, each by itself, or sent again."""
    open_tasks = sort_tasks([task for task in tasks if not task["is_completed"]], "title")
    assert alice.get(ALICE.tasks, params={**parameters, "cursor": cursor}).json() == open_tasks[3:]


EXTREMES = ["\U0001f95b" * 200, "\x01" * 200, '"\\' * 100, "\uffff" * 200, "\x7f", "a;b&c=d <>\t"]
"""Long texts, and characters that other ways to write a text give a meaning to."""


@pytest.mark.parametrize("sort", ["id", "title", "-title"])
@pytest.mark.parametrize("text", EXTREMES, ids=ascii)
def test_the_longest_cursor_is_good(alice: httpx.Client, text: str, sort: str) -> None:
    """It obeys the contract, which every answer here is held against, and leads on."""
    tasks = [create_task(alice, ALICE, title=text) for _ in range(3)]
    pages = list(walk_pages(alice, ALICE.tasks, q=text, sort=sort, limit=1))
    assert [task for page in pages for task in page] == sort_tasks(tasks, sort)


def test_a_cursor_is_of_no_use_to_somebody_else(bob: httpx.Client, cursor: str) -> None:
    """It belongs to its user."""
    parameters = {"is_completed": "false", "sort": "title", "cursor": cursor}
    check_parameter_refusal(bob.get(BOB.tasks, params=parameters), "cursor", FOREIGN)


def test_a_cursor_is_good_at_every_server_on_the_database(
    alice: httpx.Client, database_url: str, tasks: list[dict[str, Any]]
) -> None:
    """After a restart too: the key is in the database."""
    link = alice.get(ALICE.tasks, params={"limit": 5}).links["next"]["url"]
    with open_scene(database_url) as other:
        assert other.client.get(link, headers=ALICE.headers).json() == tasks[5:10]


def test_a_cursor_that_was_altered_is_refused(alice: httpx.Client, cursor: str) -> None:
    """At every place, by a character more or less, and as something else altogether."""
    altered = [
        cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
        for place in range(len(cursor) - 1)
    ]
    for text in [*altered, cursor[:-1], cursor + "A", cursor + "AAAA", "A", "AA", "x" * 2560, cursor[::-1]]:
        response = alice.get(ALICE.tasks, params={"is_completed": "false", "sort": "title", "cursor": text})
        check_parameter_refusal(response, "cursor", FOREIGN)


def test_a_cursor_says_nothing_of_the_task(alice: httpx.Client) -> None:
    """It stands in the URL, which proxies log: titles must not."""
    for _ in range(2):
        create_task(alice, ALICE, title="a secret plan")
    short = alice.get(ALICE.tasks, params={"sort": "title", "limit": 1}).headers["Link"]
    assert "secret" not in short
    assert "c2VjcmV0" not in short


WRONG = [
    ("is_completed=1", "is_completed", "must be true or false"),
    ("is_completed=True", "is_completed", "must be true or false"),
    ("is_completed=", "is_completed", "must be true or false"),
    ("q=", "q", "must not be empty"),
    ("q=" + "x" * 201, "q", "must have at most 200 characters"),
    ("q=%00", "q", "contains a character that is not allowed"),
    ("q=%FF", "q", "must be UTF-8 text"),
    ("q=%ED%A0%80", "q", "must be UTF-8 text"),
    ("sort=Id", "sort", f"must be one of {', '.join(SORTS)}"),
    ("sort=", "sort", f"must be one of {', '.join(SORTS)}"),
    ("sort=description", "sort", f"must be one of {', '.join(SORTS)}"),
    ("limit=0", "limit", "must be at least 1"),
    ("limit=-1", "limit", "must be at least 1"),
    ("limit=1001", "limit", "must be at most 1000"),
    ("limit=" + "9" * 3000, "limit", "must be at most 1000"),
    ("limit=1.0", "limit", "must be an integer"),
    ("limit=", "limit", "must be an integer"),
    ("limit=%2B1", "limit", "must be an integer"),
    ("limit=+1", "limit", "must be an integer"),
    ("limit=1&limit=1", "limit", "must be given only once"),
    ("limit=1&%6Cimit=2", "limit", "must be given only once"),
    ("cursor=", "cursor", "must not be empty"),
    ("cursor=a.b", "cursor", "contains a character that is not allowed"),
    ("cursor=" + "x" * 2561, "cursor", "must have at most 2560 characters"),
    ("page=2", "page", "is not accepted here"),
    ("Limit=2", "Limit", "is not accepted here"),
    ("limit%00=2", "limit\x00", "is not accepted here"),
    ("x=%FF&", "x", "is not accepted here"),
    ("%FF=x", "?", "is not accepted here"),
    ("flag", "flag", "is not accepted here"),
    ("=x", "=", "is not accepted here"),
    ("y" * 5000 + "=", "y" * 64, "is not accepted here"),
]


@pytest.mark.parametrize(("query", "name", "wrong"), WRONG, ids=lambda value: str(value)[:20])
def test_a_wrong_parameter_is_named(alice: httpx.Client, query: str, name: str, wrong: str) -> None:
    """Nothing is clamped, guessed or passed over."""
    check_parameter_refusal(alice.get(f"{ALICE.tasks}?{query}"), name, wrong)


def test_all_wrong_parameters_are_named_at_once(alice: httpx.Client) -> None:
    """In the order in which they were sent."""
    response = alice.get(f"{ALICE.tasks}?limit=0&page=2&q=")
    assert response.json() == {
        **expect_problem(422, "limit must be at least 1; page is not accepted here; q must not be empty."),
        "errors": [
            {"detail": "must be at least 1", "pointer": "limit"},
            {"detail": "is not accepted here", "pointer": "page"},
            {"detail": "must not be empty", "pointer": "q"},
        ],
    }


def test_a_hostile_query_costs_no_more_than_its_answer(alice: httpx.Client) -> None:
    """Of a thousand unknown parameters, twenty are named."""
    response = alice.get(f"{ALICE.tasks}?{'&'.join(f'p{number}' for number in range(1000))}")
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == [f"p{number}" for number in range(20)]
    assert response.json()["detail"].endswith("; and 980 more.")


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_no_operation_passes_an_unknown_parameter_over(alice: httpx.Client, operation: Operation) -> None:
    """Who sends one expects something of it. Nothing is done."""
    task = create_task(alice, ALICE)
    response = operation.call(alice, ALICE, path=f"{operation.make_path(ALICE)}?dry_run=true")
    check_parameter_refusal(response, "dry_run", "is not accepted here")
    assert alice.get(ALICE.tasks).json() == [task]
