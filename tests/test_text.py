"""Every text that users write is stored and returned exactly as they wrote it."""

import json
from unittest.mock import ANY

import httpx
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.cast import ALICE, User
from tests.support.operations import CREATE_TASK, LIST_TASKS
from tests.support.refusals import check_refusal
from tests.support.tasks import create_task, expect_task

TEXTS = {
    "a space": " ",
    "white space around": "  \t Buy groceries \r\n ",
    "line ends": "a\nb\r\nc\rd\u2028e\u2029f\x85g",
    "control characters": "\x01\x08\x1b[31m\x1f\x7f\x80\x9f",
    "composed": "\N{LATIN SMALL LETTER E WITH ACUTE}",
    "decomposed": "e\N{COMBINING ACUTE ACCENT}",
    "case that folds to more": "stra\N{LATIN SMALL LETTER SHARP S}e \N{LATIN CAPITAL LETTER I WITH DOT ABOVE}",
    "right to left": "\N{HEBREW LETTER ALEF}\N{RIGHT-TO-LEFT OVERRIDE}abc\N{LEFT-TO-RIGHT MARK}",
    "an emoji of many parts": "\N{WOMAN}\N{EMOJI MODIFIER FITZPATRICK TYPE-4}\N{ZERO WIDTH JOINER}\N{ROCKET}",
    "byte order mark": "\ufeffBuy groceries\ufeff",
    "noncharacters": "\ufffe\uffff\U0001ffff\U0010ffff",
    "private use": "\ue000\U000f0000",
    "replacement character": "\ufffd?",
    "many accents": "Z" + "\N{COMBINING CYRILLIC MILLIONS SIGN}" * 199,
    "200 beyond the BMP": "\N{GRINNING FACE}" * 200,
    "HTML": "<script>alert('&amp;')</script>",
    "SQL": "'; DROP TABLE tasks; --",
    "placeholders": "%s %(title)s %% $1 :title ? {} {{title}} ${title}",
    "backslashes": "\\ \\n \\u0041 \\\\ \\x00 E'\\000'",
    "quotes": "\" ' ` '' \"\" \N{LEFT DOUBLE QUOTATION MARK}",
    "a word of JSON": "null",
    "a document of JSON": '{"title": "Buy groceries"}',
    "a number": "007",
    "a formula": "=HYPERLINK(1)",
}

every_text = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())


@every_text
def test_a_new_tasks_text_comes_back_as_it_was_sent(
    alice: httpx.Client, database: psycopg.Connection, text: str
) -> None:
    """From the answer, from both readings and in the database itself."""
    task = create_task(alice, ALICE, title=text, description=text)
    assert task == expect_task(ALICE, title=text, description=text)
    assert alice.get(f"{ALICE.tasks}/1").json() == task
    assert alice.get(ALICE.tasks).json() == [task]
    assert database.execute("SELECT title, description FROM tasks").fetchall() == [(text, text)]


@every_text
def test_a_changed_tasks_text_comes_back_as_it_was_sent(
    alice: httpx.Client, database: psycopg.Connection, text: str
) -> None:
    """A patch is as faithful as a new task."""
    task = create_task(alice, ALICE)
    changed = alice.patch(f"{ALICE.tasks}/1", json={"title": text, "description": text}).json()
    assert changed == {**task, "title": text, "description": text, "updated_at": ANY}
    assert alice.get(f"{ALICE.tasks}/1").json() == changed
    assert database.execute("SELECT title, description FROM tasks").fetchall() == [(text, text)]


@every_text
def test_it_does_not_matter_how_the_text_is_spelt_in_json(alice: httpx.Client, text: str) -> None:
    r"""`\u00e9` and the letter itself are the same text (RFC 8259, section 7)."""
    escaped = "".join(f"\\u{unit:04x}" for unit in memoryview(text.encode("utf-16-le")).cast("H"))
    response = alice.post(ALICE.tasks, content=f'{{"title": "{escaped}"}}')
    assert response.status_code == 201
    assert response.json() == expect_task(ALICE, title=text)


def test_answers_are_utf_8(alice: httpx.Client) -> None:
    """RFC 8259, section 8.1, whatever the client says that it accepts."""
    title = "\N{LATIN SMALL LETTER E WITH ACUTE}\N{GRINNING FACE}"
    create_task(alice, ALICE, title=title)
    response = alice.get(ALICE.tasks, headers={"Accept-Charset": "latin-1", "Accept": "text/plain;charset=utf-16"})
    assert response.headers["Content-Type"] == "application/json"
    assert json.loads(response.content.decode("utf-8"))[0]["title"] == title


@pytest.mark.parametrize("member", ["title", "description"])
@pytest.mark.parametrize("text", ["\x00", "Buy\x00groceries", "Buy groceries\x00"], ids=["alone", "between", "last"])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_nul_is_refused(alice: httpx.Client, method: str, text: str, member: str) -> None:
    """PostgreSQL's text cannot hold it, and nothing is stored in its stead."""
    task = create_task(alice, ALICE)
    path = ALICE.tasks if method == "POST" else f"{ALICE.tasks}/1"
    response = alice.request(method, path, json={"title": "Buy vegetables", member: text})
    wrong = "contains a character that is not allowed"
    check_refusal(response, 422, f"{member} {wrong}.", **{member: wrong})
    assert alice.get(ALICE.tasks).json() == [task]


def test_a_description_can_be_as_long_as_a_request(alice: httpx.Client) -> None:
    """Spec, FR-012: no maximum of its own."""
    description = "\N{GRINNING FACE}" * 250_000
    task = create_task(alice, ALICE, description=description)
    assert task == expect_task(ALICE, description=description)
    assert alice.get(f"{ALICE.tasks}/1").json() == task


# The fixtures' table need not be empty for each example.
many = settings(
    max_examples=60,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
storable = st.characters(codec="utf-8", exclude_characters="\x00")


@many
@given(title=st.text(storable, min_size=1, max_size=200), description=st.none() | st.text(storable))
def test_any_text_comes_back_as_it_was_sent(alice: httpx.Client, title: str, description: str | None) -> None:
    """What nobody thought of."""
    task = create_task(alice, ALICE, title=title, description=description)
    assert task == expect_task(ALICE, title=title, description=description)
    assert alice.get(f"{ALICE.tasks}/{task['id']}").json() == task


@many
@given(
    # "." and ".." are taken out of a path by the client, as RFC 3986, section 5.2.4, has it.
    user_id=st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=255).filter(
        lambda text: text not in {".", ".."}
    )
)
def test_any_user_id_owns_tasks(anybody: httpx.Client, user_id: str) -> None:
    """The token, the path, Location, the task and the database agree on who that is."""
    user = User(user_id)
    response = CREATE_TASK.call(anybody, user, headers=user.headers)
    assert response.status_code == 201
    assert response.json() == expect_task(user)
    assert anybody.get(response.headers["Location"], headers=user.headers).json() == response.json()
    assert response.json() in LIST_TASKS.call(anybody, user, headers=user.headers).json()
