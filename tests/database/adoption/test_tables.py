"""A table that is there already is adopted if it can keep every task that the contract admits, and else left alone."""

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from taskflow.database.migrations import NEWEST_VERSION, MigrationError, migrate
from tests.conftest import make_url
from tests.support.adoption import FUNCTION, PREFIX, SPECIFIED_SCHEMA, add, change, expect_refusal, read_database, run
from tests.support.cast import ALICE, SECRET, User
from tests.support.contract import check_response
from tests.support.faults import open_client, run_impatient_server
from tests.support.processes import run_command
from tests.support.server import make_environment


def refuse_type(column: str, kind: str, wanted: str = "text") -> str:
    return (
        f"its {column} is of the type {kind}, which cannot keep every value that the contract admits:"
        f" change it to {wanted}"
    )


NO_NUMBER = "its id is not a number that the database gives"
SEQUENCE = (
    "its id comes from the sequence tasks_id_seq, which does not count up to 2147483647 at least, or begins anew:"
    " alter it with INCREMENT 1 NO MAXVALUE NO CYCLE"
)
PEOPLE = "CREATE TABLE users (id text PRIMARY KEY);"
NEW_ID = "CREATE FUNCTION new_id() RETURNS bigint LANGUAGE sql AS 'SELECT (random() * 1e18)::bigint';"
COLLATION = """
    CREATE COLLATION same FROM "C";
    UPDATE pg_collation SET collisdeterministic = false WHERE collname = 'same';
"""
"""A nondeterministic collation without ICU, which not every PostgreSQL has."""
SAME = "has the nondeterministic collation same, for which different texts can be equal: use a deterministic one"
TITLES = "; INSERT INTO tasks (user_id, title) VALUES ('alice', ''), ('alice', repeat('x', 201)), ('alice', 'Fine')"
NO_TITLE = "; INSERT INTO tasks (user_id) VALUES ('alice')"
SHORT = "a task with a title of 1 character and no description could not be written to it"
TWIN = "a task with the same texts as another one could not be written to it"
LONG = "a task with a description of 1048576 characters could not be written to it"

