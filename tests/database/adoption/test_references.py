"""Tables that refer to an adopted one: what is done there when a task is changed or deleted must not fail."""

import psycopg
import pytest

from taskflow.database.migrations import NEWEST_VERSION, migrate
from tests.support.adoption import FUNCTION, add, expect_refusal, run

NOTED = "the foreign key noted of notes can refuse that a task is deleted: make it ON DELETE CASCADE, or drop it"
EMPTIED = "task_id int CONSTRAINT noted REFERENCES tasks ON DELETE SET NULL"
CASCADE = "CREATE TABLE notes (task_id int REFERENCES tasks ON DELETE CASCADE);"

REFUSED = {
    "to a title": (
        (
            "ALTER TABLE tasks ADD UNIQUE (id, title);"
            "CREATE TABLE notes (task_id int, title varchar, CONSTRAINT noted FOREIGN KEY (task_id, title)"
            " REFERENCES tasks (id, title) ON UPDATE CASCADE ON DELETE CASCADE)"
        ),
        "the foreign key noted of notes refers to what a change of a task writes: let it refer to the id",
    ),
    "to what is generated": (
        (
            "ALTER TABLE tasks ADD brief text GENERATED ALWAYS AS (left(title, 9)) STORED, ADD UNIQUE (id, brief);"
            "CREATE TABLE notes (task_id int, brief text, CONSTRAINT noted FOREIGN KEY (task_id, brief)"
            " REFERENCES tasks (id, brief) ON DELETE CASCADE)"
        ),
        "the foreign key noted of notes refers to what a change of a task writes: let it refer to the id",
    ),
    "default": ("CREATE TABLE notes (task_id int CONSTRAINT noted REFERENCES tasks ON DELETE SET DEFAULT)", NOTED),
    "restrict": ("CREATE TABLE notes (task_id int CONSTRAINT noted REFERENCES tasks ON DELETE RESTRICT)", NOTED),
    "emptied, of a domain": (
        (
            "CREATE DOMAIN given AS int NOT NULL;"
            "CREATE TABLE notes (task_id given CONSTRAINT noted REFERENCES tasks ON DELETE SET NULL)"
        ),
        NOTED,
    ),
    "emptied, with a check": (f"CREATE TABLE notes ({EMPTIED}, CHECK (task_id IS NOT NULL))", NOTED),
    "emptied, with a check of the row": (f"CREATE TABLE notes ({EMPTIED}, CHECK (notes.* IS NOT NULL))", NOTED),
    "emptied, where nulls are equal": (f"CREATE TABLE notes ({EMPTIED}, UNIQUE NULLS NOT DISTINCT (task_id))", NOTED),
    "emptied, unique where null": (
        f"CREATE TABLE notes ({EMPTIED}, place int);CREATE UNIQUE INDEX ON notes (place) WHERE task_id IS NULL",
        NOTED,
    ),
    "emptied, unique expression": (
        f"CREATE TABLE notes ({EMPTIED});CREATE UNIQUE INDEX ON notes ((coalesce(task_id, 0)))",
        NOTED,
    ),
    "emptied, generated from it": (
        f"CREATE TABLE notes ({EMPTIED}, n int GENERATED ALWAYS AS (task_id + 1) STORED NOT NULL)",
        NOTED,
    ),
    "emptied, in a full match": (
        (
            "CREATE TABLE places (id int, task_id int, PRIMARY KEY (id, task_id));"
            f"CREATE TABLE notes ({EMPTIED}, place int, FOREIGN KEY (place, task_id) REFERENCES places MATCH FULL)"
        ),
        NOTED,
    ),
    "emptied, referred to": (
        f"CREATE TABLE notes ({EMPTIED}, UNIQUE (task_id));CREATE TABLE marks (note int REFERENCES notes (task_id))",
        NOTED,
    ),
    "trigger of removals": (
        FUNCTION + CASCADE + "CREATE TRIGGER guard BEFORE DELETE ON notes FOR EACH ROW EXECUTE FUNCTION refuse()",
        "the trigger guard of notes, which refers to tasks, can refuse that a task is deleted: drop it",
    ),
    "trigger of removals further on": (
        FUNCTION
        + "CREATE TABLE notes (id int PRIMARY KEY REFERENCES tasks ON DELETE CASCADE);"
        + "CREATE TABLE marks (note int REFERENCES notes ON DELETE CASCADE);"
        + "CREATE TRIGGER guard AFTER DELETE ON marks EXECUTE FUNCTION refuse()",
        "the trigger guard of marks, which refers to tasks, can refuse that a task is deleted: drop it",
    ),
    "trigger of emptying": (
        FUNCTION
        + f"CREATE TABLE notes ({EMPTIED});"
        + "CREATE TRIGGER guard BEFORE UPDATE OF task_id ON notes FOR EACH ROW EXECUTE FUNCTION refuse()",
        "the trigger guard of notes, which refers to tasks, can refuse that a task is deleted: drop it",
    ),
    "rule": (
        CASCADE + "CREATE RULE kept AS ON DELETE TO notes DO INSTEAD NOTHING",
        "the rule kept of notes, which refers to tasks, can refuse that a task is deleted: drop it",
    ),
    "published without an identity": (
        CASCADE + "CREATE PUBLICATION news FOR TABLE notes",
        "notes, which refers to tasks, has no replica identity for its publication news: give it a primary key",
    ),
    "published from a schema in quotes": (
        (
            'DROP SCHEMA IF EXISTS "App" CASCADE; CREATE SCHEMA "App";'
            'CREATE TABLE "App".notes (task_id int REFERENCES tasks ON DELETE CASCADE);'
            'CREATE PUBLICATION news FOR TABLE "App".notes'
        ),
        ('"App".notes, which refers to tasks, has no replica identity for its publication news: give it a primary key'),
    ),
}

