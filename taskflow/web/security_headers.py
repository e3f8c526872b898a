"""Headers that tell a browser to keep its distance, as OWASP's REST Security Cheat Sheet lists them."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Headers = list[tuple[bytes, bytes]]

HSTS_SECONDS = 31_536_000
"""For how long a browser that has come by TLS may come by nothing else: a year."""

_EVERYWHERE: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
]

_UNLESS_SAID: Headers = [
    (b"cache-control", b"no-store"),
    # An answer that is opened as a page loads nothing and is shown in no frame.
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]
"""What fits every answer but the pages of /docs, which have a word of their own about it."""


def choose_headers(*, is_production: bool) -> Headers:
    """Give what an answer carries that says nothing else; in production, that there is no way to it but TLS."""
    if is_production:
        hsts = (b"strict-transport-security", b"max-age=%d" % HSTS_SECONDS)
        return [*_UNLESS_SAID, *_EVERYWHERE, hsts]
    return [*_UNLESS_SAID, *_EVERYWHERE]


class SecurityHeaders:
    """Middleware: adds the headers to every answer, whoever has written it."""

    def __init__(self, app: ASGIApp, *, is_production: bool) -> None:
        self._app = app
        self._headers = choose_headers(is_production=is_production)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                said = message["headers"]
                added = self._headers
                names = dict(said)
                if b"cache-control" in names:
                    added = [header for header in added if header[0] not in names]
                message["headers"] = [*said, *added]
            await send(message)

        await self._app(scope, receive, send_with_headers)
