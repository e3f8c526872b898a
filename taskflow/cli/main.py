"""The commands: `taskflow serve | migrate | token | check`.

Exit codes: 0 done, 1 the database or another part of the world refused, 2 the configuration or the call is wrong, 130
interrupted by a signal.
"""

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version

import psycopg

from taskflow.cli.checks import run_checks
from taskflow.cli.development import make_token, provide_defaults, provide_secret
from taskflow.cli.embedded import EmbeddedPostgresError
from taskflow.contract.loading import ContractError
from taskflow.database.migrations import MigrationError, migrate
from taskflow.database.parameters import check_parameters, round_connect_timeout
from taskflow.observability.logs import configure_logging
from taskflow.server.run import PortError, run_server
from taskflow.server.signals import unwind_on_signals
from taskflow.settings import Settings, SettingsError, load_settings

logger = logging.getLogger(__name__)

EXAMPLE_USER = "user_abc123"
"""Who the development token is for; the contract's examples name the same user."""

FAILED = 1
MISCONFIGURED = 2
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that the arguments name, and exit."""
    options = _make_parser().parse_args(arguments)
    command: Callable[[argparse.Namespace, Settings], int] = options.command
    try:
        settings = load_settings(
            **{name: value for name in _OVERRIDES if (value := getattr(options, name, None)) is not None}
        )
        sys.exit(command(options, settings))
    except SettingsError as error:
        _fail(MISCONFIGURED, *error.sentences)
    except (PortError, EmbeddedPostgresError) as error:
        _fail(MISCONFIGURED, str(error))
    except ContractError as error:
        _fail(MISCONFIGURED, f"The contract cannot be kept: {error}.")
    except MigrationError as error:
        _fail(FAILED, str(error))


_OVERRIDES = ("host", "port", "web_concurrency")


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("taskflow", description="A contract-first REST API for the tasks of many users.")
    parser.add_argument("--version", action="version", version=version("taskflow"))
    commands = parser.add_subparsers(title="commands", required=True)

    serve = commands.add_parser("serve", help="serve the API")
    serve.add_argument("--host", help="the address to listen on (HOST)")
    serve.add_argument("--port", help="the port to listen on; 0 takes a free one (PORT)")
    serve.add_argument("--workers", dest="web_concurrency", help="how many processes serve (WEB_CONCURRENCY)")
    serve.set_defaults(command=_serve)

    migration = commands.add_parser("migrate", help="bring the database's schema up to date")
    migration.set_defaults(command=_migrate)

    token = commands.add_parser("token", help="print a token for trying the API out; not in production")
    token.add_argument("user_id", metavar="USER_ID", help="whose token, such as user_abc123")
    token.set_defaults(command=_token)

    check = commands.add_parser("check", help="check configuration, keys, contract and database")
    check.set_defaults(command=_check)
    return parser


def _serve(_options: argparse.Namespace, settings: Settings) -> int:
    configure_logging(settings)
    for sentence in settings.warnings:
        logger.warning(sentence)
    # To end on a signal is what a server is meant to do.
    with unwind_on_signals(exit_code=0):
        run_server(settings, provide_defaults, _announce)
    return 0


def _announce(settings: Settings, url: str) -> None:
    """Say that the server is up; while developing, how to try it out."""
    if settings.is_production:
        logger.info("serving %s", url)
        return
    url = url.replace("127.0.0.1", "localhost")
    token = make_token(settings, EXAMPLE_USER)
    print(
        f"\nTaskFlow is up. Its API, to read and to try:\n\n  {url}/docs\n\n"
        f"A first task, with a token for the user {EXAMPLE_USER}:\n\n"
        f"  curl -H 'Authorization: Bearer {token}' \\\n"
        f"       -H 'Content-Type: application/json' \\\n"
        f'       -d \'{{"title": "Buy groceries"}}\' {url}/api/{EXAMPLE_USER}/tasks\n\n'
        "Stop it with Ctrl-C.\n",
        flush=True,
    )


def _migrate(_options: argparse.Namespace, settings: Settings) -> int:
    configure_logging(settings)
    _print_warnings(settings)
    with unwind_on_signals(INTERRUPTED), provide_defaults(settings) as complete:
        connect_timeout = round_connect_timeout(complete.database_timeout)
        try:
            schema = migrate(complete.dsn, connect_timeout=connect_timeout)
        except psycopg.OperationalError:
            check_parameters(complete.dsn, connect_timeout=connect_timeout)
            _fail(FAILED, "The database cannot be reached; `taskflow check` says more.")
    print(f"The schema is up to date (version {schema}).")
    return 0


def _token(options: argparse.Namespace, settings: Settings) -> int:
    _print_warnings(settings)
    print(make_token(provide_secret(settings), options.user_id))
    return 0


def _check(_options: argparse.Namespace, settings: Settings) -> int:
    passed = True
    with unwind_on_signals(INTERRUPTED):
        for result in run_checks(settings):
            verdict = "failed" if not result.passed else "warn  " if result.is_doubtful else "ok    "
            print(f"{verdict}  {result.subject:<14} {result.finding}", flush=True)
            passed = passed and result.passed
    return 0 if passed else FAILED


def _print_warnings(settings: Settings) -> None:
    for sentence in settings.warnings:
        print(f"taskflow: warning: {sentence}", file=sys.stderr)


def _fail(code: int, *sentences: str) -> None:
    for sentence in sentences:
        print(f"taskflow: {sentence}", file=sys.stderr)
    sys.exit(code)
