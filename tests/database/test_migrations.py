"""Migrations: whoever starts first, there is one schema in the end; what is there is kept; failure changes nothing."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from taskflow.database.migrations import NEWEST_VERSION, VERSION_TABLE, MigrationError, migrate, read_version
from taskflow.database.models import Task
from tests.conftest import MakeDatabase, make_url
from tests.support.adoption import SPECIFIED_SCHEMA


def query(url: str, statement: str) -> list[Any]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def read_schema(url: str) -> list[Any]:
    """Give every column and index of the database, the version table included."""
    columns = query(
        url,
        "SELECT table_name, column_name, data_type, is_nullable, column_default, is_identity"
        " FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, ordinal_position",
    )
    return columns + query(url, "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1")


def test_the_migrations_build_what_the_models_describe(make_database: MakeDatabase) -> None:
    """Alembic finds no difference, and the defaults are the database's own."""
    url = make_database()
    migrate(url)
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=NullPool)
    with engine.connect() as connection:
        options = {"version_table": VERSION_TABLE, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Task.metadata) == []


def test_a_second_run_changes_nothing(make_database: MakeDatabase) -> None:
    """And says the same version."""
    url = make_database()
    version = migrate(url)
    schema = read_schema(url)
    assert migrate(url) == version
    assert read_schema(url) == schema
    with psycopg.connect(url) as connection:
        assert read_version(connection) == version == NEWEST_VERSION


def test_a_database_that_was_never_migrated_has_no_version(make_database: MakeDatabase) -> None:
    """Reading the version makes nothing."""
    url = make_database()
    with psycopg.connect(url) as connection:
        assert read_version(connection) is None
    assert read_schema(url) == []


def test_a_role_that_may_not_read_the_version_is_told_so(make_database: MakeDatabase) -> None:
    """In the database's own words, which quote no data."""
    url = make_database()
    migrate(url)
    parameters = conninfo_to_dict(url)
    role = f"{parameters['dbname']}_nobody"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SQL("CREATE ROLE {}").format(Identifier(role)))
        try:
            with pytest.raises(MigrationError) as caught:
                migrate(make_url({**parameters, "options": f"-c role={role}"}))
        finally:
            connection.execute(SQL("DROP ROLE {}").format(Identifier(role)))
    assert str(caught.value) == (
        "The schema could not be migrated: permission denied for table taskflow_schema_version."
    )


def test_eight_that_start_at_once_end_with_one_schema(make_database: MakeDatabase) -> None:
    """Without the lock, two thirds of them would fail."""
    alone, together = make_database(), make_database()
    version = migrate(alone)
    with ThreadPoolExecutor(8) as pool:
        versions = list(pool.map(migrate, [together] * 8))
    assert versions == [version] * 8
    assert read_schema(together) == read_schema(alone)


def test_a_table_made_by_the_specification_is_adopted_with_its_rows(make_database: MakeDatabase) -> None:
    """The rows and the SERIAL id stay; the index gains the id, so that a list comes out of it in order."""
    url = make_database()
    query(url, SPECIFIED_SCHEMA)
    query(url, "INSERT INTO tasks (user_id, title, description) VALUES ('alice', 'Old', 'Kept'), ('bob', 'New', NULL)")
    rows = query(url, "SELECT * FROM tasks ORDER BY id")
    columns = [column for column in read_schema(url) if column[0] == "tasks"]
    migrate(url)
    assert query(url, "SELECT * FROM tasks ORDER BY id") == rows
    assert [column for column in read_schema(url) if column[0] == "tasks"] == columns
    assert query(url, "SELECT indexdef FROM pg_indexes WHERE indexname = 'idx_tasks_user_id'") == [
        ("CREATE INDEX idx_tasks_user_id ON public.tasks USING btree (user_id, id)",)
    ]


def test_another_table_of_that_name_is_left_alone(make_database: MakeDatabase) -> None:
    """What it lacks is named, and the database is as it was."""
    url = make_database()
    query(url, "CREATE TABLE tasks (id bigint PRIMARY KEY, title text, owner text)")
    schema = read_schema(url)
    with pytest.raises(MigrationError) as caught:
        migrate(url)
    assert str(caught.value) == (
        "The schema could not be migrated: there is a table tasks already, and it lacks"
        " created_at, description, is_completed, updated_at, user_id."
    )
    assert read_schema(url) == schema


def test_a_table_without_defaults_is_given_them(make_database: MakeDatabase) -> None:
    """An ORM that fills everything in itself makes such tables."""
    url = make_database()
    bare = SPECIFIED_SCHEMA.replace("DEFAULT FALSE", "").replace("DEFAULT NOW()", "")
    query(url, bare)
    migrate(url)
    query(url, "INSERT INTO tasks (user_id, title) VALUES ('alice', 'New')")
    assert query(url, "SELECT is_completed, created_at = updated_at FROM tasks") == [(False, True)]


def test_rows_without_a_value_are_given_one(make_database: MakeDatabase) -> None:
    """The contract promises every member of a task, in old rows too."""
    url = make_database()
    query(url, SPECIFIED_SCHEMA.replace("NOT NULL DEFAULT FALSE", "").replace("NOT NULL DEFAULT NOW()", ""))
    query(url, "INSERT INTO tasks (user_id, title) VALUES ('alice', 'Old')")
    migrate(url)
    assert query(url, "SELECT is_completed, created_at <= now(), updated_at <= now() FROM tasks") == [
        (False, True, True)
    ]


@pytest.mark.parametrize("kind", ["bigint PRIMARY KEY", "uuid PRIMARY KEY DEFAULT gen_random_uuid()"])
def test_ids_that_are_not_given_numbers_are_not_adopted(kind: str, make_database: MakeDatabase) -> None:
    """The first task would fail, or have an id that the contract does not allow."""
    url = make_database()
    query(url, SPECIFIED_SCHEMA.replace("SERIAL PRIMARY KEY", kind))
    schema = read_schema(url)
    with pytest.raises(MigrationError, match="its id is not a number that the database gives"):
        migrate(url)
    assert read_schema(url) == schema


def test_times_without_a_zone_are_not_adopted(make_database: MakeDatabase) -> None:
    """Nobody knows which moments they mean."""
    url = make_database()
    query(url, SPECIFIED_SCHEMA.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMP"))
    schema = read_schema(url)
    with pytest.raises(MigrationError, match="its created_at is not a timestamp with time zone"):
        migrate(url)
    assert read_schema(url) == schema


def test_a_role_that_may_not_create_tables_is_told_so(make_database: MakeDatabase) -> None:
    """PostgreSQL's own reason, and the database is as it was."""
    url = make_database()
    role = f"{conninfo_to_dict(url)['dbname']}_reader"
    query(url, f"CREATE ROLE {role}; REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    try:
        with pytest.raises(MigrationError) as caught:
            migrate(make_url({**conninfo_to_dict(url), "options": f"-c role={role}"}))
    finally:
        query(url, f"DROP ROLE {role}")
    assert str(caught.value) == "The schema could not be migrated: permission denied for schema public."
    assert read_schema(url) == []


def test_a_database_that_is_not_there_is_not_a_failed_migration(make_database: MakeDatabase) -> None:
    """It may come yet: the caller decides whether to wait."""
    with pytest.raises(psycopg.OperationalError):
        migrate(make_database() + "_gone")
