"""What holds for each of the five operations: whose it is, how its path is read, and what every answer carries."""

from unittest.mock import ANY

import httpx
import psycopg
import pytest

from tests.support.cast import ALICE, BOB, User
from tests.support.operations import LIST_TASKS, OPERATIONS, TASK_OPERATIONS, Operation
from tests.support.problems import expect_problem
from tests.support.refusals import REQUEST_ID, check_parameter_refusal, check_refusal
from tests.support.tasks import create_task

NOT_INTEGERS = [
    "abc", "null", "true", "-", "007", "00", "+1", "%2B1", "1.0", "1.5", "1e3", "0x1", "1_000", "1,000", "%20", "%201",
    "1%20", "1%0A", "%00", "%FF", "1%2F2", "\N{FULLWIDTH DIGIT ONE}", "\N{ARABIC-INDIC DIGIT ONE}",
    "\N{SUPERSCRIPT TWO}", "\N{MINUS SIGN}1",
]  # fmt: skip
TOO_SMALL = ["0", "-0", "-1", "-9007199254740991"]
TOO_LARGE = ["9007199254740992", "9223372036854775807", "9223372036854775808"]
ENDLESS = ["9" * 30, "9" * 5000, "-" + "9" * 5000, "0" * 5000]
WRONG_TASK_IDS = NOT_INTEGERS + TOO_SMALL + TOO_LARGE + ENDLESS

TRESPASS = "The user_id in the path is not the user of the token."

every_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
every_task_operation = pytest.mark.parametrize("operation", TASK_OPERATIONS, ids=lambda operation: operation.id)


def shorten(task_id: str) -> str:
    return task_id if len(task_id) <= 20 else f"{len(task_id)} characters"


@every_operation
def test_a_valid_token_is_enough(alice: httpx.Client, operation: Operation) -> None:
    """Spec, user story 1, scenario 1."""
    create_task(alice, ALICE)
    assert operation.call(alice, ALICE).status_code == operation.success


@every_operation
def test_without_a_token_nothing_goes(alice: httpx.Client, anybody: httpx.Client, operation: Operation) -> None:
    """Spec, user story 1, scenario 2."""
    task = create_task(alice, ALICE)
    response = operation.call(anybody, ALICE)
    check_refusal(response, 401, 'Not authenticated; send the header "Authorization: Bearer <token>".')
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert alice.get(ALICE.tasks).json() == [task]


@every_operation
def test_somebody_elses_path_is_forbidden(alice: httpx.Client, bob: httpx.Client, operation: Operation) -> None:
    """Spec, user story 1, scenario 5: whether the task there is theirs, one's own or none."""
    theirs, own = create_task(bob, BOB), create_task(alice, ALICE)
    for task_id in (theirs["id"], own["id"], 99):
        check_refusal(operation.call(alice, BOB, task_id), 403, TRESPASS)
    assert bob.get(BOB.tasks).json() == [theirs]
    assert alice.get(ALICE.tasks).json() == [own]


@every_task_operation
def test_somebody_elses_task_is_forbidden_on_ones_own_path(
    alice: httpx.Client, bob: httpx.Client, operation: Operation
) -> None:
    """Spec, SC-003."""
    task = create_task(bob, BOB)
    check_refusal(operation.call(alice, ALICE, task["id"]), 403, "The task belongs to another user.")
    assert bob.get(BOB.tasks).json() == [task]


@every_task_operation
@pytest.mark.parametrize("task_id", [1, 9007199254740991])
def test_a_task_that_does_not_exist_is_not_found(alice: httpx.Client, operation: Operation, task_id: int) -> None:
    """The largest id that a client in JavaScript can name included."""
    check_refusal(operation.call(alice, ALICE, task_id), 404, "There is no task with this task_id.")


@every_task_operation
@pytest.mark.parametrize("task_id", [1, 9007199254740991])
def test_a_task_is_found_up_to_the_largest_id(
    alice: httpx.Client, database: psycopg.Connection, operation: Operation, task_id: int
) -> None:
    """The database's column holds them all."""
    database.execute("INSERT INTO tasks (id, user_id, title) VALUES (%s, 'alice', 'Buy groceries')", [task_id])
    assert operation.call(alice, ALICE, task_id).status_code == operation.success


@every_task_operation
@pytest.mark.parametrize("task_id", NOT_INTEGERS)
def test_what_is_no_plain_integer_is_no_task_id(alice: httpx.Client, operation: Operation, task_id: str) -> None:
    """Spec, edge cases. Every task has one spelling of its id."""
    create_task(alice, ALICE)
    check_parameter_refusal(operation.call(alice, ALICE, task_id), "task_id", "must be an integer")
    assert len(alice.get(ALICE.tasks).json()) == 1


@every_task_operation
@pytest.mark.parametrize("task_id", TOO_SMALL)
def test_an_id_below_one_is_no_task_id(alice: httpx.Client, operation: Operation, task_id: str) -> None:
    """Ids begin with 1."""
    check_parameter_refusal(operation.call(alice, ALICE, task_id), "task_id", "must be at least 1")


@every_task_operation
@pytest.mark.parametrize("task_id", TOO_LARGE)
def test_an_id_beyond_javascripts_integers_is_no_task_id(
    alice: httpx.Client, operation: Operation, task_id: str
) -> None:
    """A client would have rounded it."""
    check_parameter_refusal(operation.call(alice, ALICE, task_id), "task_id", "must be at most 9007199254740991")


