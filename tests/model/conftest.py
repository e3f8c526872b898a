"""What a run of the sequences tells at its end."""

import pytest

from tests.model.sequences import Sequence


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many sequences there were, and what they were answered."""
    answers = Sequence.answers
    if answers:
        terminalreporter.section("the server and its model")
        terminalreporter.line(f"{Sequence.tally['a sequence']} sequences, {answers.total()} requests:")
        terminalreporter.line(", ".join(f"{answer} ({number})" for answer, number in sorted(answers.items())))
