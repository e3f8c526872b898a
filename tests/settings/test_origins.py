"""Every exact origin can be configured, and becomes what a browser sends; what is none is refused with its position."""

import pytest

from tests.support.configuration import NO_ORIGIN, complain, load

EXTENSION = "chrome-extension://abcdefghijklmnopabcdefghijklmnop"


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://app.example.com", "https://app.example.com"),
        ("https://app.example.com/", "https://app.example.com"),
        ("HTTPS://App.Example.COM:443", "https://app.example.com"),
        ("https://app.example.com:0443", "https://app.example.com"),
        ("http://app.example.com:080", "http://app.example.com"),
        ("http://app.example.com:443", "http://app.example.com:443"),
        ("http://localhost:03000", "http://localhost:3000"),
        ("https://app.example.com:65535", "https://app.example.com:65535"),
        ("https://app.example.com.", "https://app.example.com."),
        # Names that are no names of hosts, but work in browsers.
        ("http://my_app.localhost:3000", "http://my_app.localhost:3000"),
        ("https://my_branch--app.example.com", "https://my_branch--app.example.com"),
        ("https://-a-.example", "https://-a-.example"),
        # As UTS #46 maps them (URL standard, domain to ASCII).
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://BÜCHER.example:8443/", "https://xn--bcher-kva.example:8443"),
        ("https://bu\u0308cher.example", "https://xn--bcher-kva.example"),
        ("https://straße.example", "https://xn--strae-oqa.example"),
        ("https://例え.テスト", "https://xn--r8jz45g.xn--zckzah"),
        ("https://例え。テスト", "https://xn--r8jz45g.xn--zckzah"),
        ("https://\uff21\uff30\uff30.example", "https://app.example"),
        ("https://☕.example", "https://xn--53h.example"),
        ("https://пример.рф", "https://xn--e1afmkfd.xn--p1ai"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("http://127.1", "http://127.0.0.1"),
        ("http://127.0.0.1.", "http://127.0.0.1"),
        ("http://0x7f.1:80", "http://127.0.0.1"),
        ("http://2130706433", "http://127.0.0.1"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("http://[0:0:0:0:0:0:0:1]", "http://[::1]"),
        ("http://[2001:DB8::00A]", "http://[2001:db8::a]"),
        ("http://[::ffff:192.0.2.1]", "http://[::ffff:c000:201]"),
        ("tauri://localhost", "tauri://localhost"),
        ("TAURI://LocalHost/", "tauri://localhost"),
        ("http://tauri.localhost", "http://tauri.localhost"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("ionic://localhost", "ionic://localhost"),
        ("app://.", "app://."),
        ("app://obsidian.md", "app://obsidian.md"),
        ("vscode-webview://0a1b2c", "vscode-webview://0a1b2c"),
        ("tauri://localhost:443", "tauri://localhost:443"),
        (EXTENSION, EXTENSION),
        (
            "moz-extension://1b2c3d4e-0000-4000-8000-1234567890ab",
            "moz-extension://1b2c3d4e-0000-4000-8000-1234567890ab",
        ),
        ("safari-web-extension://1B2C3D4E-0000-4000", "safari-web-extension://1B2C3D4E-0000-4000"),
    ],
)
def test_an_origin_becomes_what_a_browser_sends(text: str, origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scheme and host in lower case and in ASCII, the usual port left out."""
    assert load(monkeypatch, CORS_ORIGINS=f"https://first.example,{text}").cors_origins == (
        "https://first.example",
        origin,
    )


STAR = "has a *; name each origin"
NULL = "is null, which is the origin of many pages; give the page one of its own"
NO_SCHEME = "has no scheme, such as https://, before its host"
OPAQUE = "has a scheme whose pages have no origin of their own"
PATH = "has a path; leave it out"
BLANK = "has a blank or a control character; separate origins by commas"
FORM = "is not scheme://host or scheme://host:port"
PORT = "has a port that is not from 1 to 65535"
NO_HOST = "has a host that is none"
NO_ADDRESS = "has an address that is none"

WRONG = [
    ("*", STAR),
    ("https://*", STAR),
    ("https://*.example.com", STAR),
    ("https://app-*.example.com", STAR),
    ("*://app.example.com", STAR),
    ("https://app.example.com:*", STAR),
    ("null", NULL),
    ("NULL", NULL),
    ("app.example.com", NO_SCHEME),
    ("localhost:3000", NO_SCHEME),
    ("//app.example.com", NO_SCHEME),
    ("://app.example.com", NO_SCHEME),
    ("https//app.example.com", NO_SCHEME),
    ("https:/app.example.com", NO_SCHEME),
    ("https:app.example.com", NO_SCHEME),
    ("1https://app.example.com", NO_SCHEME),
    ("data:text/html,x", NO_SCHEME),
    ("about:blank", NO_SCHEME),
    ("blob:https://app.example.com", NO_SCHEME),
    ("file://", NO_SCHEME),
    ("file://localhost", OPAQUE),
    ("ftp://app.example.com", OPAQUE),
    ("wss://app.example.com", OPAQUE),
    ("data://x", OPAQUE),
    ("https://app.example.com/tasks", PATH),
    ("https://app.example.com//", PATH),
    ("tauri://localhost/index.html", PATH),
    ("https://app.example.com?x=1", "has a query; leave it out"),
    ("https://app.example.com/?x=1", PATH),
    ("https://app.example.com#x", "has a fragment; leave it out"),
    ("https://alice:s3cr3t@app.example.com", "has a user; leave it out"),
    ("https://app.example.com\\x", "has a \\; leave it out"),
    ("https://app.example.com https://b.example", BLANK),
    ("https://app.example.com;https://b.example", PATH),
    ("https://app\texample.com", BLANK),
    ("https://app.example.com:https", FORM),
    ("https://app.example.com:", FORM),
    ("https://app.example.com:-1", FORM),
    ("https://app.example.com:\uff11\uff12", FORM),
    ("https://app.example.com:1:2", FORM),
    ("https://[::1", FORM),
    ("https://::1", FORM),
    ("https://", NO_SCHEME),
    ("https://:3000", FORM),
    ("https://app.example.com:0", PORT),
    ("https://app.example.com:65536", PORT),
    ("https://app.example.com:99999999999999999999", PORT),
    ("https://a..b", NO_HOST),
    ("https://.", NO_HOST),
    ("https://xn--", NO_HOST),
    ("https://a%62.example", NO_HOST),
    ("https://a_b!.example", NO_HOST),
    ("https://a\ufffd.example", NO_HOST),
    ("tauri://bücher", NO_HOST),
    ("tauri://%41", NO_HOST),
    ("http://127.999.1.1", NO_ADDRESS),
    ("http://1.2.3.4.5", NO_ADDRESS),
    ("http://app.0x", NO_ADDRESS),
    ("http://[1:2]", NO_ADDRESS),
    ("http://[::1%25eth0]", "has an address with a zone; browsers know none"),
    ("http://[fe80::1%eth0]", "has an address with a zone; browsers know none"),
    ("http://[]", NO_ADDRESS),
]


@pytest.mark.parametrize(("text", "mistake"), WRONG)
def test_what_is_no_exact_origin_is_refused_with_its_position(
    text: str, mistake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The position, what is wrong and how an origin looks; not what was given."""
    first = text.partition(",")[0]
    assert complain(monkeypatch, CORS_ORIGINS=first) == [NO_ORIGIN.format(1, mistake)]
    assert complain(monkeypatch, CORS_ORIGINS=f"tauri://localhost, ,{first},x") == [NO_ORIGIN.format(2, mistake)]


@pytest.mark.parametrize(
    ("text", "position", "mistake"),
    [
        ("*", 1, "is *, which means nothing where credentials are sent; name each header"),
        ("x-one,*", 2, "is *, which means nothing where credentials are sent; name each header"),
        ("x-datadog-*", 1, "has a *, which stands for nothing else; name each header"),
        ("x one", 1, "is not a header's name"),
        ("x-one: 1", 1, "is not a header's name"),
        ("x-one;x-two", 1, "is not a header's name"),
        ("x-öne", 1, "is not a header's name"),
        ("x-one\r\nSet-Cookie", 1, "is not a header's name"),
        ("Cookie", 1, "is a header that browsers let no page set"),
        ("x-one,x-two,Sec-Fetch-Mode", 3, "is a header that browsers let no page set"),
        ("proxy-authorization", 1, "is a header that browsers let no page set"),
    ],
)
def test_what_is_no_header_of_a_page_is_refused_with_its_position(
    text: str, position: int, mistake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`*` would be the header of that name."""
    form = "CORS_HEADERS must be a comma-separated list of header names, such as x-datadog-trace-id"
    assert complain(monkeypatch, CORS_HEADERS=text) == [f"{form}; entry {position} {mistake}."]
