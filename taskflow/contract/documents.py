"""The contract as it is served: the authored file, the same document as JSON, and the page to read and try it."""

import gzip
import hashlib
from importlib.metadata import distribution
from pathlib import Path

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from taskflow.contract.encodings import prefers_gzip
from taskflow.contract.loading import Document
from taskflow.web.etags import find_known

_ASSETS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}

COMPRESSION_LEVEL = 4
"""5 % more bytes than the usual 6, in 60 % of the time; each worker compresses some 1.6 MB at its start."""

_PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>TaskFlow API</title>
  <link rel="icon" type="image/png" href="ROOT/docs/favicon-32x32.png">
  <link rel="stylesheet" href="ROOT/docs/swagger-ui.css">
</head>
<body>
  <div id="swagger-ui"></div>
  <script src="ROOT/docs/swagger-ui-bundle.js"></script>
  <script src="ROOT/docs/start.js"></script>
</body>
</html>
"""

# persistAuthorization: the token survives a reload of the page.
# The contract's server is the origin; behind a proxy it is below the root path, where the contract itself is read.
_START_SCRIPT = """fetch("ROOT/openapi.json").then((answer) => answer.json()).then((spec) => SwaggerUIBundle({
  spec: { ...spec, servers: [{ url: "ROOT/" }] },
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: true,
}));
"""


# The page takes scripts and styles from here alone, and talks to nobody else. Swagger UI's stylesheet holds pictures.
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class StaticPage:
    """Bytes that never change while the server runs, with their ETag (RFC 9110, section 8.8.3).

    `policy` is what it may do as a page (Content Security Policy).
    """

    def __init__(self, body: bytes, media_type: str, policy: str | None = None) -> None:
        self._body = body
        self._media_type = media_type
        # no-cache: keep a copy, but ask whether it is still the newest.
        self.headers = {"ETag": f'"{hashlib.sha256(body).hexdigest()[:32]}"', "Cache-Control": "no-cache"}
        if policy is not None:
            self.headers["Content-Security-Policy"] = policy

    async def answer(self, request: Request) -> Response:
        condition = ", ".join(request.headers.getlist("If-None-Match"))
        if find_known(condition, self.headers["ETag"].encode()) is not None:
            return Response(status_code=304, headers=self.headers)
        return Response(self._body, headers=self.headers, media_type=self._media_type)


class CompressedPage:
    """The same, compressed for clients that take gzip: a third of the bytes.

    Each form has its own ETag (RFC 9110, section 8.8.3.3).
    """

    def __init__(self, body: bytes, media_type: str) -> None:
        # mtime: the same bytes, and so the same ETag, in every process.
        compressed = gzip.compress(body, COMPRESSION_LEVEL, mtime=0)
        self._plain = StaticPage(body, media_type)
        self._compressed = StaticPage(compressed, media_type)
        for page in (self._plain, self._compressed):
            page.headers["Vary"] = "Accept-Encoding"
        self._compressed.headers["Content-Encoding"] = "gzip"

    async def answer(self, request: Request) -> Response:
        accepted = ",".join(request.headers.getlist("Accept-Encoding"))
        return await (self._compressed if prefers_gzip(accepted) else self._plain).answer(request)


def make_document_router(source: bytes, document: Document, root_path: str) -> Router:
    """Serve the contract, as it was authored and as it was parsed, and its pages; all from memory.

    `root_path` is where clients find this server, if a proxy takes a path off.
    """
    page, start_script = (text.replace("ROOT", root_path).encode() for text in (_PAGE, _START_SCRIPT))
    pages: dict[str, StaticPage | CompressedPage] = {
        "/openapi.yaml": StaticPage(source, "application/yaml"),
        "/openapi.json": StaticPage(orjson.dumps(document), "application/json"),
        "/docs": StaticPage(page, "text/html", _PAGE_POLICY),
        "/docs/start.js": StaticPage(start_script, "text/javascript"),
    }
    folder = _find_swagger_ui()
    for name, media_type in _ASSETS.items():
        make_page = CompressedPage if media_type.startswith("text/") else StaticPage
        pages[f"/docs/{name}"] = make_page((folder / name).read_bytes(), media_type)
    return Router([Route(path, page.answer, methods=["GET"]) for path, page in pages.items()], redirect_slashes=False)


def _find_swagger_ui() -> Path:
    # Only its files are of use: importing the package would load its adapters for a dozen frameworks.
    return Path(str(distribution("swagger-ui-py").locate_file("swagger_ui/static")))
