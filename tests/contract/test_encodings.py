"""Accept-Encoding: which clients get Swagger UI compressed, and that both forms hold the same bytes."""

import gzip

import httpx
import pytest

from taskflow.contract.encodings import prefers_gzip
from tests.support.server import Server

ASSETS = ["/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css"]


@pytest.mark.parametrize(
    ("header", "is_preferred"),
    [
        ("gzip", True),
        ("GZip", True),
        ("x-gzip", True),
        ("gzip, deflate, br, zstd", True),
        ("br,gzip", True),
        ("*", True),
        ("gzip;q=0.001", True),
        ("gzip ; Q=1.000", True),
        ("identity;q=0.5, gzip;q=0.5", True),
        ("identity;q=0, *", True),
        (", ,gzip,", True),
        ("", False),
        ("identity", False),
        ("br, deflate", False),
        ("gzip;q=0", False),
        ("gzip;q=0.000, *", False),
        ("*;q=0", False),
        ("gzip;q=0.4, identity;q=0.5", False),
        ("gzip;q=0.5, identity", False),
        ("gzip;q=2", False),
        ("gzip;q=-1", False),
        ("gzip;q=nan", False),
        ("gzip;level=9", False),
        ("gzipped", False),
        ("gzip deflate", False),
    ],
)
def test_gzip_is_for_clients_that_prefer_it(header: str, is_preferred: bool) -> None:
    """By its weight; what breaks the grammar asks for nothing."""
    assert prefers_gzip(header) is is_preferred


@pytest.mark.parametrize("path", ASSETS)
def test_both_forms_hold_the_same_bytes(path: str, server: Server) -> None:
    """Each has its length and its ETag, and says that it depends on what is accepted."""
    plain = httpx.get(server.url + path, headers={"Accept-Encoding": "identity"})
    with httpx.stream("GET", server.url + path, headers={"Accept-Encoding": "gzip"}) as compressed:
        raw = b"".join(compressed.iter_raw())
    assert gzip.decompress(raw) == plain.content
    assert len(raw) < len(plain.content) / 3
    assert (compressed.headers["Content-Encoding"], compressed.headers["Content-Length"]) == ("gzip", str(len(raw)))
    assert "Content-Encoding" not in plain.headers
    assert plain.headers["ETag"] != compressed.headers["ETag"]
    for answer in (plain, compressed):
        assert "Accept-Encoding" in answer.headers["Vary"]
        assert answer.headers["Content-Type"].startswith("text/")


@pytest.mark.parametrize("path", ASSETS)
def test_a_copy_is_current_only_for_the_form_that_it_has(path: str, server: Server) -> None:
    """A 304 carries the same ETag and Vary."""
    plain, compressed = (
        httpx.head(server.url + path, headers={"Accept-Encoding": coding}).headers["ETag"]
        for coding in ("identity", "gzip")
    )
    for coding, tag, status in [
        ("gzip", compressed, 304),
        ("identity", plain, 304),
        ("gzip", plain, 200),
        ("identity", compressed, 200),
    ]:
        answer = httpx.get(server.url + path, headers={"Accept-Encoding": coding, "If-None-Match": tag})
        assert answer.status_code == status
        assert "Accept-Encoding" in answer.headers["Vary"]
        assert answer.headers["ETag"] == (compressed if coding == "gzip" else plain)


@pytest.mark.parametrize("path", ["/docs", "/docs/favicon-32x32.png", "/openapi.yaml", "/openapi.json"])
def test_everything_else_is_sent_as_it_is(path: str, server: Server) -> None:
    """The contract byte for byte; a picture is compressed by itself."""
    answer = httpx.get(server.url + path, headers={"Accept-Encoding": "gzip"})
    assert (answer.status_code, answer.headers.get("Content-Encoding")) == (200, None)