@every_task_operation
@pytest.mark.parametrize("task_id", ENDLESS, ids=shorten)
def test_thousands_of_digits_are_no_task_id(alice: httpx.Client, operation: Operation, task_id: str) -> None:
    """Python refuses to read them, and the database would too; neither is asked."""
    response = operation.call(alice, ALICE, task_id)
    assert response.status_code == 422
    assert response.json() == {**expect_problem(422, ANY), "errors": [{"detail": ANY, "pointer": "task_id"}]}
    assert "9" * 20 not in response.text


@every_task_operation
@pytest.mark.parametrize("task_id", WRONG_TASK_IDS, ids=shorten)
def test_a_wrong_task_id_is_judged_after_token_and_owner(
    alice: httpx.Client, anybody: httpx.Client, operation: Operation, task_id: str
) -> None:
    """Who may not look learns nothing about the path."""
    assert operation.call(anybody, ALICE, task_id).status_code == 401
    check_refusal(operation.call(alice, BOB, task_id), 403, TRESPASS)


@every_operation
@pytest.mark.parametrize(
    ("user_id", "wrong"),
    [
        ("x" * 256, "must have at most 255 characters"),
        ("\N{GRINNING FACE}" * 256, "must have at most 255 characters"),
        ("\x00", "contains a character that is not allowed"),
        ("alice\n", "contains a character that is not allowed"),
        ("al\tice", "contains a character that is not allowed"),
        ("alice\x7f", "contains a character that is not allowed"),
        ("\x9falice", "contains a character that is not allowed"),
    ],
    ids=["256 letters", "256 beyond the BMP", "NUL", "line feed", "tab", "DEL", "C1"],
)
def test_a_user_id_that_breaks_its_schema_is_refused_to_its_own_user(
    anybody: httpx.Client, operation: Operation, user_id: str, wrong: str
) -> None:
    """To everybody else the path is simply not theirs."""
    user = User(user_id)
    check_parameter_refusal(operation.call(anybody, user, headers=user.headers), "user_id", wrong)
    check_refusal(operation.call(anybody, user, headers=ALICE.headers), 403, TRESPASS)


@every_task_operation
def test_what_is_wrong_with_both_parameters_is_listed(anybody: httpx.Client, operation: Operation) -> None:
    """In the order of the path."""
    user = User("x" * 256)
    response = operation.call(anybody, user, "abc", headers=user.headers)
    assert response.status_code == 422
    assert response.json() == {
        **expect_problem(422, "user_id must have at most 255 characters; task_id must be an integer."),
        "errors": [
            {"detail": "must have at most 255 characters", "pointer": "user_id"},
            {"detail": "must be an integer", "pointer": "task_id"},
        ],
    }


@every_operation
@pytest.mark.parametrize(
    "user_id",
    ["x" * 255, "\N{GRINNING FACE}" * 255, "1", "a/b c%\N{LATIN SMALL LETTER E WITH ACUTE}", "%41", "tasks", " "],
    ids=["255 letters", "255 beyond the BMP", "digits", "slash", "percent sign", "tasks", "space"],
)
def test_any_other_text_is_a_user_id(anybody: httpx.Client, operation: Operation, user_id: str) -> None:
    """A slash or a percent sign in it is no part of the path's structure."""
    user = User(user_id)
    anybody.headers.update(user.headers)
    task = anybody.post(LIST_TASKS.make_path(user), json={"title": "Buy groceries"}).json()
    assert operation.call(anybody, user, task["id"]).status_code == operation.success


@every_operation
@pytest.mark.parametrize(
    "user_id", ["Alice", "ALICE", "alice%20", "%20alice", "alice%00", "\N{CYRILLIC SMALL LETTER A}lice"]
)
def test_a_user_id_is_compared_exactly(alice: httpx.Client, operation: Operation, user_id: str) -> None:
    """Neither case nor white space nor likeness makes another user's path one's own."""
    path = operation.make_path(ALICE).replace("alice", user_id)
    check_refusal(operation.call(alice, ALICE, path=path), 403, TRESPASS)


@every_operation
def test_a_slash_at_the_end_is_passed_over(alice: httpx.Client, operation: Operation) -> None:
    """The same answer, and not by a redirect, which would cost the body or the token."""
    create_task(alice, ALICE)
    response = operation.call(alice, ALICE, path=operation.make_path(ALICE) + "/")
    assert response.status_code == operation.success
    assert not response.history


@every_operation
def test_percent_encoding_what_need_not_be_makes_no_difference(alice: httpx.Client, operation: Operation) -> None:
    """RFC 3986, section 6.2.2.2: equivalent paths name the same."""
    create_task(alice, ALICE)
    path = operation.make_path(ALICE, "%31").replace("api", "%61pi").replace("alice", "al%69ce")
    response = operation.call(alice, ALICE, path=path.replace("tasks", "t%61s%6bs"))
    assert response.status_code == operation.success


@every_operation
def test_every_answer_has_a_request_id_of_its_own(
    alice: httpx.Client, anybody: httpx.Client, operation: Operation
) -> None:
    """On success as on failure."""
    create_task(alice, ALICE)
    answers = [operation.call(alice, ALICE), operation.call(alice, BOB), operation.call(anybody, ALICE)]
    ids = [answer.headers["X-Request-Id"] for answer in answers]
    assert all(REQUEST_ID.fullmatch(request_id) for request_id in ids)
    assert len(set(ids)) == len(ids)
