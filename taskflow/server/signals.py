"""What happens when somebody asks the process to end."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


def choose_ending_signals() -> tuple[signal.Signals, ...]:
    """Give the signals that end us: Ctrl-C, a supervisor, and a closed terminal unless nohup has said otherwise."""
    ending = (signal.SIGINT, signal.SIGTERM)
    return ending if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (*ending, signal.SIGHUP)


@contextmanager
def unwind_on_signals(exit_code: int) -> Iterator[None]:
    """Leave the block, whatever it is doing, and exit: so that what was started is stopped, whenever the signal comes.

    The first signal is obeyed; what comes while things are being stopped, to the last, must not interrupt that.
    """
    ending = choose_ending_signals()
    obeyed = False

    def unwind(_signal: int, _frame: FrameType | None) -> None:
        nonlocal obeyed
        obeyed = True
        for number in ending:
            signal.signal(number, signal.SIG_IGN)
        sys.exit(exit_code)

    previous = {number: signal.signal(number, unwind) for number in ending}
    try:
        yield
    finally:
        if not obeyed:
            for number, handler in previous.items():
                signal.signal(number, handler)
