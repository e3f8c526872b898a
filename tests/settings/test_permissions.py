"""What other users of the machine can change is refused in production, and a warning in development."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from taskflow.settings import SettingsError, load_settings
from tests.support.configuration import PRODUCTION, SECRET

Prepare = Callable[[Path], list[str]]


def open_dotenv(mode: int) -> Prepare:
    """Give `.env` a mode."""

    def prepare(_: Path) -> list[str]:
        Path(".env").write_text("PORT=1\n")
        Path(".env").chmod(mode)
        return [f".env can be changed by others (mode {mode:04o}); run `chmod go-w` on it."]

    return prepare


def link_dotenv(_: Path) -> list[str]:
    """Let `.env` be a link to a file that others can change."""
    Path("shared").write_text("PORT=1\n")
    Path("shared").chmod(0o666)
    Path(".env").symlink_to("shared")
    return [".env can be changed by others (mode 0666); run `chmod go-w` on it."]


def open_folder(_: Path) -> list[str]:
    """Let others change what is in the working folder."""
    Path(".env").write_text("PORT=1\n")
    Path().chmod(0o777)
    return [".env can be replaced by others: its folder is open to them (mode 0777); close it."]


def open_folder_of_target(_: Path) -> list[str]:
    """Let others change what is in the folder that a link leads to."""
    Path("shared").mkdir()
    Path("shared/.env").write_text("PORT=1\n")
    Path(".env").symlink_to("shared/.env")
    Path("shared").chmod(0o777)
    return [".env can be replaced by others: its folder is open to them (mode 0777); close it."]


def open_state(mode: int) -> Prepare:
    """Give the state folder a mode."""

    def prepare(state: Path) -> list[str]:
        state.mkdir()
        state.chmod(mode)
        return [f"TASKFLOW_STATE_DIR {state} can be changed by others (mode {mode:04o}); run `chmod go-w` on it."]

    return prepare


def open_parent_of_state(state: Path) -> list[str]:
    """Let others replace the state folder."""
    state.mkdir()
    state.parent.chmod(0o777)
    return [f"TASKFLOW_STATE_DIR {state} can be replaced by others: its folder is open to them (mode 0777); close it."]


def open_folder_above(_: Path) -> list[str]:
    """Let others replace the folder in which the target of a link is."""
    Path("open/project").mkdir(parents=True)
    Path("open/project/.env").write_text("PORT=1\n")
    Path(".env").symlink_to("open/project/.env")
    folder = Path("open").absolute()
    folder.chmod(0o777)
    return [f".env can be replaced by others: the folder {folder} is open to them (mode 0777); close it."]


def open_folder_of_link(_: Path) -> list[str]:
    """Let others replace a link on the way to the target."""
    for name in ("open", "real"):
        Path(name).mkdir()
    Path("real/.env").write_text("PORT=1\n")
    Path("open/link").symlink_to("../real")
    Path(".env").symlink_to("open/link/.env")
    folder = Path("open").absolute()
    folder.chmod(0o757)
    return [f".env can be replaced by others: the folder {folder} is open to them (mode 0757); close it."]


def open_folder_above_state(state: Path) -> list[str]:
    """Let others replace the folder in which the state folder is."""
    state.mkdir()
    folder = state.parent.parent
    folder.chmod(0o777)
    name = f"TASKFLOW_STATE_DIR {state}"
    return [f"{name} can be replaced by others: the folder {folder} is open to them (mode 0777); close it."]


RISKS = [
    open_dotenv(0o666),
    open_dotenv(0o622),
    open_dotenv(0o602),
    open_dotenv(0o660),
    link_dotenv,
    open_folder,
    open_folder_of_target,
    open_folder_above,
    open_folder_of_link,
    open_folder_above_state,
    open_state(0o777),
    open_state(0o770),
    open_state(0o703),
    open_state(0o1777),
    open_parent_of_state,
]


@pytest.fixture
def state(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a state folder may be made; it is not there yet."""
    parent = folder / "parent"
    parent.mkdir()
    monkeypatch.setenv("TASKFLOW_STATE_DIR", str(parent / "state"))
    return parent / "state"


