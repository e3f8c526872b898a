"""A second opinion on schemas of OpenAPI 3.0, on jsonschema and independent of the code under test."""

from ast import literal_eval
from typing import Any

from jsonschema import Draft4Validator, FormatChecker
from jsonschema.exceptions import ValidationError

_FORMATS = FormatChecker()


@_FORMATS.checks("int64")
def _is_int64(value: object) -> bool:
    return not isinstance(value, int) or -(2**63) <= value < 2**63


def make_validator(schema: dict[str, Any]) -> Draft4Validator:
    """Give the validator of a schema whose references have been resolved."""
    return Draft4Validator(_translate(schema), format_checker=_FORMATS)


def find_pointers(schema: dict[str, Any], value: object) -> set[str]:
    """Give the JSON Pointers of all that is wrong with a value."""
    return {pointer for error in make_validator(schema).iter_errors(value) for pointer in _locate(error)}


def _locate(error: ValidationError) -> list[str]:
    base = "".join(f"/{_escape(str(key))}" for key in error.absolute_path)
    if error.validator == "required":
        # jsonschema blames the object; the rule here is to blame the member.
        name = literal_eval(error.message.removesuffix(" is a required property"))
        return [f"{base}/{_escape(name)}"]
    if error.validator == "additionalProperties":
        assert isinstance(error.instance, dict)
        assert isinstance(error.schema, dict)
        return [f"{base}/{_escape(name)}" for name in error.instance.keys() - error.schema.get("properties", {}).keys()]
    return [base]


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _translate(schema: Any) -> Any:  # noqa: ANN401  a node of a schema can be anything
    """Say in the words of jsonschema what OpenAPI says in its own."""
    if isinstance(schema, list):
        return [_translate(value) for value in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: _translate(value) for key, value in schema.items() if key != "nullable"}
    if schema.get("type") == "integer" and schema.get("format") == "int32":
        # JSON Schema knows no such format: its bounds are what OpenAPI means by it.
        plain["minimum"] = max(-(2**31), schema.get("minimum", -(2**31)))
        plain["maximum"] = min(2**31 - 1, schema.get("maximum", 2**31 - 1))
    if schema.get("nullable") is True:
        plain["type"] = [schema["type"], "null"]
    if str(schema.get("pattern")).endswith("$"):
        # ECMA 262 has no second place for $; Python has one, before a newline at the end.
        plain["pattern"] += r"(?!\n)"
    return plain
