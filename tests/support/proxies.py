"""Real reverse proxies, nginx and HAProxy, configured by the very files of docs/proxies.md."""

import re
import shutil
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.addresses import find_port
from tests.support.certificates import make_certificate
from tests.support.server import REPOSITORY, stop_process
from tests.support.waiting import wait_for

DOCUMENT = (REPOSITORY / "docs" / "proxies.md").read_text()

START_SECONDS = 20

PROGRAMS = {"nginx": "/usr/sbin/nginx", "haproxy": "/usr/sbin/haproxy"}
"""Where Debian puts them: ordinary users often lack the folder in their PATH."""

NEEDED = {name: shutil.which(name) or shutil.which(path) for name, path in PROGRAMS.items()}
needs_nginx = pytest.mark.skipif(NEEDED["nginx"] is None, reason="nginx is not installed")
needs_haproxy = pytest.mark.skipif(NEEDED["haproxy"] is None, reason="HAProxy is not installed")

_NGINX = """
daemon off;
{user}
pid {folder}/pid;
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{site}
}}
"""


@dataclass(frozen=True)
class Proxy:
    """A running proxy, the authority that its certificate is of, and its log."""

    url: str
    trust: ssl.SSLContext
    log: Path


NO_CHANGES: Mapping[str, str] = {}


def read_snippet(language: str, number: int = 0) -> str:
    """Give one of the document's code blocks in a language, by default the first."""
    blocks = re.finditer(rf"^```{language}\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)
    return [block[1] for block in blocks][number]


def _replace(text: str, replacements: Mapping[str, str]) -> str:
    """Replace parts of a snippet, each of which must be there once."""
    for old, new in replacements.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


@contextmanager
def run_nginx(servers: Sequence[str], changes: Mapping[str, str] = NO_CHANGES) -> Iterator[Proxy]:
    """Run nginx in front of the servers at two URLs, until the block ends; `changes` are made in its file."""
    first, second = (urlsplit(url).netloc for url in servers)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trust, certificate, key = make_certificate(folder)
        port = find_port()
        site = _replace(
            read_snippet("nginx"),
            {
                "127.0.0.1:8000": first,
                "127.0.0.1:8001": second,
                "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
                "/etc/nginx/taskflow.pem": str(certificate),
                "/etc/nginx/taskflow.key": str(key),
                **changes,
            },
        )
        user = "user root;" if Path(name).owner() == "root" else ""
        (folder / "nginx.conf").write_text(_NGINX.format(user=user, folder=folder, site=site))
        command = ["nginx", "-e", "stderr", "-p", name, "-c", str(folder / "nginx.conf")]
        with _run(command, folder, port, trust) as proxy:
            yield proxy


@contextmanager
def run_haproxy(servers: Sequence[str], changes: Mapping[str, str] = NO_CHANGES) -> Iterator[Proxy]:
    """Run HAProxy in front of the servers at two URLs, until the block ends; `changes` are made in its file."""
    first, second = (urlsplit(url).netloc for url in servers)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trust, certificate, key = make_certificate(folder)
        both = folder / "both.pem"
        both.write_bytes(certificate.read_bytes() + key.read_bytes())
        port = find_port()
        text = _replace(
            read_snippet("haproxy"),
            {
                "127.0.0.1:8000": first,
                "127.0.0.1:8001": second,
                "bind :443 ssl": f"bind 127.0.0.1:{port} ssl",
                "/etc/haproxy/taskflow.pem": str(both),
                **changes,
            },
        )
        (folder / "haproxy.cfg").write_text(text)
        with _run(["haproxy", "-db", "-f", str(folder / "haproxy.cfg")], folder, port, trust) as proxy:
            yield proxy


RunProxy = Callable[[Sequence[str]], AbstractContextManager[Proxy]]

PROXIES = [
    pytest.param(run_nginx, marks=needs_nginx, id="nginx"),
    pytest.param(run_haproxy, marks=needs_haproxy, id="HAProxy"),
]


@contextmanager
def _run(command: list[str], folder: Path, port: int, trust: ssl.SSLContext) -> Iterator[Proxy]:
    program = NEEDED[command[0]]
    assert program is not None
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen([program, *command[1:]], stdout=output, stderr=output)  # noqa: S603  ours
    try:
        wait_for(lambda: _listens(process, port, log), START_SECONDS)
        yield Proxy(f"https://localhost:{port}", trust, log)
    finally:
        stop_process(process)


def _listens(process: subprocess.Popen[bytes], port: int, log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
