"""The documents: their links lead somewhere, they name every variable, and the README stays short."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskflow.settings import Settings
from tests.support.server import REPOSITORY

DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])

README_LINES = 150

_CODE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def name_document(document: Path) -> str:
    return str(document.relative_to(REPOSITORY))


def find_links(document: Path) -> Iterator[str]:
    """Yield what a document links to within the repository."""
    for target in _LINK.findall(_CODE.sub("", document.read_text())):
        if not target.startswith(("https://", "http://")):
            yield target


def list_anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _CODE.sub("", document.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_document)
def test_every_link_leads_somewhere(document: Path) -> None:
    """To a file or a folder, and to a heading where it names one."""
    for target in find_links(document):
        path, _, anchor = target.partition("#")
        linked = (document.parent / path).resolve() if path else document
        assert linked.exists(), target
        assert not anchor or anchor in list_anchors(linked), target


def test_every_document_can_be_found() -> None:
    """Each is linked from another one, so that a reader gets to it."""
    linked = {
        (document.parent / target.partition("#")[0]).resolve()
        for document in DOCUMENTS
        for target in find_links(document)
    }
    assert [name_document(document) for document in DOCUMENTS if document not in linked] == ["README.md"]


def test_every_variable_is_documented() -> None:
    """The table of docs/configuration.md has each variable once, and no other."""
    rows = re.findall(r"^\| (`[A-Z].*?) \|", (REPOSITORY / "docs" / "configuration.md").read_text(), re.MULTILINE)
    documented = [variable for row in rows for variable in re.findall(r"`([A-Z_]+)`", row)]
    assert sorted(documented) == sorted(name.upper() for name in Settings.model_fields)


def test_the_readme_is_short() -> None:
    """It is for newcomers; each of the other documents has readers of its own."""
    assert len((REPOSITORY / "README.md").read_text().splitlines()) <= README_LINES
