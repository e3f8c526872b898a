"""The key that cursors are sealed with, made at random."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

KEY_BYTES = 64
"""What AES-SIV takes with a 256-bit cipher (RFC 5297, section 2.2)."""


def upgrade() -> None:
    keys = op.create_table(
        "taskflow_keys",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.bulk_insert(keys, [{"name": "cursors", "value": secrets.token_hex(KEY_BYTES)}])