REFUSED = {
    # Types that keep too little, or change what they keep.
    "user_id uuid": (change("user_id VARCHAR(255)", "user_id uuid"), refuse_type("user_id", "uuid")),
    "user_id integer": (change("user_id VARCHAR(255)", "user_id integer"), refuse_type("user_id", "integer")),
    "user_id 36": (
        change("user_id VARCHAR(255)", "user_id varchar(36)"),
        refuse_type("user_id", "character varying(36)"),
    ),
    "user_id 254": (
        change("user_id VARCHAR(255)", "user_id varchar(254)"),
        refuse_type("user_id", "character varying(254)"),
    ),
    "user_id char": (change("user_id VARCHAR(255)", "user_id char(255)"), refuse_type("user_id", "character(255)")),
    "user_id name": (change("user_id VARCHAR(255)", "user_id name"), refuse_type("user_id", "name")),
    "title 100": (change("title VARCHAR(200)", "title varchar(100)"), refuse_type("title", "character varying(100)")),
    "title json": (change("title VARCHAR(200)", "title json"), refuse_type("title", "json")),
    "title jsonb": (change("title VARCHAR(200)", "title jsonb"), refuse_type("title", "jsonb")),
    "title bytea": (change("title VARCHAR(200)", "title bytea"), refuse_type("title", "bytea")),
    "title array": (change("title VARCHAR(200)", "title text[]"), refuse_type("title", "text[]")),
    "title char": (change("title VARCHAR(200)", "title char(200)"), refuse_type("title", "character(200)")),
    "title domain": (
        "CREATE DOMAIN short AS text CHECK (length(VALUE) < 9);" + change("title VARCHAR(200)", "title short"),
        refuse_type("title", "short"),
    ),
    "user_id enum": (
        "CREATE TYPE person AS ENUM ('alice');" + change("user_id VARCHAR(255)", "user_id person"),
        refuse_type("user_id", "person"),
    ),
    "description 1000": (
        change("description TEXT", "description varchar(1000)"),
        refuse_type("description", "character varying(1000)"),
    ),
    "description tsvector": (
        change("description TEXT", "description tsvector"),
        refuse_type("description", "tsvector"),
    ),
    "is_completed integer": (
        change("BOOLEAN NOT NULL DEFAULT FALSE", "integer NOT NULL DEFAULT 0"),
        refuse_type("is_completed", "integer", "boolean"),
    ),
    "is_completed text": (
        change("BOOLEAN NOT NULL DEFAULT FALSE", "text NOT NULL DEFAULT 'no'"),
        refuse_type("is_completed", "text", "boolean"),
    ),
    "times without microseconds": (
        change("TIMESTAMP WITH TIME ZONE", "TIMESTAMP(3) WITH TIME ZONE"),
        refuse_type("created_at", "timestamp(3) with time zone", "timestamp with time zone"),
    ),
    "updated_at date": (
        change("updated_at TIMESTAMP WITH TIME ZONE", "updated_at date"),
        "its updated_at is not a timestamp with time zone",
    ),
    # Ids.
    "id smallint": (change("id SERIAL", "id smallserial"), refuse_type("id", "smallint", "bigint")),
    "id text": (change("id SERIAL", "id text DEFAULT 'x'"), NO_NUMBER),
    "id numeric": (change("id SERIAL", "id numeric DEFAULT 1"), NO_NUMBER),
    "id constant": (change("id SERIAL", "id bigint DEFAULT 1"), NO_NUMBER),
    "id random": (NEW_ID + change("id SERIAL", "id bigint DEFAULT new_id()"), NO_NUMBER),
    "id doubled": (
        "CREATE SEQUENCE ids;" + change("id SERIAL", "id bigint DEFAULT nextval('ids') * 2"),
        NO_NUMBER,
    ),
    "id not unique": (change("SERIAL PRIMARY KEY", "SERIAL"), "its id is not unique: make it the primary key"),
    "id unique in part": (
        change("SERIAL PRIMARY KEY", "SERIAL") + ";CREATE UNIQUE INDEX part ON tasks (id) WHERE id > 10",
        "its id is not unique: make it the primary key",
    ),
    "ids that begin anew": (add("ALTER SEQUENCE tasks_id_seq CYCLE"), SEQUENCE),
    "ids that end soon": (add("ALTER SEQUENCE tasks_id_seq MAXVALUE 32767"), SEQUENCE),
    "ids that go down": (add("ALTER SEQUENCE tasks_id_seq INCREMENT -1 MINVALUE -9"), SEQUENCE),
    "ids below one": (
        add("ALTER SEQUENCE tasks_id_seq MINVALUE -5 RESTART -5"),
        "the next id of its sequence tasks_id_seq would be -5, not a number from 1 to 2147483647: set the sequence",
    ),
    "ids used up": (
        add("SELECT setval('tasks_id_seq', 2147483647)"),
        (
            "the next id of its sequence tasks_id_seq would be 2147483648, not a number from 1 to 2147483647:"
            " set the sequence"
        ),
    ),
    "ids beyond JavaScript": (
        change("id SERIAL", "id bigserial") + ";SELECT setval('tasks_id_seq', 9007199254740991)",
        (
            "the next id of its sequence tasks_id_seq would be 9007199254740992,"
            " not a number from 1 to 9007199254740991: set the sequence"
        ),
    ),
    "ids behind the rows": (
        add("INSERT INTO tasks (id, user_id, title) VALUES (1, 'alice', 'Imported')"),
        "the next id of its sequence tasks_id_seq would be 1, but there is a task 1: set the sequence beyond it",
    ),
    # Columns.
    "description required": (
        change("description TEXT", "description TEXT NOT NULL DEFAULT ''"),
        "its description is NOT NULL, but a task may have none: drop the NOT NULL",
    ),
    "description generated": (
        change("description TEXT", "description text GENERATED ALWAYS AS (title) STORED"),
        "its description is generated: make it an ordinary column",
    ),
    "further column": (
        add("ALTER TABLE tasks ADD owner text NOT NULL"),
        "its further column owner is NOT NULL and has no default: give it one",
    ),
    "further column of a strict domain": (
        add("CREATE DOMAIN given AS integer NOT NULL; ALTER TABLE tasks ADD place given"),
        f"{SHORT} (domain given does not allow null values): alter what refuses it",
    ),
    "further column whose default fails": (
        add("ALTER TABLE tasks ADD place integer; ALTER TABLE tasks ALTER place SET DEFAULT 1 / (length('') * 2)"),
        f"{SHORT} (division by zero): alter what refuses it",
    ),
    "collation of title": (COLLATION + change("title VARCHAR(200)", 'title text COLLATE "same"'), f"its title {SAME}"),
    "collation of user_id": (
        COLLATION + change("user_id VARCHAR(255)", 'user_id text COLLATE "same"'),
        f"its user_id {SAME}",
    ),
    "collation of description": (
        COLLATION + change("description TEXT", 'description text COLLATE "same"'),
        f"its description {SAME}",
    ),
    # Constraints, rules, triggers.
    "check": (
        add("ALTER TABLE tasks ADD CONSTRAINT wordy CHECK (length(title) > 3)"),
        "its check constraint wordy on title can refuse a task: drop it",
    ),
    "check of a long title": (
        add("ALTER TABLE tasks ADD CONSTRAINT brief CHECK (char_length(title) BETWEEN 1 AND 199)"),
        "its check constraint brief on title can refuse a task: drop it",
    ),
    "check with a gap": (
        add("ALTER TABLE tasks ADD CONSTRAINT odd CHECK (length(title) < 70 OR length(title) > 70)"),
        "its check constraint odd on title can refuse a task: drop it",
    ),
    "check of blanks": (
        add("ALTER TABLE tasks ADD CONSTRAINT seen CHECK (length(btrim(title)) > 0)"),
        "its check constraint seen on title can refuse a task: drop it",
    ),
    "check of bytes": (
        add("ALTER TABLE tasks ADD CONSTRAINT bytes CHECK (octet_length(title) <= 200)"),
        "its check constraint bytes on title can refuse a task: drop it",
    ),
    "check of descriptions": (
        add("ALTER TABLE tasks ADD CONSTRAINT small CHECK (length(description) <= 100000)"),
        "its check constraint small on description can refuse a task: drop it",
    ),
    "check of ids": (
        add("ALTER TABLE tasks ADD CONSTRAINT few CHECK (id < 1000000)"),
        "its check constraint few on id can refuse a task: drop it",
    ),
    "check of two": (
        add("ALTER TABLE tasks ADD CONSTRAINT done CHECK (NOT is_completed OR description IS NOT NULL)"),
        "its check constraint done on description, is_completed can refuse a task: drop it",
    ),
    "check not validated": (
        add("ALTER TABLE tasks ADD CONSTRAINT ours CHECK (user_id LIKE 'user_%') NOT VALID"),
        "its check constraint ours on user_id can refuse a task: drop it",
    ),
    "check of nothing": (
        add("ALTER TABLE tasks ADD CONSTRAINT closed CHECK (current_user = 'nobody')"),
        "its check constraint closed can refuse a task: drop it",
    ),
    "check of the row": (
        add("ALTER TABLE tasks ADD CONSTRAINT whole CHECK (tasks.* IS NOT NULL)"),
        "its check constraint whole can refuse a task: drop it",
    ),
    "check of what is generated": (
        add(
            "ALTER TABLE tasks ADD size int GENERATED ALWAYS AS (length(title)) STORED;"
            "ALTER TABLE tasks ADD CONSTRAINT wordy CHECK (size <> 77)"
        ),
        "its check constraint wordy on size can refuse a task: drop it",
    ),
    "check of a default": (
        add("ALTER TABLE tasks ADD place int DEFAULT 0, ADD CONSTRAINT placed CHECK (place > 0)"),
        f'{SHORT} (new row for relation "tasks" violates check constraint "placed"): alter what refuses it',
    ),
    "unique": (
        add("ALTER TABLE tasks ADD CONSTRAINT one UNIQUE (user_id, title)"),
        "its unique constraint one on user_id, title can refuse a task: drop it",
    ),
    "unique and deferred": (
        add("ALTER TABLE tasks ADD CONSTRAINT one UNIQUE (title) DEFERRABLE INITIALLY DEFERRED"),
        "its unique constraint one on title can refuse a task: drop it",
    ),
    "unique index": (
        add("CREATE UNIQUE INDEX one ON tasks (user_id, lower(title))"),
        "its unique index one on user_id, title can refuse a task: drop it",
    ),
    "unique index in part": (
        add("ALTER TABLE tasks ADD place int; CREATE UNIQUE INDEX one ON tasks (place) WHERE is_completed"),
        "its unique index one on is_completed, place can refuse a task: drop it",
    ),
    "unique times": (
        add("ALTER TABLE tasks ADD CONSTRAINT one UNIQUE (created_at)"),
        "its unique constraint one on created_at can refuse a task: drop it",
    ),
    "unique default": (
        add("ALTER TABLE tasks ADD place int NOT NULL DEFAULT 0 CONSTRAINT one UNIQUE"),
        f'{TWIN} (duplicate key value violates unique constraint "one"): alter what refuses it',
    ),
    "exclusion": (
        add("ALTER TABLE tasks ADD CONSTRAINT one EXCLUDE USING btree (title WITH =)"),
        "its exclusion constraint one on title can refuse a task: drop it",
    ),
    "foreign key": (
        PEOPLE + add("ALTER TABLE tasks ADD CONSTRAINT owner FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE"),
        "its foreign key owner on user_id can refuse a task: drop it",
    ),
    "foreign key and deferred": (
        PEOPLE
        + add(
            "ALTER TABLE tasks ADD CONSTRAINT owner FOREIGN KEY (user_id) REFERENCES users"
            " DEFERRABLE INITIALLY DEFERRED NOT VALID"
        ),
        "its foreign key owner on user_id can refuse a task: drop it",
    ),
    "foreign key of a default": (
        "CREATE TABLE places (id int PRIMARY KEY);"
        + add("ALTER TABLE tasks ADD place int DEFAULT 5 CONSTRAINT placed REFERENCES places"),
        f'{SHORT} (insert or update on table "tasks" violates foreign key constraint "placed"): alter what refuses it',
    ),
    "reference": (
        add("CREATE TABLE notes (task_id int CONSTRAINT noted REFERENCES tasks)"),
        "the foreign key noted of notes can refuse that a task is deleted: make it ON DELETE CASCADE, or drop it",
    ),
    "reference that must not be null": (
        add("CREATE TABLE notes (task_id int NOT NULL CONSTRAINT noted REFERENCES tasks ON DELETE SET NULL)"),
        "the foreign key noted of notes can refuse that a task is deleted: make it ON DELETE CASCADE, or drop it",
    ),
    "reference to what is removed too": (
        add(
            "CREATE TABLE notes (id int PRIMARY KEY REFERENCES tasks ON DELETE CASCADE);"
            "CREATE TABLE marks (note_id int CONSTRAINT marked REFERENCES notes)"
        ),
        "the foreign key marked of marks can refuse that a task is deleted: make it ON DELETE CASCADE, or drop it",
    ),
    "rule": (
        add("CREATE RULE kept AS ON DELETE TO tasks DO INSTEAD NOTHING"),
        "its rule kept can change or refuse a task: drop it",
    ),
    "trigger before": (
        FUNCTION + add("CREATE TRIGGER guard BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION refuse()"),
        "its trigger guard can change or refuse a task: drop it",
    ),
    "trigger after": (
        FUNCTION
        + add(
            "CREATE CONSTRAINT TRIGGER guard AFTER UPDATE ON tasks DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION refuse()"
        ),
        "its trigger guard can change or refuse a task: drop it",
    ),
    "trigger of statements": (
        FUNCTION + add("CREATE TRIGGER guard BEFORE DELETE ON tasks EXECUTE FUNCTION refuse()"),
        "its trigger guard can change or refuse a task: drop it",
    ),
    "row security": (
        add("ALTER TABLE tasks ENABLE ROW LEVEL SECURITY"),
        "its row level security can hide or refuse a task: disable it",
    ),
    "row security, forced": (
        add(
            "CREATE POLICY own ON tasks USING (user_id = current_user);"
            "ALTER TABLE tasks ENABLE ROW LEVEL SECURITY; ALTER TABLE tasks FORCE ROW LEVEL SECURITY"
        ),
        "its row level security can hide or refuse a task: disable it",
    ),
    # What the catalogs do not tell.
    "index of descriptions": (
        add("CREATE INDEX ON tasks (description)"),
        f"{LONG} (index row requires 1048592 bytes, maximum size is 8191): alter what refuses it",
    ),
    "index of numbers": (
        add("CREATE INDEX ON tasks ((title::integer))"),
        f'{SHORT} (invalid input syntax for type integer: "a"): alter what refuses it',
    ),
    "index of an empty description": (
        add("CREATE INDEX ON tasks ((1 / length(description)))"),
        "a task with an empty description could not be written to it (division by zero): alter what refuses it",
    ),
    "text search": (
        add("ALTER TABLE tasks ADD words tsvector GENERATED ALWAYS AS (to_tsvector('simple', description)) STORED"),
        f"{LONG} (string is too long for tsvector (1480490 bytes, max 1048575 bytes)): alter what refuses it",
    ),
    "generated and required": (
        add("ALTER TABLE tasks ADD size int NOT NULL GENERATED ALWAYS AS (length(description)) STORED"),
        (
            f'{SHORT} (null value in column "size" of relation "tasks" violates not-null constraint):'
            " alter what refuses it"
        ),
    ),
    "changes without an identity": (
        add("ALTER TABLE tasks REPLICA IDENTITY NOTHING; CREATE PUBLICATION everything FOR TABLE tasks"),
        (
            'a task with changed texts could not be written to it (cannot update table "tasks" because it does not have'
            " a replica identity and publishes updates): alter what refuses it"
        ),
    ),
    # Tables of another kind.
    "view": (
        "CREATE VIEW tasks AS SELECT 1 AS id, 'alice' AS user_id",
        "it is a view: rename it, or use another database",
    ),
    "unlogged": (
        add("ALTER TABLE tasks SET UNLOGGED"),
        "it is an unlogged table, which is empty after a crash: rename it, or use another database",
    ),
    "partitioned": (
        "CREATE TABLE tasks (id serial, user_id text, title text) PARTITION BY HASH (user_id)",
        "it is a partitioned table: rename it, or use another database",
    ),
    "parent": (
        add("CREATE TABLE more () INHERITS (tasks)"),
        "it is the parent of other tables: rename it, or use another database",
    ),
    "sequence": ("CREATE SEQUENCE tasks", "it is another kind of object: rename it, or use another database"),
    # Rows that the contract does not admit, and so cannot be listed.
    "empty and long titles": (
        change("title VARCHAR(200)", "title text") + TITLES,
        "title is not a text of 1 to 200 characters in 2 of its rows: correct or remove them",
    ),
    "no title": (
        change("title VARCHAR(200) NOT NULL", "title text") + NO_TITLE,
        "title is not a text of 1 to 200 characters in 1 of its rows: correct or remove them",
    ),
    "negative ids": (
        add("INSERT INTO tasks (id, user_id, title) VALUES (-1, 'alice', 'Imported')"),
        "id is not a number from 1 to 9007199254740991 in 1 of its rows: correct or remove them",
    ),
    "endless times": (
        add("INSERT INTO tasks (user_id, title, created_at) VALUES ('alice', 'Old', '-infinity')"),
        "created_at is not a time of the years 1 to 9999 in 1 of its rows: correct or remove them",
    ),
    "last year": (
        add("INSERT INTO tasks (user_id, title, updated_at) VALUES ('alice', 'Old', '9999-12-31 23:59:59.999999Z')"),
        "updated_at is not a time of the years 1 to 9998 in 1 of its rows: correct or remove them",
    ),
    # Numbers of further columns.
    "numbers that end soon": (
        add("CREATE SEQUENCE numbers MAXVALUE 50000; ALTER TABLE tasks ADD n int DEFAULT nextval('numbers')"),
        "its further column n is of numbers that end soon (numbers as integer): make both bigint",
    ),
    "numbers within a text": (
        add("CREATE SEQUENCE numbers AS smallint; ALTER TABLE tasks ADD n text DEFAULT 'T' || nextval('numbers')"),
        "its further column n is of numbers that end soon (numbers as text): make both bigint",
    ),
    "numbers that go down": (
        add("ALTER TABLE tasks ADD n bigint GENERATED ALWAYS AS IDENTITY (INCREMENT -1 MINVALUE -99)"),
        "its further column n is of numbers that end soon (tasks_n_seq as bigint): make both bigint",
    ),
    "numbers too great for their column": (
        add("CREATE SEQUENCE numbers; ALTER TABLE tasks ADD n smallint DEFAULT nextval('numbers')"),
        "its further column n is of numbers that end soon (numbers as smallint): make both bigint",
    ),
    "numbers of four digits": (
        add("CREATE SEQUENCE numbers; ALTER TABLE tasks ADD n numeric(4) DEFAULT nextval('numbers')"),
        "its further column n is of numbers that end soon (numbers as numeric(4,0)): make both bigint",
    ),
    # The index that is replaced must be the table's own, and nothing may rest on it.
    "the only unique index is replaced": (
        (
            "CREATE TABLE tasks (id serial, user_id text, title text, description text, is_completed bool,"
            " created_at timestamptz, updated_at timestamptz); CREATE UNIQUE INDEX idx_tasks_user_id ON tasks (id)"
        ),
        "its id is not unique: make it the primary key",
    ),
    "the primary key's index": (
        add("DROP INDEX idx_tasks_user_id; ALTER INDEX tasks_pkey RENAME TO idx_tasks_user_id"),
        "the name idx_tasks_user_id, which its index is to have, belongs to something else: rename that",
    ),
    "the replica identity is replaced": (
        SPECIFIED_SCHEMA.replace("CREATE INDEX idx_tasks_user_id ON tasks(user_id)", "")
        + "CREATE UNIQUE INDEX idx_tasks_user_id ON tasks (user_id, id);"
        "ALTER TABLE tasks REPLICA IDENTITY USING INDEX idx_tasks_user_id",
        "its index idx_tasks_user_id, which is replaced, is its replica identity: choose another one",
    ),
    "another's index": (
        SPECIFIED_SCHEMA.rpartition("CREATE INDEX")[0]
        + "; CREATE TABLE other (n int); CREATE INDEX idx_tasks_user_id ON other (n)",
        "the name idx_tasks_user_id, which its index is to have, belongs to something else: rename that",
    ),
}

