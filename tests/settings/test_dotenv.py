"""A line of `.env` counts, or it ends the start: none is passed over, and no sentence shows what it holds."""

import os
from pathlib import Path

import pytest

from taskflow.settings import Settings, SettingsError, load_settings

UNCLOSED = "a quote opens that is not closed on the same line; close it"
BEHIND = "text behind the closing quote; quote all of the value, or put a # before the comment"
NO_ASSIGNMENT = "it is neither an assignment (NAME=value) nor a comment (#)"
NO_NAME = "what stands before the = is not the name of a variable (letters, digits and _)"
FOREIGN_QUOTE = "the value of JWT_AUDIENCE begins with a character that is not a quote here; use \" or '"
UNOPENED = "the value of JWT_AUDIENCE ends in a quote that nothing opens; remove it, or quote all of it"
COMMENT = "the value of JWT_AUDIENCE begins with #; quote it, or put a blank before the comment"
ANOTHER = "another assignment follows the value of {}; begin a new line for it"
EMPTY = "the value of JWT_AUDIENCE comes to nothing: what it names in ${} is empty"
UNSET = (
    "the value of JWT_AUDIENCE names a variable in ${} that is not set; "
    "set it above, or write ${NAME:-default}; in single quotes it stands for itself"
)
HALF = "the value of JWT_AUDIENCE holds ${ that is not ${NAME}; in single quotes it stands for itself"
ESCAPED = (
    "the value of JWT_AUDIENCE holds \\${, and the backslash would be part of it; in single quotes it stands for itself"
)
COMMAND = "the value of JWT_AUDIENCE holds $(, and commands are not run here; in single quotes it stands for itself"


def load_file(folder: Path, text: str) -> Settings:
    """Load the settings from a file of this text."""
    (folder / ".env").write_bytes(text.encode())
    return load_settings()


