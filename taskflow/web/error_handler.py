"""Where what an application raises becomes an answer."""

import asyncio
import logging

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taskflow.errors import ClientGone, MethodNotAllowed, PathNotFound, Problem, ServerStopping, render_problem
from taskflow.observability.logs import note_reason

logger = logging.getLogger(__name__)


class ErrorBoundary:
    """Middleware: answers a fact with its problem document, and a defect with a constant one.

    An answer that has begun cannot become another one. It is left without its end: the server then closes the
    connection, which a client sees as a broken transfer, and never as a shorter list.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def send_noting(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  it is logged below
            response = _answer(error)
            # Connexion leaves it in a circle with its own frame, which would keep the whole request in memory until the
            # garbage collector comes by.
            error.__traceback__ = None
            if has_begun:
                note_reason("broken off")
                return
            await response(scope, receive, send)


def _answer(error: Exception | asyncio.CancelledError) -> Response:
    if isinstance(error, asyncio.CancelledError):
        # A server that stops cancels what has not come to its end in time; this is its end.
        error = ServerStopping()
    if isinstance(error, Problem):
        if error.reason is not None:
            note_reason(error.reason)
        return render_problem(error)
    if isinstance(error, ClientDisconnect | ClientGone):
        # Seen by the log alone; the number is nginx's for a client that has gone.
        return Response(status_code=499)
    # Of the documents' router; the contract's paths raise facts of ours.
    if isinstance(error, HTTPException) and error.status_code == 404:  # noqa: PLR2004
        return render_problem(PathNotFound())
    if isinstance(error, HTTPException) and error.status_code == 405:  # noqa: PLR2004
        return render_problem(MethodNotAllowed((error.headers or {}).get("Allow", "").split(", ")))
    return answer_defect(error)


def answer_defect(error: Exception) -> Response:
    """Write the trace to the log, and nothing of it to the client."""
    logger.error("unexpected error", exc_info=error)
    return render_problem(Problem())
