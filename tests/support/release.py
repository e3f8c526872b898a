"""A later TaskFlow than this one: a copy of the package with one more migration."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.server import REPOSITORY

NEXT_VERSION = "0002"

_MIGRATION = '''"""What the next release changes."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    for statement in {statements!r}:
        op.execute(statement)
'''


@contextmanager
def make_next_release(*statements: str) -> Iterator[dict[str, str]]:
    """Give the variables with which Python runs a TaskFlow whose second migration is these statements."""
    with TemporaryDirectory() as folder:
        package = Path(folder) / "taskflow"
        shutil.copytree(REPOSITORY / "taskflow", package, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(REPOSITORY / "openapi" / "openapi.yaml", package / "openapi.yaml")
        migration = package / "migrations" / "versions" / f"{NEXT_VERSION}_next.py"
        migration.write_text(_MIGRATION.format(statements=statements))
        yield {"PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1", "HOME": os.environ.get("HOME", "/")}
