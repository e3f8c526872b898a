"""What a run of the sequences tells at its end."""

import pytest

from tests.model.sequences import Sequence
from tests.support.operations import OPERATIONS


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many sequences there were, and what they were answered."""
    tally = Sequence.tally
    if not tally:
        return
    names = tuple(operation.id for operation in OPERATIONS)
    answers = {
        name: number for name, number in sorted(tally.items()) if name.split()[0] in names and name[-3:].isdigit()
    }
    terminalreporter.section("the server and its model")
    terminalreporter.line(f"{tally['a sequence']} sequences, {sum(answers.values())} requests:")
    terminalreporter.line(", ".join(f"{name} ({number})" for name, number in answers.items()))
