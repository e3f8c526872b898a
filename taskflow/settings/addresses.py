"""The addresses that the configuration holds, each brought to its one form.

Raises ValueError where it cannot be, with the end of a sentence that begins with the variable's name.
"""

import re
from ipaddress import ip_address

import httpx

MAX_PORT = 65_535

EVERY_ADDRESS = frozenset({"0.0.0.0", "::"})  # noqa: S104  what to look for
"""Hosts that stand for all addresses of the machine."""

_HOST_NAME = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*", re.ASCII)
_USUAL_PORTS = {"http": 80, "https": 443}


def normalise_auth_url(url: str, *, may_be_plain: bool, may_have_query: bool = False) -> str:
    """Bring the address of the frontend's Better Auth, or of its keys (these with a query, perhaps), to one form.

    Who can change what comes over plain http can sign for anybody; within one machine nobody can.
    """
    parsed = _parse_url(url, "https://app.example.com", may_have_query=may_have_query)
    if parsed.scheme == "http" and not may_be_plain and not _is_loopback(parsed.raw_host.decode()):
        raise ValueError("must begin with https:// in production, unless its host is this machine")
    if parsed.port == _USUAL_PORTS[parsed.scheme]:
        parsed = parsed.copy_with(port=None)  # as in an origin
    text = f"{parsed.scheme}://{parsed.netloc.decode()}{parsed.raw_path.decode()}"
    if may_have_query:
        return text
    if text.rstrip("/").endswith("/jwks"):
        raise ValueError("must be where Better Auth is; where its keys are is for JWKS_URL")
    return text.rstrip("/")


def normalise_collector_url(url: str) -> str:
    """Bring the address of a collector of traces to one form, without the path that it has for them."""
    return str(_parse_url(url, "http://localhost:4318")).rstrip("/")


def _parse_url(url: str, example: str, *, may_have_query: bool = False) -> httpx.URL:
    try:
        parsed = httpx.URL(url.strip())
        host = parsed.raw_host.decode() if parsed.host else ""
    except (httpx.InvalidURL, UnicodeError):
        raise ValueError(f"must be a URL such as {example}") from None
    if parsed.scheme not in _USUAL_PORTS or not (_HOST_NAME.fullmatch(host) or _is_address(host)):
        raise ValueError(f"must be a URL such as {example}")
    if parsed.port is not None and not 0 < parsed.port <= MAX_PORT:
        raise ValueError(f"must have a port from 1 to {MAX_PORT}, or none")
    if parsed.userinfo or parsed.fragment or (parsed.query and not may_have_query):
        raise ValueError("must have no user, password, query or fragment")
    return parsed


def _is_address(host: str) -> bool:
    try:
        return bool(ip_address(host))
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ip_address(host).is_loopback)


def find_origin(url: str) -> str:
    """Give the origin of an address in its one form."""
    return "/".join(url.split("/", 3)[:3])


def find_key_set(auth_url: str) -> str:
    """Give where a Better Auth publishes its keys: at its base path, which is /api/auth unless its URL has a path."""
    return f"{auth_url}{'' if auth_url != find_origin(auth_url) else '/api/auth'}/jwks"
