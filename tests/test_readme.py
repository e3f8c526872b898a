"""The README's examples, run as printed, give the answers shown."""

import re
import subprocess
from pathlib import Path

from tests.support.development import run_development_server

README = (Path(__file__).parents[1] / "README.md").read_text()


def read_examples(heading: str) -> list[tuple[str, str]]:
    """Give each command of the console block below a heading, with what it shall print."""
    block = re.search(rf"## {heading}\n.*?```console\n(.*?)```", README, re.DOTALL)
    assert block is not None
    commands = re.split(r"^\$ ", block[1], flags=re.MULTILINE)[1:]
    return [(command, answer) for command, _, answer in (example.partition("\n") for example in commands)]


def mask_times(text: str) -> str:
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text)


def test_the_examples_give_the_answers_shown() -> None:
    """One shell runs them all, one after the other; only times differ."""
    examples = read_examples("Try it")
    assert len(examples) > 5
    with run_development_server() as (server, environment):
        marked = "".join(f"{command}\necho ---\n" for command, _ in examples)
        script = marked.replace("http://localhost:8000", server.url).replace(".venv/bin/taskflow", "taskflow")
        result = subprocess.run(
            ["/bin/bash", "-e"], input=script, capture_output=True, text=True, env=environment, check=True
        )
    answers = result.stdout.split("---\n")[:-1]
    assert [mask_times(answer) for answer in answers] == [mask_times(answer) for _, answer in examples]