WIDE = """
    CREATE TABLE projects (id int PRIMARY KEY);
    CREATE TABLE tasks (
      "Project" int REFERENCES projects,
      id BIGSERIAL PRIMARY KEY,
      user_id text,
      title varchar(1000),
      description varchar,
      is_completed boolean,
      created_at timestamptz(6) NOT NULL DEFAULT clock_timestamp(),
      updated_at timestamptz,
      priority smallint NOT NULL DEFAULT 0 CHECK (priority BETWEEN 0 AND 5),
      external_id uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
      slug text UNIQUE,
      number int GENERATED ALWAYS AS IDENTITY,
      folded text GENERATED ALWAYS AS (lower(title)) STORED NOT NULL,
      due date,
      UNIQUE (user_id, id)
    );
    CREATE TABLE notes (task_id bigint NOT NULL REFERENCES tasks ON DELETE CASCADE);
    CREATE INDEX ON tasks (title);
    CREATE INDEX ON tasks (md5(description)) WHERE NOT is_completed;
    CREATE INDEX idx_tasks_user_id ON tasks USING hash (user_id);
    CREATE VIEW open_tasks AS SELECT * FROM tasks WHERE NOT is_completed;
    INSERT INTO tasks (user_id, title) VALUES ('alice', 'Old'), (NULL, 'Nobody''s');
    INSERT INTO notes VALUES (1);
"""
"""Wider columns than the specification's, and further ones: nothing in it can refuse a task."""

