"""The tasks table, made new or adopted.

A table that the specification's own SQL made keeps its rows and its SERIAL id; only its index gains a column. One that
something else made gets the defaults that it lacks, also in rows where a value is missing; one that cannot serve is
refused.
"""

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError
from sqlalchemy.engine.interfaces import ReflectedColumn

revision = "0001"
down_revision = None

_COLUMNS = {"id", "user_id", "title", "description", "is_completed", "created_at", "updated_at"}


def upgrade() -> None:
    inspector = sa.inspect(op.get_bind())
    if inspector.has_table("tasks"):
        _adopt({column["name"]: column for column in inspector.get_columns("tasks")})
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


def _adopt(columns: dict[str, ReflectedColumn]) -> None:
    missing = _COLUMNS - columns.keys()
    if missing:
        raise CommandError(f"there is a table tasks already, and it lacks {', '.join(sorted(missing))}")
    identity = columns["id"]
    if not isinstance(identity["type"], sa.Integer) or not (identity["default"] or identity.get("identity")):
        raise CommandError("there is a table tasks already, and its id is not a number that the database gives")
    for name in ("created_at", "updated_at"):
        if not getattr(columns[name]["type"], "timezone", False):
            raise CommandError(f"there is a table tasks already, and its {name} is not a timestamp with time zone")
    for name, default in (("is_completed", "false"), ("created_at", "now()"), ("updated_at", "now()")):
        column: sa.ColumnClause[object] = sa.column(name)
        op.execute(sa.update(sa.table("tasks", column)).where(column.is_(None)).values({name: sa.text(default)}))
        op.alter_column("tasks", name, server_default=sa.text(default), nullable=False)
    op.execute("DROP INDEX IF EXISTS idx_tasks_user_id")
