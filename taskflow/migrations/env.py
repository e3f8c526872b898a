"""What Alembic runs around the migrations: the caller's connection, transaction and lock are used as they are."""

from alembic import context

from taskflow.migrations import VERSION_TABLE
from taskflow.models import Task

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Task.metadata,
    version_table=VERSION_TABLE,
)
context.run_migrations()
