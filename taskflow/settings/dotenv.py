"""The file `.env`: every line is an assignment, a comment or blank, or it ends the start.

python-dotenv parses the lines. It passes over what it cannot parse, and lets a quote that is not closed swallow the
lines behind it; here both are mistakes. No sentence quotes a line, which may hold a secret.
"""

import io
import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from dotenv.parser import Binding, parse_stream
from dotenv.variables import Variable, parse_variables

from taskflow.settings.errors import SettingsError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BEGINNING = re.compile(r"(?:export\s+)?(?:'[^']*'|[^=#\s]*)\s*=\s*")
QUOTES = "'\""
_QUOTED = {quote: re.compile(rf"{quote}(?:\\.|[^\\{quote}])*{quote}") for quote in QUOTES}
_ASSIGNED = re.compile(r"(?:\s|;|\\n)\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")

_FOREIGN_QUOTES = "`\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb"
"""What other programs, and word processors, use as quotes."""

_READ_BY_OTHERS = re.compile(r"PG[A-Z]+|OTEL_\w+|SSL_CERT_(?:FILE|DIR)|PYTHON\w+|TZ|LANG|LC_\w+")
"""Variables that libpq, OpenTelemetry, OpenSSL and Python read; they look at the environment only."""

_SPEAKABLE = re.compile(r"[A-Z][A-Z0-9_]{0,39}|[a-z][a-z0-9_]{0,39}")
"""Names that are surely names. The second half of a secret in base64 may look like `name=` too."""


def is_quoted(value: str) -> bool:
    """Tell whether a value begins and ends with the same quote."""
    return len(value) > 1 and value[0] == value[-1] and value[0] in _QUOTED


@dataclass
class Dotenv:
    """What the file holds: values by variable, in upper case, and what is doubtful in it, a sentence each."""

    values: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def read_dotenv(path: Path, variables: Collection[str]) -> Dotenv:
    """Read the file, if there is one. `variables` are the names that count, in upper case.

    Raises SettingsError with a sentence for every line that is wrong.
    """
    mistakes: list[str] = []
    found = Dotenv()
    lines: dict[str, int] = {}
    expanded: dict[str, str] = {}  # what ${NAME} stands for further down, before the environment
    for line, binding in _parse_lines(path):
        where = f"{path}, line {line}:"
        text = binding.original.string.strip()
        try:
            _check_line(binding, text)
            if binding.key is None or binding.value is None:
                continue
            variable = binding.key.upper()
            raw = text[_end_of_beginning(text) :]
            environment = {**os.environ, **expanded}
            _check_for_another(binding.key, binding.value, raw, variables)
            if variable in variables:
                _check_value(variable, binding.value, raw)
                _check_expansion(variable, binding.value, raw, environment)
            value = _expand(binding.value, raw, environment)
            if variable in variables:
                _check_expanded(variable, value, binding.value)
        except ValueError as mistake:
            mistakes.append(f"{where} {mistake}.")
            continue
        expanded[binding.key] = value
        if variable in lines:
            found.warnings.append(f"{where} {_speak(binding.key)} is set again; line {lines[variable]} is overridden.")
        lines[variable] = line
        if variable in variables:
            found.values[variable] = expanded[binding.key]
        else:
            found.warnings.append(f"{where} {_describe_unknown(binding.key, variables)}")
    if mistakes:
        raise SettingsError(mistakes)
    return found


def _parse_lines(path: Path) -> Iterator[tuple[int, Binding]]:
    """Parse each line by itself, so that a quote ends with its line; yield the line's number too."""
    try:
        # A mark of byte order is passed over, and every end of a line becomes \n.
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        if path.is_symlink():
            raise SettingsError([f"{path} is a link to a file that does not exist; mend or remove the link."]) from None
        return
    except UnicodeDecodeError:
        raise SettingsError([f"{path} is not UTF-8 text; save it as such."]) from None
    except OSError as error:
        raise SettingsError(
            [f"{path} cannot be read ({error.strerror}); make it a file that this user can read, or remove it."]
        ) from None
    for number, line in enumerate(text.split("\n"), start=1):
        for binding in parse_stream(io.StringIO(line)):
            yield number, binding


def _check_line(binding: Binding, text: str) -> None:
    """Raise ValueError, with the sentence's end, unless a line is an assignment, a comment or blank."""
    if not text or text.startswith("#"):
        return
    if _CONTROL.search(text):
        raise ValueError("a control character; remove it")
    start = _end_of_beginning(text)
    if not start:
        raise ValueError("it is neither an assignment (NAME=value) nor a comment (#)")
    quote = text[start : start + 1]
    if quote in _QUOTED and binding.error:
        if _QUOTED[quote].match(text, start):
            raise ValueError("text behind the closing quote; quote all of the value, or put a # before the comment")
        raise ValueError("a quote opens that is not closed on the same line; close it")
    if binding.error or not _NAME.fullmatch(binding.key or ""):
        raise ValueError("what stands before the = is not the name of a variable (letters, digits and _)")


