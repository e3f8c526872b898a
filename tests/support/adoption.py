"""Tables that something else than TaskFlow has made, and what becomes of their databases."""

from typing import Any

import psycopg
import pytest

from taskflow.database.migrations import MigrationError, migrate

SPECIFIED_SCHEMA = """
    CREATE TABLE tasks (
      id SERIAL PRIMARY KEY,
      user_id VARCHAR(255) NOT NULL,
      title VARCHAR(200) NOT NULL,
      description TEXT,
      is_completed BOOLEAN NOT NULL DEFAULT FALSE,
      created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
      updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW()
    );
    CREATE INDEX idx_tasks_user_id ON tasks(user_id);
"""
"""The table as the specification has it."""

PREFIX = "The schema could not be migrated: there is a table tasks already, and "
FUNCTION = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;"

CATALOGS = ("pg_attribute", "pg_attrdef", "pg_constraint", "pg_index", "pg_trigger", "pg_sequence")


def change(old: str, new: str) -> str:
    """Return the specification's SQL with one part changed."""
    assert old in SPECIFIED_SCHEMA
    return SPECIFIED_SCHEMA.replace(old, new)


def add(statements: str) -> str:
    """Return the specification's SQL with statements behind it."""
    return f"{SPECIFIED_SCHEMA};{statements}"


def run(url: str, statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statements.encode())


def read_database(url: str) -> list[Any]:
    """Return all that a migration could change but sequences' numbers; what is written has its transaction's number."""
    with psycopg.connect(url) as connection:
        names = connection.execute(
            "SELECT quote_ident(relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
        ).fetchall()
        # Not the rows of catalogs: statistics in them change at any time.
        queries = ["SELECT oid, xmin::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY oid"]
        queries += [f"SELECT xmin::text FROM {name} ORDER BY ctid" for name in CATALOGS]  # noqa: S608  names of ours
        queries += [f"SELECT xmin::text, t::text FROM {name} AS t ORDER BY ctid" for (name,) in names]  # noqa: S608
        return [(query, *row) for query in queries for row in connection.execute(query.encode())]


def read_sequences(url: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT sequencename, last_value FROM pg_sequences ORDER BY 1").fetchall()


def expect_refusal(url: str, schema: str, sentence: str) -> None:
    """Make a table that is not adopted: one sentence names the cause, and nothing has changed."""
    run(url, schema)
    before = read_database(url), read_sequences(url)
    with pytest.raises(MigrationError) as caught:
        migrate(url)
    assert str(caught.value) == f"{PREFIX}{sentence}."
    assert (read_database(url), read_sequences(url)) == before
