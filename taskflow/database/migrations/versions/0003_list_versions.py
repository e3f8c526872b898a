"""The versions of lists, so that a client learns for little that nothing has changed."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "taskflow_list_versions",
        sa.Column("user_id", sa.String(255), primary_key=True),
        sa.Column("slot", sa.SmallInteger, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        # Room for the next version beside the last one, or every change would have to be entered in the index too.
        postgresql_with={"fillfactor": "50"},
    )
