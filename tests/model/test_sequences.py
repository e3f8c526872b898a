"""The server and a simple model of it go through random sequences of all operations, and never differ.

In CI they are the same sequences each time, so that only a change can make a difference. Thousands of new ones:
MODEL_SEQUENCES=5000 .venv/bin/pytest tests/model. One that fails is printed at its shortest; to see it again,
put the @reproduce_failure that comes with it on Sequence.
"""

import os
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.conftest import MakeDatabase
from tests.model.mistakes import MISTAKES
from tests.model.sequences import Sequence
from tests.support.cast import SECRET
from tests.support.operations import OPERATIONS
from tests.support.server import make_environment, run_server

SEQUENCES = int(os.environ.get("MODEL_SEQUENCES", "200"))

ANSWERS = {
    "createTask": [201, 403, 422],
    "getTask": [200, 304, 403, 404, 422],
    "updateTask": [200, 403, 404, 412, 422],
    "deleteTask": [204, 403, 404, 412, 422],
    "listTasks": [200, 304, 403, 422],
}

CONDITIONS = {
    "{present}": ["getTask 304", "listTasks 304", "updateTask 200", "deleteTask 204"],
    "W/{present}": ["getTask 304", "listTasks 304", "updateTask 412", "deleteTask 412"],
    "{past}": ["getTask 200", "listTasks 200", "updateTask 412", "deleteTask 412"],
    "*": ["getTask 304", "listTasks 304", "updateTask 200", "deleteTask 204"],
}

# What a run must have come across, or it has proved little.
OCCURRENCES = {
    *(f"{operation} {status}" for operation, statuses in ANSWERS.items() for status in statuses),
    *(f"{answer} on {condition}" for condition, answers in CONDITIONS.items() for answer in answers),
    *(f"{operation.id} at another's path" for operation in OPERATIONS),
    *MISTAKES,
    "updateTask 200 with an empty patch",
    "updateTask 412 with an empty patch",
    "a page after a change",
    "a walk to its end across changes",
    "a cursor for pages of another length",
    "a cursor of another list",
    "a retry, its task as it was",
    "a retry, its task changed",
    "a retry, its task deleted",
    "a key with another body",
    "a key that another user has used",
}

thorough = settings(
    max_examples=SEQUENCES,
    phases=set(Phase) - {Phase.explain},  # which takes as long as finding the shortest sequence that fails
    derandomize="MODEL_SEQUENCES" not in os.environ,
    deadline=None,
    print_blob=True,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.fixture
def client(make_database: MakeDatabase) -> Iterator[httpx.Client]:
    """A client of a server whose log and tables no other test has to read."""
    environment = make_environment(
        ENVIRONMENT="production",
        DATABASE_URL=make_database(),
        BETTER_AUTH_SECRET=SECRET,
        CORS_ORIGINS="https://app.example.com",
    )
    with run_server(environment) as server, httpx.Client(base_url=server.url) as opened:
        yield opened


def test_the_server_answers_as_the_model_does(client: httpx.Client) -> None:
    """Status, body, ETag, Location and Link of each answer; and everything that can happen has happened."""
    Sequence.client = client
    run_state_machine_as_test(Sequence, settings=thorough)
    happened = Sequence.answers + Sequence.tally
    assert OCCURRENCES - happened.keys() == set()
