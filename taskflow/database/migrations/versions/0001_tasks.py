"""The tasks table, made new or adopted.

A table that the specification's own SQL made keeps its rows and its SERIAL id; only its index gains a column. One that
something else made gets the defaults that it lacks, also in rows where a value is missing; one that cannot keep every
task that the contract admits is refused.
"""

from typing import cast

import psycopg
import sqlalchemy as sa
from alembic import op

from taskflow.database.migrations.adoption import REPLACED_INDEX, check_table, find_schema, find_table

revision = "0001"
down_revision = None


def upgrade() -> None:
    connection = cast("psycopg.Connection", op.get_bind().connection.dbapi_connection)
    table = find_table(connection)
    if table is not None:
        check_table(connection, table)
        _adopt(find_schema(connection, table))
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
    op.create_index(REPLACED_INDEX, "tasks", ["user_id", "id"])


def _adopt(schema: str) -> None:
    for name, default in (("is_completed", "false"), ("created_at", "now()"), ("updated_at", "now()")):
        column: sa.ColumnClause[object] = sa.column(name)
        op.execute(sa.update(sa.table("tasks", column)).where(column.is_(None)).values({name: sa.text(default)}))
        op.alter_column("tasks", name, server_default=sa.text(default), nullable=False)
    # Of the table's own schema: another one may have an index of that name too.
    op.drop_index(REPLACED_INDEX, "tasks", schema=schema, if_exists=True)
