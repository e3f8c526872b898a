"""What no log may hold: secrets, tokens, passwords, and what users wrote."""

import re
from collections.abc import Mapping

from psycopg.conninfo import conninfo_to_dict

from tests.support.cast import SECRET
from tests.support.operations import CREATE_TASK

_ANNOUNCEMENT = re.compile(r"\nTaskFlow is up\..*?Stop it with Ctrl-C\.\n", re.DOTALL)
"""What a development server prints for a person to paste, with a token and a title in it."""

_TELLING = 5
"""Text with fewer different characters may be in a log by chance."""

written: set[str] = {str((CREATE_TASK.body or {})["title"])}
"""The titles and descriptions of the tests: that of nearly every task, and those noted below."""

_TOKEN = re.compile(r"eyJ[\w-]{5,}")
"""How every JSON Web Token begins, whoever has signed it."""


def note_text(*texts: object) -> None:
    """Take note of what a test writes as a user."""
    written.update(text for text in texts if isinstance(text, str) and len(set(text)) >= _TELLING)


def find_secrets(log: str, environment: Mapping[str, str]) -> set[str]:
    """Give what kinds of secrets a server with these variables has logged."""
    log = _ANNOUNCEMENT.sub("", log)
    secrets: dict[str, str | int | None] = {
        "secret": environment.get("BETTER_AUTH_SECRET"),
        "secret of the tests": SECRET,
        "connection string": environment.get("DATABASE_URL"),
    }
    if environment.get("DATABASE_URL", "").startswith("postgres"):
        secrets["password"] = conninfo_to_dict(environment["DATABASE_URL"]).get("password")
    found = {kind for kind, text in secrets.items() if text and str(text) in log}
    if any(text in log for text in written):
        found.add("text")
    if _TOKEN.search(log):
        found.add("token")
    return found
