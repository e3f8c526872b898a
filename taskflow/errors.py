"""What can go wrong, as facts, and the one place that turns a fact into an answer.

    Problem
    ├── RequestMalformed                                     400
    ├── BodyMissing, BodyNotJson, PreflightRefused           400
    ├── TokenMissing                                         401
    ├── TokenInvalid ── TokenExpired, TokenSignatureInvalid  401
    ├── NotYourPath, NotYourTask                             403
    ├── PathNotFound, TaskNotFound                           404
    ├── MethodNotAllowed                                     405
    ├── RequestTimeout                                       408
    ├── PreconditionFailed                                   412
    ├── BodyTooLarge                                         413
    ├── UrlTooLong                                           414
    ├── MediaTypeUnsupported, EncodingUnsupported            415
    ├── Unprocessable ── CursorRefused, KeyReused            422
    ├── HeadersTooLarge                                      431
    ├── ServerBusy, ServerStopping                           503
    ├── DatabaseUnavailable ── DatabaseTimeout               503
    ├── KeysUnavailable, NotReady                            503
    └── ListTooLong                                          505

Every other exception is a defect: the client gets a constant 500, the log gets the trace.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar

import orjson
from starlette.responses import Response

MAX_ERRORS = 20
"""How many mistakes of one request are listed: a hostile body can hold a hundred thousand."""

MAX_DETAIL_BYTES = 900
"""How long the sentence about them may grow."""

# The names of RFC 9110; Python's own differ between its versions.
_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    412: "Precondition Failed",
    413: "Content Too Large",
    414: "URI Too Long",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}


@dataclass(frozen=True, slots=True)
class FieldError:
    """One mistake of a request.

    `pointer` is a JSON Pointer (RFC 6901) into the body, or the name of a parameter, or of a part of the server.
    """

    detail: str
    pointer: str


class Problem(Exception):
    """A fact that the client is told, with its status (RFC 9110) and a sentence."""

    status: ClassVar[int] = 500
    detail: str = "The server met an unexpected error."
    headers: Sequence[tuple[str, str]] = ()
    errors: Sequence[FieldError] = ()
    reason: str | None = None
    """What the log says beyond that, and the client is not told."""


class RequestMalformed(Problem):
    """What came is no HTTP/1.1, or could be read in two ways."""

    status = 400
    detail = "The request is not valid HTTP/1.1."


class BodyMissing(Problem):
    status = 400
    detail = "The request body is missing; send a JSON document."


class BodyNotJson(Problem):
    """`reason` goes on where "The request body" begins."""

    status = 400

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.detail = f"The request body {reason}."


class PreflightRefused(Problem):
    """`reason` says what the configuration of CORS does not allow."""

    status = 400

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.detail = f"{reason}."


class TokenMissing(Problem):
    status = 401
    detail = 'Not authenticated; send the header "Authorization: Bearer <token>".'
    headers = (("WWW-Authenticate", "Bearer"),)


class TokenInvalid(Problem):
    """`reason` is for the operator: telling it to whoever sent the token would help to forge one."""

    status = 401
    detail = "Invalid token"
    headers = (("WWW-Authenticate", 'Bearer error="invalid_token"'),)

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason


class TokenExpired(TokenInvalid):
    detail = "Token expired"


class TokenSignatureInvalid(TokenInvalid):
    detail = "Invalid token signature"


class NotYourPath(Problem):
    status = 403
    detail = "The user_id in the path is not the user of the token."


class NotYourTask(Problem):
    status = 403
    detail = "The task belongs to another user."


class PathNotFound(Problem):
    status = 404
    detail = "There is nothing at this path."


class TaskNotFound(Problem):
    status = 404
    detail = "There is no task with this task_id."


class MethodNotAllowed(Problem):
    """`allowed` holds the methods that the path does take."""

    status = 405

    def __init__(self, allowed: Collection[str]) -> None:
        methods = ", ".join(sorted(allowed))
        super().__init__(methods)
        self.detail = f"This path takes only {methods}."
        self.headers = (("Allow", methods),)


class RequestTimeout(Problem):
    """`limit` is in seconds."""

    status = 408

    def __init__(self, limit: float) -> None:
        super().__init__(limit)
        self.detail = f"The request was not complete after {limit:g} seconds."


class PreconditionFailed(Problem):
    status = 412
    detail = "The task is no longer as the If-Match header says; read it again."


class BodyTooLarge(Problem):
    """`limit` is in bytes."""

    status = 413

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.detail = f"The request body is larger than {limit} bytes."


class UrlTooLong(Problem):
    """`limit` is in bytes."""

    status = 414

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.detail = f"The URL is longer than {limit} bytes."


class MediaTypeUnsupported(Problem):
    status = 415

    def __init__(self, accepted: Collection[str]) -> None:
        super().__init__(accepted)
        self.detail = f"The Content-Type must be {' or '.join(accepted)}."


class EncodingUnsupported(Problem):
    status = 415
    detail = "The request body must be sent without a Content-Encoding."


class Unprocessable(Problem):
    status = 422

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__(errors)
        self.errors = errors[:MAX_ERRORS]
        self.detail = _summarise(errors)


class CursorRefused(Unprocessable):
    def __init__(self) -> None:
        super().__init__([FieldError("does not belong to this list", "cursor")])


class KeyReused(Unprocessable):
    def __init__(self) -> None:
        super().__init__([FieldError("has been used for another body", "Idempotency-Key")])


class HeadersTooLarge(Problem):
    """`limit` is in bytes."""

    status = 431

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.detail = f"The headers are larger than {limit} bytes."


class ServerBusy(Problem):
    status = 503
    detail = "The server has more requests than it can answer, please retry."
    headers = (("Retry-After", "1"),)


class ServerStopping(Problem):
    status = 503
    detail = "The server is stopping, please retry."
    headers = (("Retry-After", "1"),)


class ClientGone(Exception):
    """The client has gone away without its answer, and what was being done for it is given up."""


class DatabaseUnavailable(Problem):
    status = 503
    detail = "The database is temporarily unavailable, please retry."
    headers = (("Retry-After", "5"),)


class DatabaseTimeout(DatabaseUnavailable):
    detail = "The database did not answer in time, please retry."


class KeysUnavailable(Problem):
    """Never 401: frontends take that for the end of the session, and log their user out."""

    status = 503
    detail = "The keys that tokens are checked with are temporarily unavailable, please retry."
    headers = (("Retry-After", "5"),)

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotReady(Problem):
    """`parts` are those that the server cannot do its work without."""

    status = 503
    headers = (("Retry-After", "1"),)

    def __init__(self, parts: Sequence[FieldError]) -> None:
        super().__init__(parts)
        self.errors = parts
        self.detail = _summarise(parts)


class ListTooLong(Problem):
    status = 505
    detail = "The list is too long for HTTP/1.0, which knows no parts; ask for it by HTTP/1.1."


def _summarise(errors: Sequence[FieldError]) -> str:
    """Say in one sentence what is wrong, as far as there is room."""
    sentences: list[str] = []
    room = MAX_DETAIL_BYTES
    for error in errors[:MAX_ERRORS]:
        place = error.pointer.removeprefix("/") or ("A member without a name" if error.pointer else "The body")
        sentence = f"{place} {error.detail}"
        room -= len(sentence.encode())
        if room < 0:
            break
        sentences.append(sentence)
    if len(errors) > len(sentences):
        sentences.append(f"and {len(errors) - len(sentences)} more")
    return "; ".join(sentences) + "."


def render_problem(problem: Problem) -> Response:
    """Write the problem document (RFC 9457) of a fact."""
    document: dict[str, object] = {
        "type": "about:blank",
        "title": _TITLES[problem.status],
        "status": problem.status,
        "detail": problem.detail,
    }
    if problem.errors:
        document["errors"] = [asdict(error) for error in problem.errors]
    return Response(
        orjson.dumps(document), problem.status, dict(problem.headers), media_type="application/problem+json"
    )
