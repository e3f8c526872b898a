"""What happens when somebody asks the process to end."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a supervisor, a terminal that was closed."""


@contextmanager
def unwind_on_signals(exit_code: int) -> Iterator[None]:
    """Leave the block, whatever it is doing, and exit: so that what was started is stopped, whenever the signal comes.

    The first signal is obeyed; what comes while things are being stopped must not interrupt that.
    """

    def unwind(_signal: int, _frame: FrameType | None) -> None:
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)
        sys.exit(exit_code)

    previous = {number: signal.signal(number, unwind) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