@pytest.mark.parametrize("prepare", RISKS)
def test_what_others_can_change_is_refused_in_production(
    prepare: Prepare, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence names it, its mode and the remedy."""
    for name, value in PRODUCTION.items():
        monkeypatch.setenv(name, value)
    risks = prepare(state)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert raised.value.sentences == risks


@pytest.mark.parametrize("prepare", RISKS)
def test_what_others_can_change_is_a_warning_in_development(prepare: Prepare, state: Path) -> None:
    """The same sentence."""
    risks = prepare(state)
    assert load_settings().warnings == tuple(risks)


def expect_risk(sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a warning in development, and refused in production."""
    assert load_settings().warnings == (sentence,)
    for variable, value in PRODUCTION.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert raised.value.sentences == [sentence]


def give_to_another(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a file somebody else's; where only root could, make the process somebody else's."""
    if os.getuid() == 0:
        os.chown(path, 4711, 4711, follow_symlinks=False)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 4711)


@pytest.mark.parametrize("name", ["target", ".env"])
def test_a_dotenv_file_of_another_user_is_a_risk(name: str, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner can change it. In /tmp, a link to it may be somebody else's."""
    assert not state.exists()
    Path("target").touch()
    Path(".env").symlink_to("target")
    assert load_settings().warnings == ()
    give_to_another(Path(name), monkeypatch)
    sentence = ".env belongs to another user, who can change it; make it this user's own, or root's."
    expect_risk(sentence, monkeypatch)


def test_a_state_folder_of_another_user_is_a_warning_in_development(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its owner can put in a secret of their own."""
    state.mkdir()
    assert load_settings().warnings == ()
    give_to_another(state, monkeypatch)
    assert load_settings().warnings == (
        f"TASKFLOW_STATE_DIR {state} belongs to another user, who can change it; make it this user's own, or root's.",
    )


def test_a_development_secret_that_others_can_read_or_change_is_a_warning(state: Path) -> None:
    """It is made with mode 600."""
    state.mkdir()
    file = state / "better-auth-secret"
    file.write_text(SECRET)
    file.chmod(0o600)
    assert load_settings().warnings == ()
    file.chmod(0o646)
    assert load_settings().warnings == (
        f"The file {file} can be changed by others (mode 0646); run `chmod go-w` on it.",
        f"The file {file} holds a secret and can be read by others (mode 0646); run `chmod o-r` on it.",
    )


def test_a_dotenv_file_with_secrets_that_others_can_read_is_a_warning_in_production(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In development most umasks make it so; without a secret in it, it is nobody's business."""
    assert not state.exists()
    text = "".join(f"{name}={value}\n" for name, value in PRODUCTION.items())
    Path(".env").write_text(text)
    Path(".env").chmod(0o644)
    assert load_settings().warnings == (
        ".env holds a secret and can be read by others (mode 0644); run `chmod o-r` on it.",
    )
    Path(".env").chmod(0o640)
    assert load_settings().warnings == ()
    Path(".env").write_text(text.replace("production", "development"))
    Path(".env").chmod(0o644)
    assert load_settings().warnings == ()
    for name in ("BETTER_AUTH_SECRET", "DATABASE_URL"):
        monkeypatch.setenv(name, PRODUCTION[name])
    Path(".env").write_text("ENVIRONMENT=production\nCORS_ORIGINS=https://app.example.com\n")
    assert load_settings().warnings == ()


def test_a_sticky_folder_above_is_no_risk(state: Path) -> None:
    """As /tmp is: others cannot replace what is not theirs."""
    state.mkdir()
    Path(".env").touch()
    for folder in (Path(), state.parent):
        folder.chmod(0o1777)
    assert load_settings().warnings == ()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("step", ["others", "others/link"])
def test_another_user_who_owns_the_way_is_a_risk(step: str, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder or a link further up, though the file is this user's own."""
    assert not state.exists()
    for name in ("others", "real"):
        Path(name).mkdir()
    Path("real/.env").touch()
    Path("others/link").symlink_to(Path("real").absolute())
    Path(".env").symlink_to("others/link/.env")
    assert load_settings().warnings == ()
    os.chown(step, 4711, 4711, follow_symlinks=False)
    sentence = (
        f".env can be replaced by another user, who owns {Path(step).absolute()}; make that this user's own, or root's."
    )
    expect_risk(sentence, monkeypatch)


def test_what_others_can_change_within_the_state_folder_is_a_warning_in_development(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL's programs are run from there. What they cannot reach is none."""
    program = state / "postgresql" / "bin" / "postgres"
    program.parent.mkdir(parents=True)
    program.touch()
    (program.parent / "link").symlink_to("postgres")
    assert load_settings().warnings == ()
    sentence = f"TASKFLOW_STATE_DIR {state} holds what others can change, {{}} (mode {{}}); run `chmod -R go-w` on it."
    program.chmod(0o775)
    assert load_settings().warnings == (sentence.format("postgresql/bin/postgres", "0775"),)
    program.parent.chmod(0o777)
    assert load_settings().warnings == (sentence.format("postgresql/bin", "0777"),)
    (state / "postgresql").chmod(0o700)
    assert load_settings().warnings == ()
    (state / "postgresql").chmod(0o755)
    for variable, value in PRODUCTION.items():
        monkeypatch.setenv(variable, value)
    assert load_settings().warnings == ()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize(
    "query", ["sslmode=require", "sslmode=verify-full&sslrootcert=system", "sslrootcert={}/ca.pem"]
)
def test_a_closed_folder_above_is_no_risk(query: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A supervisor may start the server in a folder whose path its user cannot walk, and leave HOME as it was."""
    Path(".env").write_text("PORT=1\n")
    (folder / ".postgresql").mkdir()
    folder.chmod(0o755)
    folder.parent.chmod(0o700)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("DATABASE_URL", f"postgresql://owner@db.example.com/db?{query.format(folder)}")
    os.seteuid(4711)
    try:
        if "{}" in query:
            with pytest.raises(SettingsError, match="is wrong in sslrootcert, which must be a file that exists"):
                load_settings()
        else:
            loaded = load_settings()
            assert (loaded.port, loaded.warnings) == (1, ())
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_every_link_of_a_chain_is_looked_at(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one may be another user's, though the first and the file are not."""
    assert not state.exists()
    Path("real").touch()
    Path("second").symlink_to("real")
    Path(".env").symlink_to("second")
    assert load_settings().warnings == ()
    os.chown("second", 4711, 4711, follow_symlinks=False)
    owned = Path("second").absolute()
    expect_risk(
        f".env can be replaced by another user, who owns {owned}; make that this user's own, or root's.", monkeypatch
    )