ADOPTED = {
    "emptied": f"CREATE TABLE notes ({EMPTIED}, place int CHECK (place > 0), UNIQUE (place, task_id))",
    "one column of two emptied": (
        "ALTER TABLE tasks ADD UNIQUE (user_id, id);"
        "CREATE TABLE notes (user_id text NOT NULL, task_id int,"
        " FOREIGN KEY (user_id, task_id) REFERENCES tasks (user_id, id) ON DELETE SET NULL (task_id))"
    ),
    "the tasks themselves": "ALTER TABLE tasks ADD parent int REFERENCES tasks ON DELETE CASCADE",
    "triggers of other events": (
        FUNCTION
        + f"CREATE TABLE notes ({EMPTIED}, place int);"
        + "CREATE TRIGGER a BEFORE DELETE OR INSERT ON notes FOR EACH ROW EXECUTE FUNCTION refuse();"
        + "CREATE TRIGGER b BEFORE UPDATE OF place ON notes FOR EACH ROW EXECUTE FUNCTION refuse();"
        + "CREATE TRIGGER c BEFORE UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION refuse();"
        + "ALTER TABLE notes DISABLE TRIGGER c"
    ),
    "published by its key": (
        "CREATE TABLE notes (id int PRIMARY KEY, task_id int REFERENCES tasks ON DELETE CASCADE);"
        "CREATE PUBLICATION news FOR TABLE notes"
    ),
    "creations published": CASCADE + "CREATE PUBLICATION news FOR TABLE notes WITH (publish = 'insert')",
}


@pytest.fixture(autouse=True)
def _no_publication(url: str) -> None:
    run(url, "DROP PUBLICATION IF EXISTS news")


@pytest.mark.parametrize("case", REFUSED)
def test_a_table_whose_tasks_cannot_always_be_deleted_is_left_alone(case: str, url: str) -> None:
    """What refers to it is named, with what to do."""
    statements, sentence = REFUSED[case]
    expect_refusal(url, add(statements), sentence)


@pytest.mark.parametrize("case", ADOPTED)
def test_a_table_whose_tasks_can_be_deleted_is_adopted(case: str, url: str) -> None:
    """With a row that refers to it, if the case has a table for that."""
    run(url, add("INSERT INTO tasks (user_id, title) VALUES ('alice', 'Old')"))
    run(url, ADOPTED[case])
    assert migrate(url) == NEWEST_VERSION
    with psycopg.connect(url) as connection:
        if "CREATE TABLE notes (user_id" in ADOPTED[case]:
            connection.execute("INSERT INTO notes VALUES ('alice', 1)")
        elif "TABLE notes" in ADOPTED[case]:
            connection.execute("ALTER TABLE notes DISABLE TRIGGER USER")
            connection.execute("INSERT INTO notes VALUES (1)")
            connection.execute("ALTER TABLE notes ENABLE TRIGGER USER")
        connection.execute("DELETE FROM tasks")