def complain_of_file(folder: Path, text: str) -> list[str]:
    """Give the sentences about a file of this text."""
    with pytest.raises(SettingsError) as raised:
        load_file(folder, text)
    return raised.value.sentences


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ('JWT_AUDIENCE="s3cr3t', UNCLOSED),
        ('JWT_AUDIENCE="\\${HOME}"', ESCAPED),
        ("JWT_AUDIENCE=\\${HOME}", ESCAPED),
        ("JWT_AUDIENCE='s3cr3t", UNCLOSED),
        ('JWT_AUDIENCE = "s3cr3t # comment', UNCLOSED),
        ("export JWT_AUDIENCE='s3cr3t", UNCLOSED),
        ('JWT_AUDIENCE="s3cr3t\\"', UNCLOSED),
        ('DATABASE_URL="postgresql://owner:s3cr3t@host/db', UNCLOSED),
        ("NOBODYS_NAME='s3cr3t", UNCLOSED),
        ('JWT_AUDIENCE="', UNCLOSED),
        ("JWT_AUDIENCE=\"s3cr3t'", UNCLOSED),
        ('JWT_AUDIENCE="s3cr3t" x', BEHIND),
        ("JWT_AUDIENCE='s3cr3t'x # comment", BEHIND),
        ('JWT_AUDIENCE="s3cr3t""', BEHIND),
        ('JWT_AUDIENCE="s3cr3t", "other"', BEHIND),
        ('JWT_AUDIENCE="s3cr3t";', BEHIND),
        ("JWT_AUDIENCE=#s3cr3t", COMMENT),
        ("JWT_AUDIENCE=# s3cr3t", COMMENT),
        ("JWT_AUDIENCE=a PORT=1", ANOTHER.format("JWT_AUDIENCE")),
        ("JWT_AUDIENCE=a port=1", ANOTHER.format("JWT_AUDIENCE")),
        ("JWT_AUDIENCE=a\\nPORT=1", ANOTHER.format("JWT_AUDIENCE")),
        ("NODE_ENV=production JWT_AUDIENCE=s3cr3t", ANOTHER.format("NODE_ENV")),
        ("NODE_ENV=production; export JWT_AUDIENCE = s3cr3t", ANOTHER.format("NODE_ENV")),
        ("NODE_ENV=it's JWT_AUDIENCE=s3cr3t", ANOTHER.format("NODE_ENV")),
        ("NODE_ENV=a\\nJWT_AUDIENCE=s3cr3t", ANOTHER.format("NODE_ENV")),
        ("JWT_AUDIENCE=${S3CR3T:-}", EMPTY),
        ('JWT_AUDIENCE="${S3CR3T:-}"', EMPTY),
        ("JWT_AUDIENCE s3cr3t", NO_ASSIGNMENT),
        ("JWT_AUDIENCE: s3cr3t", NO_ASSIGNMENT),
        ("JWT_AUDIENCE", NO_ASSIGNMENT),
        ("JWT_AUDIENCE # = s3cr3t", NO_ASSIGNMENT),
        ("export", NO_ASSIGNMENT),
        ("export # JWT_AUDIENCE", NO_ASSIGNMENT),
        ("export JWT_AUDIENCE", NO_ASSIGNMENT),
        ("set JWT_AUDIENCE=s3cr3t", NO_ASSIGNMENT),
        ("// JWT_AUDIENCE=s3cr3t", NO_ASSIGNMENT),
        ("s3cr3t", NO_ASSIGNMENT),
        ("'s3cr3t'", NO_ASSIGNMENT),
        ("=s3cr3t", NO_NAME),
        ("export =s3cr3t", NO_NAME),
        ("2JWT=s3cr3t", NO_NAME),
        ("-JWT_AUDIENCE=s3cr3t", NO_NAME),
        ("JWT-AUDIENCE=s3cr3t", NO_NAME),
        ("JWT.AUDIENCE=s3cr3t", NO_NAME),
        ("JWT_AUDIENCE:=s3cr3t", NO_NAME),
        ("JWT_AUDIENCE+=s3cr3t", NO_NAME),
        ('"JWT_AUDIENCE"=s3cr3t', NO_NAME),
        ("''=s3cr3t", NO_NAME),
        ("JWT_ÄUDIENCE=s3cr3t", NO_NAME),
        ("\u200bJWT_AUDIENCE=s3cr3t", NO_NAME),
        ("JWT_AUDIENCE=s3\0cr3t", "a control character; remove it"),
        ("JWT_AUDIENCE='s3\x1bcr3t'", "a control character; remove it"),
        ("JWT_AUDIENCE=`s3cr3t`", FOREIGN_QUOTE),
        ("JWT_AUDIENCE=`s3cr3t", FOREIGN_QUOTE),
        ("JWT_AUDIENCE=“s3cr3t”", FOREIGN_QUOTE),
        ('JWT_AUDIENCE=s3cr3t"', UNOPENED),
        ("JWT_AUDIENCE=s3cr3t' # comment", UNOPENED),
        (
            "JWT_AUDIENCE=s3cr3t\\",
            "the value of JWT_AUDIENCE ends in a backslash; write it on one line, or in single quotes",
        ),
        (
            "JWT_AUDIENCE=s3cr3t JWT_ISSUER=x",
            "another assignment follows the value of JWT_AUDIENCE; begin a new line for it",
        ),
        ("JWT_AUDIENCE=$(cat s3cr3t)", COMMAND),
        ('JWT_AUDIENCE="$(cat s3cr3t)"', COMMAND),
        ("JWT_AUDIENCE=${S3CR3T}", UNSET),
        ('JWT_AUDIENCE="a${S3CR3T}"', UNSET),
        ("JWT_AUDIENCE=${S3CR3T", HALF),
        ("JWT_AUDIENCE=${HOME:?s3cr3t}", HALF),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_line_that_cannot_be_read_ends_the_start(line: str, mistake: str, end: str, folder: Path) -> None:
    """The sentence says where and what, and shows nothing of it; what stands around is not to blame."""
    text = end.join(["# comment", "PORT=1", "", line, "", "LOG_LEVEL=debug", ""])
    assert complain_of_file(folder, text) == [f".env, line 4: {mistake}."]
    assert "s3cr3t" not in mistake.lower()
    assert complain_of_file(folder, line) == [f".env, line 1: {mistake}."]


@pytest.mark.parametrize("quote", ["'", '"'])
@pytest.mark.parametrize("name", ["CORS_ORIGINS", "NOBODYS_NAME"])
def test_a_quote_swallows_no_line_behind_it(name: str, quote: str, folder: Path) -> None:
    """Closed by a quote of a later line, it would take the lines between for its value; it is named where it opens."""
    text = f"\n{name}={quote}https://a.example\nJWT_AUDIENCE=taskflow\n# the user{quote}\nPORT=1\n"
    (sentence, *_) = complain_of_file(folder, text)
    assert sentence == f".env, line 2: {UNCLOSED}."


def test_every_line_that_is_wrong_gets_its_sentence(folder: Path) -> None:
    """The operator need not start three times to hear of three mistakes."""
    assert complain_of_file(folder, 'JWT_AUDIENCE="x\nPORT=1\nexport\n2=3\n') == [
        f".env, line 1: {UNCLOSED}.",
        f".env, line 3: {NO_ASSIGNMENT}.",
        f".env, line 4: {NO_NAME}.",
    ]


