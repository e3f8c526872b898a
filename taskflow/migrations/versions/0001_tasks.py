"""The tasks table, made new or adopted.

A table that the specification's own SQL made keeps its rows and its SERIAL id; only its index gains a column.
"""

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError

revision = "0001"
down_revision = None

_COLUMNS = {"id", "user_id", "title", "description", "is_completed", "created_at", "updated_at"}


def upgrade() -> None:
    inspector = sa.inspect(op.get_bind())
    if inspector.has_table("tasks"):
        missing = _COLUMNS - {column["name"] for column in inspector.get_columns("tasks")}
        if missing:
            raise CommandError(f"there is a table tasks already, and it lacks {', '.join(sorted(missing))}")
        op.execute("DROP INDEX IF EXISTS idx_tasks_user_id")
    else:
        op.create_table(
            "tasks",
            sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
            sa.Column("user_id", sa.String(255), nullable=False),
            sa.Column("title", sa.String(200), nullable=False),
            sa.Column("description", sa.Text),
            sa.Column("is_completed", sa.Boolean, nullable=False, server_default=sa.false()),
            sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
            sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        )
    op.create_index("idx_tasks_user_id", "tasks", ["user_id", "id"])
