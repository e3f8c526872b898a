"""Schemas of OpenAPI 3.0, compiled once to functions that check a value.

The keywords are those that the contract's requests use, with the meaning that JSON Schema Draft 4 gives them. Any
other keyword is refused when the server starts: a rule that nobody checks must not stand in a contract. Messages name
the rule that is broken and never the value.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from taskflow.contract.loading import ContractError
from taskflow.errors import MAX_ERRORS, FieldError

Schema = Mapping[str, Any]
Check = Callable[[object, str, list[FieldError]], None]
"""Checks a value that stands at a JSON Pointer, and adds what is wrong to the list."""

_ANNOTATIONS = frozenset({"title", "description", "example", "deprecated"})

_CHARACTERS = re.compile(r"\^\[(?:[^\]\\]|\\.)*\][*+]\$")
"""A pattern that says nothing but of which characters a text may be."""

MAX_NAME = 64
"""How much of an unknown member's name is repeated to its sender, in characters."""

_INTEGER_SIZES = {"int32": 31, "int64": 63}
"""How many bits the value of a format has beside its sign."""

ONE_MORE = FieldError("is wrong too", "")
"""Stands for an unknown member that is counted and not shown: a hostile request can name a hundred thousand."""


def compile_schema(schema: Schema, place: str = "a schema") -> Check:
    """Compile a schema whose references have been resolved.

    Raises ContractError, which names the `place`, for a keyword, type or format that is not enforced here.
    """
    kind = schema.get("type")
    if not isinstance(kind, str) or kind not in _COMPILERS:
        raise ContractError(f"{place} must have one of the types {', '.join(_COMPILERS)}, not {kind}")
    keywords, compile_kind = _COMPILERS[kind]
    unknown = schema.keys() - keywords - _ANNOTATIONS - {"type", "nullable"}
    # An extension demands nothing of a request: those in the contract are hints for generators.
    unknown = {name for name in unknown if not name.startswith("x-")}
    if unknown:
        raise ContractError(f"nothing enforces {', '.join(sorted(unknown))} in {place} of type {kind}")
    nullable = schema.get("nullable", False)
    mismatch = f"must be {_describe_type(kind)}{' or null' if nullable else ''}"
    check = compile_kind(schema, place, mismatch)
    if not nullable:
        return check

    def check_nullable(value: object, pointer: str, errors: list[FieldError]) -> None:
        if value is not None:
            check(value, pointer, errors)

    return check_nullable


def _compile_object(schema: Schema, place: str, mismatch: str) -> Check:
    properties = {
        name: compile_schema(member, f"{place}/{name}") for name, member in schema.get("properties", {}).items()
    }
    paths = {name: "/" + _escape(name) for name in properties}
    required = schema.get("required", ())
    closed = schema.get("additionalProperties", True) is False
    if not closed and schema.get("additionalProperties", True) is not True:
        raise ContractError(f"additionalProperties must be true or false in {place}")

    def check_object(value: object, pointer: str, errors: list[FieldError]) -> None:
        if not isinstance(value, dict):
            errors.append(FieldError(mismatch, pointer))
            return
        errors.extend(FieldError("is required", f"{pointer}/{_escape(name)}") for name in required if name not in value)
        for name, member in value.items():
            check = properties.get(name)
            if check is not None:
                check(member, pointer + paths[name], errors)
            elif closed and len(errors) < MAX_ERRORS:
                errors.append(FieldError("is not accepted here", f"{pointer}/{_escape(name[:MAX_NAME])}"))
            elif closed:
                errors.append(ONE_MORE)

    return check_object


def _compile_string(schema: Schema, place: str, mismatch: str) -> Check:
    shortest = schema.get("minLength", 0)
    longest = schema.get("maxLength")
    search = _compile_pattern(schema["pattern"], place).search if "pattern" in schema else None
    is_of_characters = _CHARACTERS.fullmatch(schema.get("pattern", "")) is not None
    mismatched = (
        "contains a character that is not allowed" if is_of_characters else "does not have the form it must have"
    )
    too_short = "must not be empty" if shortest == 1 else f"must have at least {shortest} characters"
    too_long = f"must have at most {longest} characters"
    choices = schema.get("enum")
    if not all(isinstance(choice, str) for choice in choices or ()):
        raise ContractError(f"the enum of {place} holds what is no string")
    if choices and schema.get("nullable", False):
        raise ContractError(f"whether null is one of the enum of {place} is disputed")
    not_one = f"must be one of {', '.join(choices or ())}"

    def check_string(value: object, pointer: str, errors: list[FieldError]) -> None:
        if not isinstance(value, str):
            errors.append(FieldError(mismatch, pointer))
            return
        if len(value) < shortest:
            errors.append(FieldError(too_short, pointer))
        elif longest is not None and len(value) > longest:
            errors.append(FieldError(too_long, pointer))
        if search is not None and search(value) is None:
            errors.append(FieldError(mismatched, pointer))
        if choices is not None and value not in choices:
            errors.append(FieldError(not_one, pointer))

    return check_string


def _compile_integer(schema: Schema, place: str, mismatch: str) -> Check:
    # What int64 cannot hold would fail in the database only.
    size = _INTEGER_SIZES.get(schema.get("format", "int64"))
    if size is None:
        raise ContractError(f"nothing enforces the format {schema['format']} in {place} of type integer")
    least = max(schema.get("minimum", -(2**size)), -(2**size))
    most = min(schema.get("maximum", 2**size - 1), 2**size - 1)

    def check_integer(value: object, pointer: str, errors: list[FieldError]) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            errors.append(FieldError(mismatch, pointer))
        elif value < least:
            errors.append(FieldError(f"must be at least {least}", pointer))
        elif value > most:
            errors.append(FieldError(f"must be at most {most}", pointer))

    return check_integer


def _compile_boolean(_schema: Schema, _place: str, mismatch: str) -> Check:
    def check_boolean(value: object, pointer: str, errors: list[FieldError]) -> None:
        if not isinstance(value, bool):
            errors.append(FieldError(mismatch, pointer))

    return check_boolean


_COMPILERS: dict[str, tuple[frozenset[str], Callable[[Schema, str, str], Check]]] = {
    "object": (frozenset({"properties", "required", "additionalProperties"}), _compile_object),
    "string": (frozenset({"minLength", "maxLength", "pattern", "enum"}), _compile_string),
    "integer": (frozenset({"minimum", "maximum", "format"}), _compile_integer),
    "boolean": (frozenset(), _compile_boolean),
}


def _compile_pattern(pattern: str, place: str) -> re.Pattern[str]:
    r"""Compile a pattern of ECMA 262, as far as Python reads it alike.

    The one difference that matters here: Python's `$` also matches before a newline at the end, so it becomes `\Z`.
    """
    # An escaped character is passed over, so that what is found is a $ of its own.
    anchors = [match.start() for match in re.finditer(r"\\.|\$", pattern) if match[0] == "$"]
    if anchors not in ([], [len(pattern) - 1]):
        raise ContractError(f"a $ within the pattern of {place} means different things in different languages")
    translated = pattern[:-1] + r"\Z" if anchors else pattern
    try:
        # As in ECMA 262, \d and \w know ASCII alone.
        return re.compile(translated, re.ASCII)
    except re.error as error:
        raise ContractError(f"the pattern of {place} is not a regular expression: {error}") from None


def _describe_type(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
