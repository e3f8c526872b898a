"""The only wiring: settings in, an ASGI application out."""

import inspect
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Protocol

from connexion import ConnexionMiddleware
from connexion.exceptions import InvalidSpecification, ResolverError
from connexion.middleware.lifespan import LifespanMiddleware
from connexion.middleware.security import SecurityMiddleware
from connexion.resolver import Resolver
from inflection import underscore
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from taskflow.auth.tokens import TokenVerifier
from taskflow.contract.documents import make_document_router
from taskflow.contract.enforcement import ContractEnforcement
from taskflow.contract.loading import (
    ContractError,
    Document,
    describe_violation,
    list_methods,
    parse_contract,
    read_contract,
)
from taskflow.contract.routing import ContractRouting
from taskflow.contract.security import make_bearer_handler
from taskflow.database import Database
from taskflow.errors import MethodNotAllowed, PathNotFound
from taskflow.observability.logs import RequestLog, note_operation, note_user
from taskflow.observability.metrics import Metrics
from taskflow.observability.tracing import RequestTracing, TracedDatabase, make_tracing
from taskflow.operations import health, tasks
from taskflow.operations.cursors import Cursors
from taskflow.operations.health import Readiness
from taskflow.operations.idempotency import KeyExpiry
from taskflow.settings import Settings
from taskflow.web.cors import Cors
from taskflow.web.error_handler import ErrorBoundary, answer_defect
from taskflow.web.security_headers import SecurityHeaders


class _Part(Protocol):
    """What is opened when the application begins, and closed when it ends."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...


def create_app(settings: Settings, metrics: Metrics | None = None) -> ASGIApp:
    """Build the application, which counts in `metrics`; nothing is opened before its lifespan begins.

    The settings must name a database, and a secret or where keys are published. Raises ContractError if the contract
    cannot be kept.
    """
    contract = read_contract()
    document = parse_contract(contract)
    try:
        return _wire(settings, metrics, contract, document)
    except InvalidSpecification as error:
        raise ContractError(describe_violation(error)) from None
    except ResolverError as error:
        raise ContractError(str(error)) from None
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError, re.error) as error:
        # What Connexion trips over without saying so: no operationId, an unknown security scheme, a circle.
        raise ContractError(f"Connexion cannot read it ({type(error).__name__}: {error})") from error


def _wire(settings: Settings, metrics: Metrics | None, contract: bytes, document: Document) -> ASGIApp:
    # Made before Connexion gets the document, which it changes.
    pages = make_document_router(contract, document, settings.root_path or "")
    on_error, on_fetch = (metrics.count_database_error, metrics.count_key_fetch) if metrics else (_pass_over,) * 2
    tracing = make_tracing(settings)
    database = TracedDatabase(settings, on_error, tracer=tracing.tracer) if tracing else Database(settings, on_error)
    verifier = TokenVerifier(settings, on_fetch)
    opened: list[_Part] = [verifier, database, KeyExpiry(database, settings)]
    if metrics is not None:
        metrics.watch(database.pool)
        opened.append(metrics)
        if settings.metrics_port is None:
            pages.add_route("/metrics", metrics.answer, methods=["GET"])
    if tracing is not None:
        opened.insert(0, tracing)
    parts = {
        "database": database,
        "cursors": Cursors(database),
        "readiness": Readiness(database, verifier),
        "root_path": settings.root_path or "",
    }
    app = ConnexionMiddleware(
        pages,
        import_name="taskflow",
        lifespan=partial(_run_with, opened, metrics),
        middlewares=[
            partial(SecurityHeaders, is_production=settings.is_production),
            partial(ServerErrorMiddleware, handler=_answer_defect),
            partial(RequestLog, observer=metrics),
            *([partial(RequestTracing, tracer=tracing.tracer)] if tracing else []),
            partial(Cors, origins=settings.cors_origins, methods=list_methods(document), headers=settings.cors_headers),
            ErrorBoundary,
            partial(ContractRouting, on_operation=note_operation),
            SecurityMiddleware,
            partial(ContractEnforcement, max_body_bytes=settings.max_body_bytes),
            LifespanMiddleware,
        ],
        resolver=Resolver(partial(_resolve_handler, parts)),
        security_map={"bearer": make_bearer_handler(verifier.authenticate, note_user)},
    )
    app.add_api(document)
    # Connexion would build its stack for the first request; what is wrong with the contract must be known now.
    app.app, app.middleware_stack = app._build_middleware_stack()  # noqa: SLF001
    stack: ASGIApp = app
    return stack


def create_metrics_app(settings: Settings, metrics: Metrics) -> ASGIApp:
    """Build the application of METRICS_PORT: `/metrics` and nothing else."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/metrics":
            raise PathNotFound
        if scope["method"] not in {"GET", "HEAD"}:
            raise MethodNotAllowed(["GET", "HEAD"])
        response = await metrics.answer(Request(scope))
        await response(scope, receive, send)

    return SecurityHeaders(ErrorBoundary(answer), is_production=settings.is_production)


def _pass_over(_fact: object) -> None:
    """Nobody counts it."""


def _resolve_handler(parts: Mapping[str, object], operation_id: str) -> Callable[..., Awaitable[ASGIApp]]:
    """Find the handler of an operationId, with the parts of the application that it takes by name.

    listTasks is taskflow.operations.tasks.list_tasks; the supervisor's are in taskflow.operations.health.
    """
    name = underscore(operation_id)
    handler = getattr(health, name, None) or getattr(tasks, name)
    taken = inspect.signature(handler).parameters
    return partial(handler, **{name: part for name, part in parts.items() if name in taken})


@asynccontextmanager
async def _run_with(
    parts: Sequence[_Part], metrics: Metrics | None, _app: ConnexionMiddleware
) -> AsyncIterator[dict[str, Metrics | None]]:
    async with AsyncExitStack() as stack:
        for part in parts:
            stack.push_async_callback(part.close)
            await part.open()
        # What connections are told, by the server that takes them (ASGI, "Lifespan State").
        yield {"metrics": metrics}


async def _answer_defect(_request: Request, error: Exception) -> Response:
    return answer_defect(error)
