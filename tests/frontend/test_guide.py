"""docs/frontend.md says what is so: its snippets are files that run, its commands work, no error is forgotten."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from taskflow.web.cors import EXPOSED, MAX_AGE_SECONDS
from tests.frontend.conftest import FRONTEND
from tests.support.contract import load_contract
from tests.support.server import REPOSITORY, Server, make_environment

PATH = REPOSITORY / "docs" / "frontend.md"
GUIDE = PATH.read_text()

SNIPPETS = re.findall(r"^\[`[^`]+`\]\(([^)]+)\)\n\n```ts\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)

DETAILS = {
    example["value"]["detail"]: example["value"]["status"]
    for example in load_contract()["components"]["examples"].values()
    if "detail" in example["value"]
}


def read_section(heading: str) -> str:
    """Give what stands below a heading."""
    return GUIDE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def test_every_snippet_is_one_of_the_files_below() -> None:
    """No code stands in the guide that nobody runs."""
    assert len(SNIPPETS) >= 8
    assert GUIDE.count("```ts\n") == len(SNIPPETS)


@pytest.mark.parametrize(("link", "snippet"), SNIPPETS, ids=[link for link, _ in SNIPPETS])
def test_a_snippet_is_the_file_that_it_is_named_after(link: str, snippet: str) -> None:
    """Letter for letter; the file is compiled and run by the other tests of this folder."""
    path = (PATH.parent / link).resolve()
    assert path.is_relative_to(FRONTEND)
    assert path.read_text() == snippet


def test_a_snippet_can_be_pasted_into_next() -> None:
    """Its bundler finds no `./secret.js` where there is a `secret.ts`."""
    imports = [path for _, snippet in SNIPPETS for path in re.findall(r'from "(\.[^"]+)"', snippet)]
    assert imports
    assert [path for path in imports if Path(path).suffix] == []


def test_links_lead_somewhere() -> None:
    """Each file that is named is there."""
    links = [link for link in re.findall(r"\]\(([^)]+)\)", GUIDE) if "://" not in link]
    assert links
    assert [link for link in links if not (PATH.parent / link).exists()] == []


def test_the_three_commands_make_a_typed_client(commands: Path, clients: Path, server: Server, tmp_path: Path) -> None:
    """In an empty folder, as printed: what comes out are the types that the application is built with."""
    assert commands.exists()
    (block,) = re.findall(r"```console\n(.*?)```", read_section("A typed client in three commands"), re.DOTALL)
    lines = [line.removeprefix("$ ") for line in block.splitlines()]
    assert len(lines) == 3
    (tmp_path / "package.json").write_text('{"private": true}')
    script = "\n".join(lines).replace("http://localhost:8000", server.url)
    environment = make_environment(npm_config_audit="false", npm_config_fund="false")
    subprocess.run(["/bin/bash", "-e"], input=script, cwd=tmp_path, env=environment, text=True, check=True)
    made, expected = tmp_path / "lib" / "schema.d.ts", clients.parent / "app" / "lib" / "schema.d.ts"
    assert made.read_text() == expected.read_text()


def test_the_versions_are_those_that_are_tried() -> None:
    """Of every generator that is named with one."""
    project = json.loads((FRONTEND / "package.json").read_text())
    installed = {**project["dependencies"], **project["devDependencies"]}
    named = dict(re.findall(r"((?:@[\w-]+/)?[\w-]+)@(\d[\d.]*\d)", GUIDE))
    assert named == {name: installed[name] for name in named}
    assert {"@hey-api/openapi-ts", "better-auth", "jose", "openapi-fetch", "openapi-typescript", "pg"} <= named.keys()
    dev = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]["dev"]
    (version,) = re.findall(r"take version ([\d.]+\d)", GUIDE)
    assert f"openapi-python-client=={version}" in dev


@pytest.mark.parametrize(("detail", "status"), DETAILS.items())
def test_every_error_has_its_line(detail: str, status: int) -> None:
    """The sentence that the contract shows, or the part of it that is always the same, beside its status."""
    rows = [row for row in read_section("The errors").splitlines() if row.startswith("|")]
    matching = [row for row in rows if str(status) in row.split("|")[1]]
    shown = [sentence for row in matching for sentence in re.findall(r"`([^`]+)`", row.split("|")[2])]
    if status == 422:
        # There are as many as rules: some of them stand for all.
        assert set(shown) <= DETAILS.keys()
        assert "title must not be empty." in shown
        return
    assert any(
        detail == sentence or ("…" in sentence and detail.startswith(sentence.split("…")[0])) for sentence in shown
    )


def test_every_status_of_the_contract_has_its_line() -> None:
    """Those of the server itself too."""
    statuses = {
        status for item in load_contract()["paths"].values() for one in item.values() for status in one["responses"]
    }
    named = set(re.findall(r"\b[345]\d\d\b", read_section("The errors")))
    assert {status for status in statuses if status >= "4"} | {"405", "408", "414", "431"} <= named


def test_the_headers_that_a_page_may_read_are_named() -> None:
    """And for how long a preflight is remembered."""
    section = read_section("CORS")
    assert re.findall(r"`([A-Z][A-Za-z-]+-[A-Za-z-]+|ETag|Link|Location)`", section.partition("may read")[2]) == EXPOSED
    assert MAX_AGE_SECONDS == 10 * 60
    assert "ten\nminutes" in section
