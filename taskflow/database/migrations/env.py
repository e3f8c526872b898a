"""What Alembic runs around the migrations: the caller's connection, transaction and lock are used as they are."""

from alembic import context

from taskflow.database.migrations import VERSION_TABLE
from taskflow.database.models import Task

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Task.metadata,
    version_table=VERSION_TABLE,
)
context.run_migrations()
