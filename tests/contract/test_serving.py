"""The contract as it is served: the authored file and nothing else, and a page to read it that needs no network."""

import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest
import yaml

from tests.support.contract import CONTRACT
from tests.support.problems import expect_problem
from tests.support.server import REPOSITORY, Server

DOCUMENTS = {
    "/openapi.yaml": "application/yaml",
    "/openapi.json": "application/json",
    "/docs": "text/html; charset=utf-8",
}
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
}

each_document = pytest.mark.parametrize("path", DOCUMENTS)


@pytest.fixture
def visitor(server: Server) -> Iterator[httpx.Client]:
    """A client without a token, that follows no redirect."""
    with httpx.Client(base_url=server.url) as client:
        yield client


class _References(HTMLParser):
    """Every address that a page loads from."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in {"src", "href"} and value]


def test_the_contract_is_served_byte_for_byte(visitor: httpx.Client) -> None:
    """What is authored is what is served."""
    assert visitor.get("/openapi.yaml").content == CONTRACT.read_bytes()


def test_the_contract_as_json_is_the_same_document(visitor: httpx.Client) -> None:
    """References stand as they were written, so that generated clients have named types."""
    document = visitor.get("/openapi.json").json()
    assert document == yaml.safe_load(CONTRACT.read_text())
    assert document["components"]["responses"]["Forbidden"]["content"]["application/problem+json"]["schema"] == {
        "$ref": "#/components/schemas/ErrorResponse"
    }


@each_document
@pytest.mark.parametrize("end", ["", "/"], ids=["plain", "slash"])
def test_a_document_is_there_at_once_for_everybody(visitor: httpx.Client, path: str, end: str) -> None:
    """NFR-006: no redirect and no token, with and without a slash at the end."""
    response = visitor.get(path + end)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == DOCUMENTS[path]
    assert response.headers["Cache-Control"] == "no-cache"


@each_document
def test_a_document_that_the_client_knows_is_not_sent_again(visitor: httpx.Client, path: str) -> None:
    """RFC 9110, section 13.1.2: the tag alone, in a list, weak, or any."""
    tag = visitor.get(path).headers["ETag"]
    for known in (tag, f'"other", {tag}', f"W/{tag}", f'W/"other" , W/{tag}', "*"):
        response = visitor.get(path, headers={"If-None-Match": known})
        assert (response.status_code, response.content, response.headers["ETag"]) == (304, b"", tag), known


@each_document
@pytest.mark.parametrize("known", ['"other"', "", '"'])
def test_a_document_that_the_client_does_not_know_is_sent(visitor: httpx.Client, path: str, known: str) -> None:
    """Another tag, none, or something that is no tag."""
    response = visitor.get(path, headers={"If-None-Match": known})
    assert response.status_code == 200
    assert response.content == visitor.get(path).content


def test_each_document_has_a_tag_of_its_own(visitor: httpx.Client) -> None:
    """A tag stands for the bytes."""
    assert len({visitor.get(path).headers["ETag"] for path in DOCUMENTS}) == len(DOCUMENTS)


@each_document
def test_the_head_of_a_document_is_its_answer_without_the_body(visitor: httpx.Client, path: str) -> None:
    """RFC 9110, section 9.3.2."""
    head, answer = visitor.head(path), visitor.get(path)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("Content-Type", "Content-Length", "ETag"):
        assert head.headers[name] == answer.headers[name]


def test_the_page_loads_only_what_this_server_has(visitor: httpx.Client) -> None:
    """All that the page names is a path of this server, there for everybody, and of the right type."""
    references = _References(visitor.get("/docs").text).found
    assert [reference for reference in references if not reference.startswith("/docs/")] == []
    assert {Path(reference).suffix for reference in references} == MEDIA_TYPES.keys()
    for reference in references:
        response = visitor.get(reference)
        assert response.status_code == 200
        assert response.headers["Content-Type"] == MEDIA_TYPES[Path(reference).suffix]
        assert response.headers["ETag"]
        assert response.content


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", [*DOCUMENTS, "/docs/start.js"])
def test_a_document_is_only_read(visitor: httpx.Client, path: str, method: str) -> None:
    """405, and Allow says what may be done."""
    response = visitor.request(method, path)
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, HEAD"
    assert response.json() == expect_problem(405, "This path takes only GET, HEAD.")


@pytest.mark.parametrize(
    "path", ["/", "/docs/other.js", "/docs/../taskflow", "/docs/%2e%2e/app.py", "/openapi", "/Docs"]
)
def test_what_is_no_document_is_a_problem(visitor: httpx.Client, path: str) -> None:
    """404 as a problem document, also beside the documents."""
    response = visitor.get(path)
    assert response.status_code == 404
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json() == expect_problem(404, "There is nothing at this path.")


def test_an_installed_package_carries_the_contract(tmp_path: Path) -> None:
    """What is not a clone serves the same file: it is in the wheel, with everything else that is not Python."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(tmp_path), str(REPOSITORY)]
    subprocess.run(command, check=True)  # noqa: S603  our own command
    (wheel,) = tmp_path.iterdir()
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
        assert archive.read("taskflow/openapi.yaml") == CONTRACT.read_bytes()
    sources = {str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "taskflow").rglob("*.py")}
    assert sources | {"taskflow/py.typed"} <= names
    assert [name for name in names if not name.startswith(("taskflow/", "taskflow-"))] == []
