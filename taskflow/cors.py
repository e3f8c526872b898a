"""Who may call from a browser (the Fetch standard's CORS protocol)."""

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from taskflow.errors import PreflightRefused, render_problem

MAX_AGE_SECONDS = 600
"""How long a browser remembers a preflight's answer; more than two hours is more than any browser does."""


class Cors(CORSMiddleware):
    """Starlette's CORS for exact origins, its refusals written as problem documents like every other error."""

    def __init__(self, app: ASGIApp, *, origins: Sequence[str], methods: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=methods,
            allow_headers=["Authorization", "Content-Type"],
            # Some frontends send their cookies along with every call; they are ignored here.
            allow_credentials=True,
            expose_headers=["Location", "Retry-After", "WWW-Authenticate", "X-Request-Id"],
            max_age=MAX_AGE_SECONDS,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        answer = super().preflight_response(request_headers)
        if answer.status_code < 400:  # noqa: PLR2004
            return answer
        refusal = render_problem(PreflightRefused(bytes(answer.body).decode()))
        del answer.headers["Content-Length"], answer.headers["Content-Type"]
        refusal.headers.update(answer.headers)
        return refusal
