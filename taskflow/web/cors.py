"""Who may call from a browser (the Fetch standard's CORS protocol)."""

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taskflow.errors import PreflightRefused, render_problem
from taskflow.web.fields import list_elements

MAX_AGE_SECONDS = 600
"""How long a browser remembers a preflight's answer; more than two hours is more than any browser does."""

EXPOSED = ["ETag", "Link", "Location", "Retry-After", "WWW-Authenticate", "X-Request-Id"]
"""What a page may read of an answer's headers."""

ALLOWED = [
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "X-Request-Id",
    "baggage",
    "sentry-trace",
    "traceparent",
    "tracestate",
]
"""What a page may send, beside what needs nobody's leave. The last four are added by monitoring in browsers."""

_WANTED = b"access-control-request-headers"

_OTHERS = [(b"vary", b"Origin")]
"""What an answer to a page of another origin, or to no page, says: that its headers depend on the origin."""


def list_cors_headers(origins: Sequence[str]) -> dict[str, list[tuple[bytes, bytes]]]:
    """Give, for each origin, the headers of an answer to a page of it."""
    same = [
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-expose-headers", ", ".join(EXPOSED).encode()),
    ]
    return {origin: [*same, (b"access-control-allow-origin", origin.encode()), *_OTHERS] for origin in origins}


class Cors(CORSMiddleware):
    """Starlette's CORS for exact origins, its refusals written as problem documents like every other error."""

    def __init__(
        self, app: ASGIApp, *, origins: Sequence[str], methods: Sequence[str], headers: Sequence[str] = ()
    ) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=methods,
            allow_headers=[*ALLOWED, *headers],
            # Some frontends send their cookies along with every call; they are ignored here.
            allow_credentials=True,
            expose_headers=EXPOSED,
            max_age=MAX_AGE_SECONDS,
        )
        self._added = {origin.encode(): headers for origin, headers in list_cors_headers(origins).items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] != "OPTIONS":
            await self._pass_on(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    async def simple_response(self, scope: Scope, receive: Receive, send: Send, request_headers: Headers) -> None:
        del request_headers
        await self._pass_on(scope, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        # As Starlette would, but with what is always the same worked out beforehand.
        added = _OTHERS
        for name, value in scope["headers"]:
            if name == b"origin":
                added = self._added.get(value, _OTHERS)
                break

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def preflight_response(self, request_headers: Headers) -> Response:
        answer = super().preflight_response(_drop_empty_elements(request_headers))
        if answer.status_code < 400:  # noqa: PLR2004
            return answer
        refusal = render_problem(PreflightRefused(bytes(answer.body).decode()))
        del answer.headers["Content-Length"], answer.headers["Content-Type"]
        refusal.headers.update(answer.headers)
        return refusal


def _drop_empty_elements(headers: Headers) -> Headers:
    """Write the list of the headers that a page asks for in one line; Starlette reads one, and takes "" for a name."""
    wanted = list_elements(headers.raw, _WANTED)
    others = [header for header in headers.raw if header[0] != _WANTED]
    return Headers(raw=[*others, (_WANTED, b",".join(wanted))] if wanted else others)