def _check_for_another(name: str, value: str, raw: str, variables: Collection[str]) -> None:
    """Raise ValueError where a value without quotes has swallowed the assignment of a variable that counts.

    In another program's value, such as `host=... port=...`, small letters are that program's.
    """
    if raw[:1] in _QUOTED:
        return
    others = _ASSIGNED.findall(value)
    if any(other in variables or (name.upper() in variables and other.upper() in variables) for other in others):
        raise ValueError(f"another assignment follows the value of {_speak(name)}; begin a new line for it")


def _check_value(variable: str, value: str, raw: str) -> None:
    """Raise ValueError where a value is another one than `raw`, its text in the file, looks like."""
    if raw[:1] in _QUOTED:
        return
    if value.startswith("#"):
        raise ValueError(f"the value of {variable} begins with #; quote it, or put a blank before the comment")
    if raw and raw[0] in _FOREIGN_QUOTES:
        raise ValueError(f"the value of {variable} begins with a character that is not a quote here; use \" or '")
    if value[-1:] in _QUOTED and value.count(value[-1]) % 2:
        raise ValueError(f"the value of {variable} ends in a quote that nothing opens; remove it, or quote all of it")
    if value.endswith("\\"):
        raise ValueError(f"the value of {variable} ends in a backslash; write it on one line, or in single quotes")


def _check_expansion(variable: str, value: str, raw: str, environment: Mapping[str, str]) -> None:
    """Raise ValueError where a value asks for what cannot be put in."""
    if raw.startswith("'"):
        return
    remedy = "in single quotes it stands for itself"
    if "$(" in value:
        raise ValueError(f"the value of {variable} holds $(, and commands are not run here; {remedy}")
    if "\\${" in value:
        raise ValueError(f"the value of {variable} holds \\${{, and the backslash would be part of it; {remedy}")
    for atom in parse_variables(value):
        if not isinstance(atom, Variable):
            if "${" in atom.resolve({}):
                raise ValueError(f"the value of {variable} holds ${{ that is not ${{NAME}}; {remedy}")
        elif atom.default is None and atom.name not in environment:
            raise ValueError(
                f"the value of {variable} names a variable in ${{}} that is not set; "
                f"set it above, or write ${{NAME:-default}}; {remedy}"
            )


def _check_expanded(variable: str, value: str, before: str) -> None:
    """Raise ValueError where nothing is left of a value: it would count as one that is not set."""
    if before and not value:
        raise ValueError(f"the value of {variable} comes to nothing: what it names in ${{}} is empty")


def _expand(value: str, raw: str, environment: Mapping[str, str]) -> str:
    """Put in what `${NAME}` stands for; in single quotes every character stands for itself."""
    if raw.startswith("'"):
        return _value_in_quotes(raw)
    return "".join(atom.resolve(environment) for atom in parse_variables(value))


def _value_in_quotes(raw: str) -> str:
    """Return what stands between the quotes that a text begins with, as it is written but for escaped quotes."""
    quoted = _QUOTED[raw[0]].match(raw)
    return quoted[0][1:-1].replace(f"\\{raw[0]}", raw[0]) if quoted else ""


def _end_of_beginning(text: str) -> int:
    """Return where the value begins; 0 in a line that is no assignment."""
    beginning = _BEGINNING.match(text)
    return beginning.end() if beginning else 0


def _describe_unknown(name: str, variables: Collection[str]) -> str:
    nearest = get_close_matches(name.upper(), variables, n=1, cutoff=0.8) or _find_contained(name.upper(), variables)
    if _READ_BY_OTHERS.fullmatch(name):
        return f"{name} has no effect here; it counts in the environment only."
    if nearest:
        return f"{_speak(name)} is not a variable of TaskFlow and has no effect; the nearest is {nearest[0]}."
    return f"{_speak(name)} is not a variable of TaskFlow and has no effect."


def _find_contained(name: str, variables: Collection[str]) -> list[str]:
    """Return the longest variable that a name contains in whole words, or the only one that contains the name."""
    within = [variable for variable in variables if f"_{variable}_" in f"_{name}_"]
    around = [variable for variable in variables if f"_{name}_" in f"_{variable}_"]
    return sorted(within, key=len, reverse=True)[:1] or (around if len(around) == 1 else [])


def _speak(name: str) -> str:
    return name if _SPEAKABLE.fullmatch(name) else "this name"