ADOPTED = {
    "specified": SPECIFIED_SCHEMA,
    "text": change("VARCHAR(255)", "text").replace("VARCHAR(200)", "text"),
    "wider": change("VARCHAR(255)", "varchar(256)").replace("VARCHAR(200)", "varchar"),
    "bigserial": change("SERIAL", "BIGSERIAL"),
    "identity": change("SERIAL", "int GENERATED ALWAYS AS IDENTITY"),
    "bigint identity": change("SERIAL", "bigint GENERATED BY DEFAULT AS IDENTITY (INCREMENT 10)"),
    "further columns": add("ALTER TABLE tasks ADD due date, ADD colour text NOT NULL DEFAULT 'white'"),
    "checks that repeat the contract": add(
        "ALTER TABLE tasks ADD CHECK (char_length(title) BETWEEN 1 AND 200), ADD CHECK (title <> ''),"
        " ADD CHECK (length(user_id) > 0 AND length(user_id) < 256), ADD CHECK (title IS NOT NULL), ADD CHECK (id > 0)"
    ),
    "disabled trigger": FUNCTION
    + add(
        "CREATE TRIGGER guard BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION refuse();"
        "ALTER TABLE tasks DISABLE TRIGGER guard"
    ),
    "rows": add("INSERT INTO tasks (user_id, title) VALUES ('alice', repeat('x', 200)), ('', 'Nobody''s')"),
    "numbers that fit": add(
        "CREATE SEQUENCE tickets; ALTER TABLE tasks ADD ticket varchar(32) DEFAULT 'TASK-' || nextval('tickets');"
        "CREATE SEQUENCE shards MAXVALUE 16 CYCLE; ALTER TABLE tasks ADD shard smallint DEFAULT nextval('shards')"
    ),
    "further numbers": add("ALTER TABLE tasks ADD n serial, ADD m text DEFAULT nextval('tasks_id_seq')"),
    "wide": WIDE,
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_table_that_can_refuse_a_task_is_left_alone(case: str, url: str) -> None:
    """One sentence names the column and the cause, and nothing has changed."""
    expect_refusal(url, *REFUSED[case])


@pytest.mark.parametrize("case", ADOPTED)
def test_a_table_that_keeps_every_task_is_adopted(case: str, url: str) -> None:
    """Its index is the owner's, in order; a second run changes nothing."""
    run(url, ADOPTED[case])
    assert migrate(url) == NEWEST_VERSION
    with psycopg.connect(url) as connection:
        ((index,),) = connection.execute(
            "SELECT indexdef FROM pg_indexes WHERE indexname = 'idx_tasks_user_id'"
        ).fetchall()
        assert index == "CREATE INDEX idx_tasks_user_id ON public.tasks USING btree (user_id, id)"
        assert connection.execute("SELECT count(*) FROM tasks WHERE id > 100").fetchone() == (0,)
    before = read_database(url)
    assert migrate(url) == NEWEST_VERSION
    assert read_database(url) == before


EXTREME = User("𐍈" * 255)
DESCRIPTION = "0123456789abcdef" * 65_000
TITLE = "😀" * 200


@pytest.mark.parametrize("case", ["specified", "wide"])
def test_an_adopted_table_serves_every_request(case: str, url: str) -> None:
    """With the longest and the shortest texts, and the same ones twice."""
    run(url, ADOPTED[case])
    with run_impatient_server(url, DATABASE_TIMEOUT="10") as server, open_client(server, EXTREME) as client:
        for body in [
            {"title": TITLE, "description": DESCRIPTION},
            {"title": "a"},
            {"title": "a", "description": ""},
        ] * 2:
            for headers in ({}, {"Idempotency-Key": f"{len(body)}{body.get('description', '')[:1]}"}):
                response = client.post(EXTREME.tasks, json=body, headers=headers)
                check_response(response)
                assert response.status_code == 201
                task = response.json()
                assert (task["title"], task["description"]) == (body["title"], body.get("description"))
        listed = client.get(EXTREME.tasks).json()
        assert [task["id"] for task in listed] == sorted({task["id"] for task in listed})
        assert len(listed) == 9
        path = f"{EXTREME.tasks}/{listed[1]['id']}"
        for change_of in ({"is_completed": True}, {"title": TITLE, "description": DESCRIPTION}, {"description": None}):
            changed = client.patch(path, json=change_of)
            check_response(changed)
            assert changed.status_code == 200
            assert changed.json()["updated_at"] > task["created_at"] or changed.json()["id"] != task["id"]
        for query in ("q=%F0%9F%98%80", "sort=-title", "sort=updated_at&is_completed=true", "limit=2"):
            found = client.get(f"{EXTREME.tasks}?{query}")
            check_response(found)
            assert found.status_code == 200
            assert found.json()
        assert client.delete(path).status_code == 204
        assert client.get(path).status_code == 404
    with run_impatient_server(url) as server, open_client(server) as client:
        for task in client.get(ALICE.tasks).json():
            assert client.delete(f"{ALICE.tasks}/{task['id']}").status_code == 204


def test_every_command_says_the_sentence(url: str) -> None:
    """Exit code 1, one line, no traceback; the table stays as it is."""
    schema, sentence = REFUSED["user_id uuid"]
    run(url, schema)
    before = read_database(url)
    environment = make_environment(DATABASE_URL=url, BETTER_AUTH_SECRET=SECRET)
    check = run_command(environment, "check")
    assert (check.returncode, check.stderr) == (1, "")
    assert check.stdout.splitlines()[-1] == f"failed  database       {PREFIX}{sentence}."
    for command in (["migrate"], ["serve", "--port", "0"]):
        result = run_command(environment, *command)
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr == f"taskflow: {PREFIX}{sentence}.\n"
    assert read_database(url) == before


def test_check_judges_a_table_and_changes_nothing(url: str) -> None:
    """One that can be adopted waits for its migration."""
    run(url, WIDE)
    before = read_database(url)
    check = run_command(make_environment(DATABASE_URL=url, BETTER_AUTH_SECRET=SECRET), "check")
    assert "no schema yet: run `taskflow migrate`" in check.stdout
    assert read_database(url) == before


def test_an_index_that_cannot_be_made_is_no_outage(url: str) -> None:
    """A limit of PostgreSQL's is of the driver's class for outages, but no try again would help."""
    run(url, change("VARCHAR(255)", "text") + ";DROP INDEX idx_tasks_user_id")
    run(
        url,
        "INSERT INTO tasks (user_id, title) SELECT string_agg(md5(n::text), ''), 'Long' FROM generate_series(1, 500) n",
    )
    with pytest.raises(MigrationError, match="The schema could not be migrated: index row requires"):
        migrate(url)


def test_the_index_of_another_schema_is_kept(url: str) -> None:
    """The table may be found further down in the search path, behind a schema that has an index of that name."""
    run(url, f"{SPECIFIED_SCHEMA}; DROP SCHEMA IF EXISTS earlier CASCADE; CREATE SCHEMA earlier")
    run(url, "CREATE TABLE earlier.other (n int); CREATE INDEX idx_tasks_user_id ON earlier.other (n)")
    path = "-c search_path=earlier,public"
    assert migrate(make_url({**conninfo_to_dict(url), "options": path})) == NEWEST_VERSION
    with psycopg.connect(url) as connection:
        indexes = connection.execute(
            "SELECT schemaname, tablename FROM pg_indexes WHERE indexname = 'idx_tasks_user_id' ORDER BY 1"
        ).fetchall()
    assert indexes == [("earlier", "other"), ("public", "tasks")]
