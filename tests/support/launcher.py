"""Servers and commands that begin as copies of a process that has imported TaskFlow: the import is most of a start.

A copy has the environment, the folder, the output and the life of a process of its own. What only a new program has is
not there: variables that Python or the dynamic linker read when a program begins, and what the tests' process has
changed about itself since its first server, such as which signals it ignores.
"""

import atexit
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import IO, Any

REQUEST_BYTES = 1_000_000


class Copy:
    """A process that the launcher has started; to be used like `subprocess.Popen`."""

    def __init__(self, arguments: list[str], report: int) -> None:
        self.args = arguments
        self.returncode: int | None = None
        self._report = os.fdopen(report)
        self._ending = select.poll()
        self._ending.register(report, select.POLLIN)
        self.pid = int(self._report.readline())

    def poll(self) -> int | None:
        """Return the exit code of the process, once it has ended; -N says that signal N has ended it."""
        if self.returncode is None and self._ending.poll(0):
            self.returncode = int(self._report.readline())
            self._report.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end of the process, and return its exit code.

        Raises subprocess.TimeoutExpired after `timeout` seconds.
        """
        if self.returncode is None and not self._ending.poll(None if timeout is None else 1000 * timeout):
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        code = self.poll()
        assert code is not None
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End the process at once."""
        self.send_signal(signal.SIGKILL)


Process = subprocess.Popen[bytes] | Copy


def can_be_copied(environment: Mapping[str, str]) -> bool:
    """Say whether an environment holds nothing that counts only for a new program."""
    return not any(name.startswith(_READ_AT_ONCE) for name in environment)


_READ_AT_ONCE = ("PYTHON", "COVERAGE_", "LD_", "MALLOC_")


def start_copy(
    arguments: list[str], environment: Mapping[str, str], folder: Path, output: IO[bytes], errors: IO[bytes]
) -> Copy:
    """Start `taskflow` with arguments and an environment, in a folder, with two files that take what it says."""
    report, end = os.pipe()
    request = {"arguments": arguments, "environment": dict(environment), "folder": str(folder)}
    try:
        socket.send_fds(_start_launcher(), [json.dumps(request).encode()], [output.fileno(), errors.fileno(), end])
    finally:
        os.close(end)
    return Copy(["taskflow", *arguments], report)


@cache
def _start_launcher() -> socket.socket:
    """Start this process's launcher, which ends with it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(  # noqa: S603  our own command
            [sys.executable, "-m", __name__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # a terminal would be written to line by line
        )

    def stop() -> None:
        ours.close()
        process.wait()

    atexit.register(stop)
    return ours


def main(descriptor: int) -> None:
    """Start a copy for each request on a socket, until that is closed."""
    import taskflow.__main__  # noqa: F401, PLC0415  what the copies are to have

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the processes that wait for copies
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=descriptor) as control:
        while True:
            message, descriptors, _, _ = socket.recv_fds(control, REQUEST_BYTES, 3)
            if not message:
                return
            if os.fork() == 0:
                break
            for each in descriptors:
                os.close(each)
    *outputs, report = descriptors
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    copy = os.fork()
    if copy == 0:
        os.close(report)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _run(json.loads(message), outputs)
        return
    for each in outputs:
        os.close(each)
    os.write(report, b"%d\n" % copy)
    _, status = os.waitpid(copy, 0)
    os.write(report, b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _run(request: dict[str, Any], outputs: list[int]) -> None:
    """Do what `python -m taskflow` does."""
    for standard, output in enumerate(outputs, start=1):
        os.dup2(output, standard)
        os.close(output)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    sys.argv = ["taskflow", *request["arguments"]]
    # It is imported for itself, not to be run; Python would warn of that.
    del sys.modules["taskflow.__main__"]
    runpy.run_module("taskflow", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
