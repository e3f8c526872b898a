"""What TaskFlow uses of libraries beyond their documentation is there, under the names that it uses.

An upgrade that renames one of these would otherwise make a limit wrong without an error. After such a failure, read
what the library does now before you change a name here.
"""

import inspect
import re
from importlib.metadata import requires, version
from multiprocessing import resource_tracker

import httptools
import jwt
import prometheus_client
import pytest
import uvicorn
from connexion.middleware import ConnexionMiddleware, abstract
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from prometheus_client import Histogram, multiprocess
from sqlalchemy.dialects.postgresql.psycopg import PGCompiler_psycopg
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

USED: dict[type, tuple[str, str]] = {
    HttpToolsProtocol: (
        "server/parsing.py and server/connection.py subclass it: state of a connection, callbacks of the parser",
        (
            "connection_made connection_lost data_received eof_received pause_writing resume_writing shutdown"
            " on_message_begin on_url on_header on_headers_complete on_body on_message_complete on_response_complete"
            " _start_asgi_task _unset_keepalive_if_required timeout_keep_alive_task"
            " connections tasks cycle pipeline parser scope headers url transport flow loop server_state"
            " expect_100_continue"
        ),
    ),
    RequestResponseCycle: (
        "server/connection.py reads how far an answer is, and ends it when its client has gone",
        (
            "scope disconnected keep_alive message_event on_response response_started response_complete"
            " waiting_for_100_continue"
        ),
    ),
    ServerState: ("server/workers.py counts the connections that uvicorn adds and discards", "connections tasks"),
    uvicorn.Server: (
        "server/workers.py subclasses it: how it starts, listens and stops",
        (
            "startup shutdown main_loop capture_signals handle_exit _captured_signals config lifespan server_state"
            " servers should_exit force_exit"
        ),
    ),
    Multiprocess: (
        "server/workers.py subclasses it: how workers are started, replaced and ended",
        (
            "init_processes keep_subprocess_alive terminate_all join_all handle_hup handle_term handle_ttin handle_ttou"
            " processes processes_num should_exit signal_queue sockets config"
        ),
    ),
    Process: (
        "server/workers.py subclasses it: how long a worker may take to answer",
        "start is_alive ping _healthcheck _server parent_conn process config",
    ),
    ConnexionMiddleware: (
        "app.py builds its stack at the start, so that a wrong contract is known then",
        "_build_middleware_stack middleware_stack app add_api",
    ),
    abstract.AbstractRoutingAPI: (
        "contract/routing.py subclasses it",
        "add_paths add_operation base_path specification",
    ),
    abstract.RoutedMiddleware: ("contract/enforcement.py subclasses it", "api_cls app"),
    Histogram: ("observability/metrics.py adds many observations at once", "_sum _buckets"),
    PGCompiler_psycopg: ("database/statements/columns.py reads the order of the parameters", "positiontup string"),
}
"""Classes, what uses them and for what, and the names that it uses."""


@pytest.mark.parametrize(
    ("used", "name"),
    [(used, name) for used, (_, names) in USED.items() for name in names.split()],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_a_class_has_what_is_used_of_it(used: type, name: str) -> None:
    """As a method, an attribute or a property, of its own or inherited."""
    sources = (inspect.getsource(cls) for cls in used.__mro__ if cls.__module__ != "builtins")
    assert any(re.search(rf"\bself\.{name}\b|\bdef {name}\b|^    {name}\b", source, re.MULTILINE) for source in sources)


def test_a_protocol_of_uvicorn_is_made_with_what_ours_passes_on() -> None:
    """server/connection.py and server/workers.py make it in place of uvicorn."""
    names = ["self", "config", "server_state", "app_state", "_loop"]
    assert list(inspect.signature(HttpToolsProtocol.__init__).parameters) == names


def test_the_parser_has_the_switch_that_uvicorn_sets() -> None:
    """server/upgrades.py sets it for a parser of its own."""
    assert "set_dangerous_leniencies" in inspect.getsource(HttpToolsProtocol)
    assert hasattr(httptools.HttpRequestParser, "set_dangerous_leniencies")


def test_a_signature_that_was_cut_off_has_the_words_that_are_looked_for() -> None:
    """auth/tokens.py tells it by them from a text that is no token; the class is the same for both."""
    token = jwt.encode({"sub": "alice"}, "s" * 32)
    with pytest.raises(jwt.DecodeError, match="crypto"):
        jwt.decode(token[:-1], "s" * 32, algorithms=["HS256"])
    with pytest.raises(jwt.DecodeError) as caught:
        jwt.decode("no token", "s" * 32, algorithms=["HS256"])
    assert "crypto" not in str(caught.value)


def test_the_tracker_of_shared_memory_can_be_started_ahead() -> None:
    """server/workers.py starts it before it holds back signals, since it would let them through."""
    assert callable(resource_tracker.ensure_running)


def test_counts_of_several_processes_are_files_in_a_folder() -> None:
    """observability/metrics.py makes that folder, and removes the files of workers that have ended."""
    assert "PROMETHEUS_MULTIPROC_DIR" in inspect.getsource(multiprocess)
    assert callable(multiprocess.mark_process_dead)
    assert callable(prometheus_client.disable_created_metrics)


@pytest.mark.parametrize("package", ["connexion", "uvicorn"])
def test_what_is_subclassed_is_bound_to_its_minor_version(package: str) -> None:
    """The next one may rename what is private."""
    major, minor, *_ = version(package).split(".")
    (requirement,) = (line for line in requires("taskflow") or [] if re.match(rf"{package}\b", line))
    assert SpecifierSet(f">={major}.{minor},<{major}.{int(minor) + 1}") == Requirement(requirement).specifier
