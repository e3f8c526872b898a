"""The origins whose pages may call, as browsers write them, and the headers that such pages may send.

Raises ValueError, with the end of a sentence that begins with the variable's name; an entry is named by its position.
"""

import re
import socket
from ipaddress import AddressValueError, IPv6Address

import idna

from taskflow.settings.addresses import MAX_PORT

_USUAL_PORTS = {"http": 80, "https": 443}

_FORM = re.compile(r"([a-z][a-z0-9+.-]*)://(\[[^\]]*\]|[^:\[\]]+)(?::([0-9]+))?", re.ASCII | re.IGNORECASE)
_LABEL = re.compile(r"(?!xn--$)[a-z0-9_-]+", re.ASCII)
_OTHER_HOST = re.compile(r"[a-z0-9._~!$&'()+;=-]+", re.ASCII | re.IGNORECASE)

_WITHOUT_ORIGIN = {"about", "blob", "data", "file", "filesystem", "ftp", "javascript", "ws", "wss"}
"""Schemes that no page has, or whose pages have the origin `null` (URL standard, section 4.7)."""

_CASE_COUNTS = "safari-web-extension"
"""Safari writes the identifiers of its extensions in upper case; other browsers write every host in lower case."""

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)

_FORBIDDEN = {
    "accept-charset",
    "accept-encoding",
    "access-control-request-headers",
    "access-control-request-method",
    "connection",
    "content-length",
    "cookie",
    "cookie2",
    "date",
    "dnt",
    "expect",
    "host",
    "keep-alive",
    "origin",
    "referer",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
}
"""What a page cannot set (Fetch standard, forbidden request-headers)."""


def normalise_origins(entries: tuple[str, ...]) -> tuple[str, ...]:
    """Bring origins to the form in which browsers send them, for they are compared byte for byte."""
    origins = []
    for position, entry in enumerate(entries, start=1):
        try:
            origins.append(_normalise_origin(entry))
        except ValueError as mistake:
            raise ValueError(
                "must be a comma-separated list of exact origins, such as https://app.example.com, "
                f"without path or *; entry {position} {mistake}"
            ) from None
    return tuple(origins)


def check_header_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Check that names are those of headers that a page can send (RFC 9110, section 5.6.2)."""
    for position, name in enumerate(names, start=1):
        mistake = None
        if name == "*":
            mistake = "is *, which means nothing where credentials are sent; name each header"
        elif "*" in name:
            mistake = "has a *, which stands for nothing else; name each header"
        elif not _TOKEN.fullmatch(name):
            mistake = "is not a header's name"
        elif name.lower() in _FORBIDDEN or name.lower().startswith(("proxy-", "sec-")):
            mistake = "is a header that browsers let no page set"
        if mistake:
            raise ValueError(
                "must be a comma-separated list of header names, such as x-datadog-trace-id; "
                f"entry {position} {mistake}"
            )
    return names


def _normalise_origin(entry: str) -> str:
    entry = entry.removesuffix("/")
    _check_form(entry)
    form = _FORM.fullmatch(entry)
    if form is None:
        raise ValueError("is not scheme://host or scheme://host:port")
    scheme, host, digits = form[1].lower(), form[2], form[3]
    if scheme in _WITHOUT_ORIGIN:
        raise ValueError("has a scheme whose pages have no origin of their own")
    port = int(digits[:9]) if digits else None
    if port is not None and not 0 < port <= MAX_PORT:
        raise ValueError(f"has a port that is not from 1 to {MAX_PORT}")
    if host.startswith("["):
        host = _normalise_ipv6(host)
    elif scheme in _USUAL_PORTS:
        host = _normalise_host(host)
    elif not _OTHER_HOST.fullmatch(host):
        raise ValueError("has a host that is none")
    elif scheme != _CASE_COUNTS:
        host = host.lower()
    # A browser leaves the usual port out.
    return f"{scheme}://{host}" if port in {None, _USUAL_PORTS.get(scheme)} else f"{scheme}://{host}:{port}"


def _check_form(entry: str) -> None:
    """Say what an entry has that an origin has not."""
    scheme, separator, rest = entry.partition("://")
    if entry.lower() == "null":
        raise ValueError("is null, which is the origin of many pages; give the page one of its own")
    if "*" in entry:
        raise ValueError("has a *; name each origin")
    if not separator or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        raise ValueError("has no scheme, such as https://, before its host")
    if not entry.isprintable() or " " in entry:
        raise ValueError("has a blank or a control character; separate origins by commas")
    for character, part in (("/", "a path"), ("?", "a query"), ("#", "a fragment"), ("@", "a user"), ("\\", "a \\")):
        if character in rest:
            raise ValueError(f"has {part}; leave it out")


def _normalise_host(host: str) -> str:
    """Bring the host of an http page to the form in which a browser sends it (URL standard, section 3.5)."""
    try:
        labels = idna.uts46_remap(host, std3_rules=False, transitional=False).split(".")
    except (idna.IDNAError, IndexError):
        raise ValueError("has a host that is none") from None
    labels = [label if label.isascii() else f"xn--{label.encode('punycode').decode()}" for label in labels]
    named = labels[:-1] if labels[-1] == "" else labels  # a host may end in a dot, and is another one then
    if not all(_LABEL.fullmatch(label) for label in named) or not named:
        raise ValueError("has a host that is none")
    if not re.fullmatch(r"[0-9]+|0x[0-9a-f]*", named[-1]):
        return ".".join(labels)
    try:
        return socket.inet_ntoa(socket.inet_aton(".".join(named)))  # 127.1 is 127.0.0.1
    except OSError:
        raise ValueError("has an address that is none") from None


def _normalise_ipv6(host: str) -> str:
    try:
        address = IPv6Address(host[1:-1])
    except AddressValueError:
        raise ValueError("has an address that is none") from None
    if address.scope_id is not None:
        raise ValueError("has an address with a zone; browsers know none")
    if address.ipv4_mapped is not None:  # which Python 3.13 writes with dots, and browsers do not
        high, low = divmod(int(address.ipv4_mapped), 0x1_0000)
        return f"[::ffff:{high:x}:{low:x}]"
    return f"[{address}]"
