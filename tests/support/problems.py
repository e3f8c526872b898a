"""Problem documents as the tests expect them."""

from typing import Any

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


def expect_problem(status: int, detail: str, **errors: str) -> dict[str, Any]:
    """Give the whole document; `errors` maps a member (`title`) to what is wrong with it."""
    document: dict[str, Any] = {"type": "about:blank", "title": _TITLES[status], "status": status, "detail": detail}
    if errors:
        document["errors"] = [{"detail": wrong, "pointer": f"/{name}"} for name, wrong in errors.items()]
    return document
