"""The rules of the house, read from the sources: imports point one way, and rooms are small and well named."""

import ast
from collections.abc import Container, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.support.server import REPOSITORY

PACKAGE = REPOSITORY / "taskflow"
MAX_LINES = 350

# Who may import whom. A room imports only from rooms further down, so there are no cycles.
IMPORTS: dict[str, set[str]] = {
    "__main__": {"cli"},
    "cli": {"app", "auth", "concurrency", "contract", "database", "observability", "server", "settings"},
    "server": {"app", "concurrency", "database", "errors", "observability", "settings", "web"},
    "app": {"auth", "contract", "database", "errors", "observability", "operations", "settings", "web"},
    "operations": {"auth", "concurrency", "database", "errors", "settings", "web"},
    "contract": {"concurrency", "errors", "web"},
    "web": {"concurrency", "errors", "observability"},
    "observability": {"concurrency", "database", "settings"},
    "auth": {"concurrency", "errors", "settings"},
    "database": {"concurrency", "errors", "settings"},
    "settings": set(),
    "errors": set(),
    "concurrency": set(),
}

MAX_ROOMS = 12
"""So many a reader keeps in mind; the two files that Python asks for aside."""

MODULES = sorted(PACKAGE.rglob("*.py"))
EVERY_MODULE = sorted([*MODULES, *(REPOSITORY / "tests").rglob("*.py")])


def find_room(module: Path) -> str:
    """Give the room of a module: its own name, or that of the package that it is in."""
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def find_imports(module: Path) -> Iterator[str]:
    """Give the dotted name of everything that a module imports."""
    for node in ast.walk(ast.parse(module.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module.name} imports by a relative name, which this test does not follow"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def find_imported_rooms(room: str) -> set[str]:
    """Give the other rooms that a room imports from."""
    names = [name.split(".") for module in MODULES if find_room(module) == room for name in find_imports(module)]
    return {parts[1] for parts in names if parts[0] == "taskflow" and len(parts) > 1} - {room}


@pytest.mark.parametrize("room", sorted({find_room(module) for module in MODULES} - {"__init__"}))
def test_a_room_imports_what_the_table_says(room: str) -> None:
    """No more, and no less: the table is the map of the house."""
    assert find_imported_rooms(room) == IMPORTS[room]


def test_imports_point_one_way() -> None:
    """In the table, a room imports only from rooms below it; settings, facts and threads import nothing of ours."""
    order = list(IMPORTS)
    upward = [(room, below) for room in order for below in IMPORTS[room] if order.index(below) <= order.index(room)]
    assert upward == []
    assert find_imported_rooms("__init__") == set()


def test_modules_import_each_other_in_no_circle() -> None:
    """Within a room either; what a package gives from its modules counts as theirs."""
    names = {name_module(module): module for module in MODULES}
    graph = {name: set(find_imported_modules(module, names.keys())) - {name} for name, module in names.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError


def name_module(module: Path) -> str:
    """Give the dotted name of a module."""
    return ".".join(module.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


def find_imported_modules(module: Path, names: Container[str]) -> Iterator[str]:
    """Give the modules of ours that a module imports by their names, without the packages that they are in."""
    for name in find_imports(module):
        found = name if name in names else name.rpartition(".")[0]
        if found in names and not name_module(module).startswith(f"{found}."):
            yield found


def test_the_house_has_few_rooms() -> None:
    """Beside `__main__`."""
    assert len(IMPORTS.keys() - {"__main__"}) <= MAX_ROOMS


def test_every_room_of_the_table_exists() -> None:
    """The map shows nothing that has been pulled down."""
    assert IMPORTS.keys() == {find_room(module) for module in MODULES} - {"__init__"}


def test_only_the_contract_and_the_wiring_know_connexion() -> None:
    """Another enforcing library would change these, and nothing else."""
    users = {find_room(module) for module in MODULES for name in find_imports(module) if name.startswith("connexion")}
    assert users == {"app", "contract"}


def test_only_the_server_knows_uvicorn() -> None:
    """Another server would change this room, and nothing else."""
    users = {find_room(module) for module in MODULES for name in find_imports(module) if name.startswith("uvicorn")}
    assert users == {"server"}


def test_a_module_is_named_by_what_it_holds() -> None:
    """Never by its being of use to others."""
    vague = {"utils", "util", "helpers", "helper", "common", "base", "manager", "managers", "misc"}
    names = {part.removesuffix(".py") for module in EVERY_MODULE for part in module.relative_to(REPOSITORY).parts}
    assert names & vague == set()


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(PACKAGE)))
def test_a_module_can_be_read_at_one_sitting(module: Path) -> None:
    """What grows beyond this is two things."""
    assert len(module.read_text().splitlines()) <= MAX_LINES
