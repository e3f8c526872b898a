"""A later TaskFlow than this one: a copy of the package with one more migration."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from taskflow.database.migrations import NEWEST_VERSION
from tests.support.server import REPOSITORY

NEXT_VERSION = f"{int(NEWEST_VERSION) + 1:04}"

_MIGRATION = '''"""What the next release changes."""

from alembic import op

revision = {version!r}
down_revision = {newest!r}


def upgrade() -> None:
    for statement in {statements!r}:
        op.execute(statement)
'''


@contextmanager
def make_next_release(*statements: str) -> Iterator[dict[str, str]]:
    """Give the variables with which Python runs a TaskFlow whose next migration is these statements."""
    with TemporaryDirectory() as folder:
        package = Path(folder) / "taskflow"
        shutil.copytree(REPOSITORY / "taskflow", package, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(REPOSITORY / "openapi" / "openapi.yaml", package / "openapi.yaml")
        migration = package / "database" / "migrations" / "versions" / f"{NEXT_VERSION}_next.py"
        migration.write_text(_MIGRATION.format(version=NEXT_VERSION, newest=NEWEST_VERSION, statements=statements))
        yield {"PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1", "HOME": os.environ.get("HOME", "/")}
