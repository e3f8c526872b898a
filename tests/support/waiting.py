"""Waiting for a condition, never for a while and a hope."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.02


def wait_for(condition: Callable[[], T | None], timeout: float) -> T:
    """Ask again and again until the answer is true; give it.

    Raises AssertionError after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"still not true after {timeout} s: {condition.__name__}")
        time.sleep(POLL_SECONDS)


def let_time_pass(seconds: float) -> None:
    """Do nothing for a while, where it is time itself that something must withstand."""
    time.sleep(seconds)