@pytest.mark.parametrize(
    ("line", "audience"),
    [
        ("JWT_AUDIENCE=taskflow", "taskflow"),
        ("jwt_audience=taskflow", "taskflow"),
        ("  JWT_AUDIENCE  =  taskflow  ", "taskflow"),
        ("\tJWT_AUDIENCE\t=\ttaskflow\t", "taskflow"),
        ("export JWT_AUDIENCE=taskflow", "taskflow"),
        ("export   JWT_AUDIENCE = 'taskflow'", "taskflow"),
        ("'JWT_AUDIENCE'=taskflow", "taskflow"),
        ("JWT_AUDIENCE=taskflow # of the API", "taskflow"),
        ('JWT_AUDIENCE="taskflow" # the "API"', "taskflow"),
        ("JWT_AUDIENCE='taskflow'# the API's", "taskflow"),
        ("JWT_AUDIENCE=task#flow", "task#flow"),
        ('JWT_AUDIENCE="task # flow"', "task # flow"),
        ("JWT_AUDIENCE='#taskflow'", "#taskflow"),
        ("JWT_AUDIENCE='a\\\\b'", "a\\\\b"),
        ("JWT_AUDIENCE='a\\nb'", "a\\nb"),
        ('JWT_AUDIENCE="a PORT=1"', "a PORT=1"),
        ("OTHER_DSN=host=x port=5432 user=y\nJWT_AUDIENCE=taskflow", "taskflow"),
        ("OTHER=x # PORT=1\nJWT_AUDIENCE=taskflow", "taskflow"),
        ("JWT_AUDIENCE=task=flow", "task=flow"),
        ("JWT_AUDIENCE=task flow", "task flow"),
        ("JWT_AUDIENCE=task'flow", "task'flow"),
        ("JWT_AUDIENCE='task\"flow'", 'task"flow'),
        (r'JWT_AUDIENCE="task\"flow"', 'task"flow'),
        (r"JWT_AUDIENCE='task\'flow'", "task'flow"),
        ("JWT_AUDIENCE='`taskflow`'", "`taskflow`"),
        ("JWT_AUDIENCE='$(taskflow)'", "$(taskflow)"),
        ("JWT_AUDIENCE=$taskflow", "$taskflow"),
        ("JWT_AUDIENCE=tâches", "tâches"),
        ("JWT_AUDIENCE=${KNOWN}/x", "known/x"),
        ('JWT_AUDIENCE="${KNOWN}/x"', "known/x"),
        ("JWT_AUDIENCE='${KNOWN}/x'", "${KNOWN}/x"),
        ("JWT_AUDIENCE='${NOT_KNOWN}'", "${NOT_KNOWN}"),
        ("JWT_AUDIENCE='${'", "${"),
        ("JWT_AUDIENCE=${NOT_KNOWN:-taskflow}", "taskflow"),
        ("JWT_AUDIENCE=taskflow # ${NOT_KNOWN} $(x)", "taskflow"),
        ("KNOWN=above\nJWT_AUDIENCE=${KNOWN}", "above"),
        ("ABOVE='${KNOWN}'\nJWT_AUDIENCE=${ABOVE}", "${KNOWN}"),
    ],
)
@pytest.mark.parametrize("begin", ["", "\ufeff"], ids=["", "mark"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_an_assignment_means_what_it_looks_like(
    line: str, audience: str, begin: str, end: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With each end of line, with a byte order mark, `export`, blanks, comments and quotes."""
    monkeypatch.setenv("KNOWN", "known")
    lines = [*line.split("\n"), "", "   ", "# a comment's quote", "\t# = '", "PORT=1234", ""]
    settings = load_file(folder, begin + end.join(lines))
    assert (settings.jwt_audience, settings.port) == ((audience,), 1234)


def test_nothing_is_expanded_in_single_quotes(folder: Path) -> None:
    """A secret is often random characters."""
    secret = "ab${HOME}cd-${UNSET_NAME}-$(x)-`y`-0123456789"
    assert load_file(folder, f"BETTER_AUTH_SECRET='{secret}'\n").secret == secret


@pytest.mark.parametrize("line", ["JWT_AUDIENCE=", 'JWT_AUDIENCE=""', "JWT_AUDIENCE= # none", "JWT_AUDIENCE=''  "])
def test_an_empty_value_counts_as_unset(line: str, folder: Path) -> None:
    """As in the environment."""
    assert load_file(folder, line) == load_file(folder, "")


@pytest.mark.parametrize(
    ("line", "warning"),
    [
        ("JWT_AUDIENC=x", "JWT_AUDIENC is not a variable of TaskFlow and has no effect; the nearest is JWT_AUDIENCE."),
        ("jwt_audienc=x", "jwt_audienc is not a variable of TaskFlow and has no effect; the nearest is JWT_AUDIENCE."),
        ("CORS_ORIGIN=x", "CORS_ORIGIN is not a variable of TaskFlow and has no effect; the nearest is CORS_ORIGINS."),
        (
            "DATABASE_URI=x",
            "DATABASE_URI is not a variable of TaskFlow and has no effect; the nearest is DATABASE_URL.",
        ),
        ("AUDIENCE=x", "AUDIENCE is not a variable of TaskFlow and has no effect; the nearest is JWT_AUDIENCE."),
        ("APP_PORT=1", "APP_PORT is not a variable of TaskFlow and has no effect; the nearest is PORT."),
        (
            "TEST_DATABASE_URL=x",
            "TEST_DATABASE_URL is not a variable of TaskFlow and has no effect; the nearest is DATABASE_URL.",
        ),
        ("URL=x", "URL is not a variable of TaskFlow and has no effect."),
        ("NEXT_PUBLIC_API=x", "NEXT_PUBLIC_API is not a variable of TaskFlow and has no effect."),
        ("PGSSLMODE=require", "PGSSLMODE has no effect here; it counts in the environment only."),
        ("OTEL_SERVICE_NAME=x", "OTEL_SERVICE_NAME has no effect here; it counts in the environment only."),
        ("SSL_CERT_FILE=/x", "SSL_CERT_FILE has no effect here; it counts in the environment only."),
        # The second line of a secret in base64.
        ("c2VjcmV0c2VjcmV0c2VjcmV0==", "this name is not a variable of TaskFlow and has no effect."),
        ("PORT=2", "PORT is set again; line 1 is overridden."),
        ("port=2", "port is set again; line 1 is overridden."),
    ],
)
def test_a_line_without_effect_is_a_warning(line: str, warning: str, folder: Path) -> None:
    """With the nearest name that is known."""
    assert load_file(folder, f"PORT=1\n{line}\n").warnings == (f".env, line 2: {warning}",)


def test_the_example_raises_no_warning(folder: Path) -> None:
    """Nor does a file that is not there."""
    assert load_settings().warnings == ()
    assert load_file(folder, "PORT=1\nBETTER_AUTH_URL=http://localhost:3000\n").warnings == ()


@pytest.mark.parametrize(
    "secret", ['"s3cr3t-of-a-frontend-that-nobody-may-read"', "'s3cr3t-of-a-frontend-that-nobody-'"]
)
def test_quotes_that_are_part_of_the_secret_are_a_warning(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`docker --env-file` passes them on as they are; the frontend may have them too."""
    monkeypatch.setenv("BETTER_AUTH_SECRET", secret)
    settings = load_settings()
    assert settings.secret == secret
    (warning,) = settings.warnings
    assert warning.startswith("BETTER_AUTH_SECRET begins and ends with a quote, and the quotes are part of the secret;")
    assert "s3cr3t" not in warning


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("JWT_AUDIENCE", '"taskflow"'),
        ("JWT_AUDIENCE", "'taskflow','other'"),
        ("JWT_ISSUER", 'https://a.example,"https://b.example"'),
        ("JWT_AUDIENCE", '"taskflow'),
        ("JWT_AUDIENCE", "taskflow,other'"),
        ("JWT_AUDIENCE", '"'),
        ("PORT", '"8000"'),
        ("HOST", "'127.0.0.1'"),
        ("ENVIRONMENT", '"production"'),
        ("TASKFLOW_STATE_DIR", '"/srv/taskflow"'),
    ],
)
def test_quotes_around_another_value_are_a_mistake(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An audience in quotes is in no token."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    (sentence,) = raised.value.sentences
    assert sentence.startswith(f"{variable} must ")
    assert sentence.endswith("they are part of the value here, as docker's --env-file passes them on.")


def test_a_folder_of_this_name_is_named(folder: Path) -> None:
    """As a container makes it when the file to mount is missing."""
    (folder / ".env").mkdir()
    with pytest.raises(SettingsError) as raised:
        load_settings()
    sentence = ".env cannot be read (Is a directory); make it a file that this user can read, or remove it."
    assert raised.value.sentences == [sentence]


def test_a_link_that_leads_nowhere_is_named(folder: Path) -> None:
    """The settings that it was to lead to are missing."""
    (folder / ".env").symlink_to("elsewhere")
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert raised.value.sentences == [".env is a link to a file that does not exist; mend or remove the link."]


def test_a_file_that_may_not_be_read_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read every file, so the refusal is made."""
    (folder / ".env").touch()

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    sentence = ".env cannot be read (Permission denied); make it a file that this user can read, or remove it."
    assert raised.value.sentences == [sentence]


def test_the_environment_goes_before_the_file_in_any_case(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are compared without regard to case; an empty variable is no setting."""
    monkeypatch.setenv("port", "1")
    monkeypatch.setenv("LOG_LEVEL", "")
    settings = load_file(folder, "PORT=2\nLOG_LEVEL=debug\n")
    assert (settings.port, settings.log_level) == (1, "debug")
