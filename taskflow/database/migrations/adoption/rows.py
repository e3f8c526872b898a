"""The rows of a table: those that are there, and those that are written on trial."""

import random
import re
from collections.abc import Iterator

import psycopg

from taskflow.database.migrations import is_refusal

MAX_ID = 9_007_199_254_740_991
"""The greatest id that the contract admits: the greatest integer that JavaScript holds exactly, 2^53 - 1."""

USER_ID_CHARACTERS = 255
TITLE_CHARACTERS = 200

DESCRIPTION_CHARACTERS = 1_048_576
"""How long the description of a trial is: as long as MAX_BODY_BYTES admits by default."""


def judge_rows(connection: psycopg.Connection) -> Iterator[str]:
    """Yield what a list of the existing rows would hold against the contract.

    Missing times and is_completed are filled in later. A user_id that the contract does not admit is accepted: nobody
    sees such a row. A change makes updated_at later than it was, which must leave it within the years that JSON has.
    """
    (counts,) = connection.execute(
        """
        SELECT count(*) FILTER (WHERE (id BETWEEN 1 AND %(id)s) IS NOT TRUE),
            count(*) FILTER (WHERE (char_length(title) BETWEEN 1 AND %(title)s) IS NOT TRUE),
            count(*) FILTER (WHERE created_at NOT BETWEEN %(first)s AND %(last)s),
            count(*) FILTER (WHERE updated_at NOT BETWEEN %(first)s AND %(last_change)s)
        FROM tasks
        """,
        {
            "id": MAX_ID,
            "title": TITLE_CHARACTERS,
            "first": "0001-01-01 00:00:00+00",
            "last": "9999-12-31 23:59:59.999999+00",
            "last_change": "9998-12-31 23:59:59.999999+00",
        },
    ).fetchall()
    demands = {
        "id": f"a number from 1 to {MAX_ID}",
        "title": f"a text of 1 to {TITLE_CHARACTERS} characters",
        "created_at": "a time of the years 1 to 9999",
        "updated_at": "a time of the years 1 to 9998",
    }
    for (name, demand), count in zip(demands.items(), counts, strict=True):
        if count:
            rows = "1 of its rows" if count == 1 else f"{count} of its rows"
            yield f"{name} is not {demand} in {rows}: correct or remove them"


def try_rows(connection: psycopg.Connection, last_id: int) -> Iterator[str]:
    """Write the shortest and the longest tasks, change and remove them, and undo all of it.

    Their ids are the last ones up to `last_id`: no row has them, and the sequence of ids does not go on.
    Only the numbers that sequences of further columns gave are used up, as with any transaction that is rolled back.
    """
    characters = random.Random(0)  # noqa: S311  no secret; the same texts each time
    wide = "".join(chr(characters.randrange(0x1F300, 0x1F600)) for _ in range(USER_ID_CHARACTERS))
    title = wide[:TITLE_CHARACTERS]
    # Short words that do not repeat: neither compression nor a text search makes them smaller.
    words = characters.randbytes(DESCRIPTION_CHARACTERS // 2).hex(" ", 3)[:DESCRIPTION_CHARACTERS]
    # Letters of four bytes, the longest, which hardly repeat: alone for indexes, in words for text searches.
    letters = "".join(chr(characters.randrange(0x20000, 0x2A6D0)) for _ in range(DESCRIPTION_CHARACTERS // 4))
    wide_words = re.sub("(...).", r"\1 ", letters)
    # The shortest first, since a message of PostgreSQL's may quote them.
    tasks = [
        ("a title of 1 character and no description", "a", "a", None),
        ("the same texts as another one", "a", "a", None),
        ("an empty description", "a", "a", ""),
        (f"a user_id of {USER_ID_CHARACTERS} characters", wide, "a", None),
        (f"a title of {TITLE_CHARACTERS} characters", "a", title, None),
        (f"a description of {DESCRIPTION_CHARACTERS} characters", "a", "a", words),
        (f"a description of {len(letters)} letters of 4 bytes", "a", "a", letters),
        (f"a description of {len(letters)} letters of 4 bytes in words", "a", "a", wide_words),
        ("the longest texts", wide, title, words),
    ]
    first_id = last_id + 1 - len(tasks)
    kind = ""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
            for number, (kind, *values) in enumerate(tasks, start=first_id):  # noqa: B007  named in the sentence
                connection.execute(
                    "INSERT INTO tasks (id, user_id, title, description, is_completed, created_at, updated_at)"
                    " OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s, %s, false, now(), now())",
                    [number, *values],
                )
            kind = "changed texts"
            for number, new_title, description in ((first_id, title, words), (last_id, "a", None)):
                connection.execute(
                    "UPDATE tasks SET title = %s, description = %s, is_completed = true, updated_at = clock_timestamp()"
                    " WHERE id = %s",
                    [new_title, description, number],
                )
            connection.execute("DELETE FROM tasks WHERE id BETWEEN %s AND %s", [first_id, last_id])
    except psycopg.Error as error:
        if not is_refusal(error):
            raise
        reason = error.diag.message_primary or type(error).__name__
        yield f"a task with {kind} could not be written to it ({reason[:200]}): alter what refuses it"
