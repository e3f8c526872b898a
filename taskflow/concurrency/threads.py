"""Blocking work beside the main thread."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def run_in_thread(function: Callable[[], T]) -> Future[T]:
    """Run a function in a thread of its own, and give what will be its outcome.

    The thread does not keep the process from ending, as those of an executor do: a database that lets us in and then
    says nothing would hold it for ever.
    """
    outcome: Future[T] = Future()
    outcome.set_running_or_notify_cancel()  # from now on nobody can cancel what cannot be stopped

    def run() -> None:
        try:
            outcome.set_result(function())
        except BaseException as error:  # noqa: BLE001  whatever it is, it is the caller's
            outcome.set_exception(error)

    Thread(target=run, daemon=True).start()
    return outcome
