"""From the text of a path, a query string and headers to checked values."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from starlette.types import Scope

from taskflow.contract.loading import ContractError
from taskflow.contract.schema import MAX_NAME, ONE_MORE, compile_schema
from taskflow.errors import MAX_ERRORS, FieldError, Unprocessable

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)", re.ASCII)
"""JSON's spelling of an integer: int() alone takes `+1`, `1_000` and other scripts' digits."""

_MORE_THAN_INT64 = 21
"""So many characters of an integer are enough to know that it is too large; int() refuses thousands of digits."""

_BOOLEANS = {"true": True, "false": False}

_ENFORCED = frozenset({"name", "in", "required", "schema", "description", "example", "examples", "deprecated"})
"""Of what OpenAPI says of a parameter. Anything else, such as a style, would change how its text is read."""


class Parameter:
    """A parameter: how it is read, and what its schema demands. `argument` is its name in Python."""

    def __init__(self, definition: dict[str, Any], operation_id: str) -> None:
        self.name: str = definition["name"]
        self.argument = self.name.lower().replace("-", "_")
        self.is_required: bool = definition.get("required", False)
        place = f"the parameter {self.name} of {operation_id}"
        unknown = definition.keys() - _ENFORCED
        if unknown:
            raise ContractError(f"nothing enforces {', '.join(sorted(unknown))} in {place}")
        schema = dict(definition["schema"])
        # That a default obeys the schema is for OpenAPI's own validator to say.
        self.default: object = schema.pop("default", None)
        self._kind = schema.get("type")
        self._check = compile_schema(schema, place)

    def read(self, text: str, errors: list[FieldError]) -> object:
        """Give the value of a decoded text, adding to `errors` what is wrong with it."""
        value: object = text
        if self._kind == "integer" and _INTEGER.fullmatch(text):
            value = int(text[:_MORE_THAN_INT64])
        elif self._kind == "boolean":
            value = _BOOLEANS.get(text)
            if value is None:
                errors.append(FieldError("must be true or false", self.name))
                return None
        self._check(value, self.name, errors)
        return value


class Parameters:
    """All parameters of an operation, by where they stand.

    `certain` are the arguments that `read` always gives, `possible` those that it gives if they were sent.
    """

    def __init__(self, definitions: Iterable[dict[str, Any]], operation_id: str) -> None:
        places: dict[str, dict[str, Parameter]] = {"path": {}, "query": {}, "header": {}}
        for definition in definitions:
            if definition["in"] not in places:
                name = f"the parameter {definition['name']} of {operation_id}"
                raise ContractError(f"nothing enforces {name}, which is in {definition['in']}")
            places[definition["in"]][definition["name"]] = Parameter(definition, operation_id)
        self._path = list(places["path"].values())
        self._query = places["query"]
        self._headers = {name.lower().encode(): parameter for name, parameter in places["header"].items()}
        everywhere = [parameter for place in places.values() for parameter in place.values()]
        self._defaults = {
            parameter.argument: parameter.default for parameter in everywhere if parameter.default is not None
        }
        self.certain = {parameter.argument for parameter in everywhere if parameter.is_required} | self._defaults.keys()
        self.possible = {parameter.argument for parameter in everywhere} - self.certain
        if len(self.certain) + len(self.possible) < len(everywhere):
            raise ContractError(f"two parameters of {operation_id} have one name")
        beyond_the_path = [*self._query.values(), *self._headers.values()]
        self._demanded = [parameter for parameter in beyond_the_path if parameter.is_required]

    def read(self, scope: Scope) -> dict[str, object]:
        """Give the parameters that were sent, by their names in Python. Raises Unprocessable, which names all mistakes.

        A query parameter that the operation does not have is one of them: passed over, it would be taken for obeyed.
        """
        errors: list[FieldError] = []
        texts = scope["path_params"]
        arguments = {parameter.argument: parameter.read(texts[parameter.name], errors) for parameter in self._path}
        if scope["query_string"]:
            self._read_query(scope["query_string"], arguments, errors)
        if self._headers:
            self._read_headers(scope["headers"], arguments, errors)
        missing = (parameter for parameter in self._demanded if parameter.argument not in arguments)
        errors.extend(FieldError("is required", parameter.name) for parameter in missing)
        if errors:
            raise Unprocessable(errors)
        return {**self._defaults, **arguments} if self._defaults else arguments

    def _read_query(self, query: bytes, arguments: dict[str, object], errors: list[FieldError]) -> None:
        # What is no UTF-8 leaves half surrogates behind, which nothing else does.
        text = query.decode(errors="surrogateescape")
        for name, value in parse_qsl(text, keep_blank_values=True, errors="surrogateescape"):
            parameter = self._query.get(name)
            if parameter is None and len(errors) >= MAX_ERRORS:
                errors.append(ONE_MORE)
            elif parameter is None:
                shown = name[:MAX_NAME].encode(errors="replace").decode()
                errors.append(FieldError("is not accepted here", shown or "="))
            elif parameter.argument in arguments:
                errors.append(FieldError("must be given only once", name))
            elif not _is_unicode(value):
                arguments[parameter.argument] = None
                errors.append(FieldError("must be UTF-8 text", name))
            else:
                arguments[parameter.argument] = parameter.read(value, errors)

    def _read_headers(
        self, headers: list[tuple[bytes, bytes]], arguments: dict[str, object], errors: list[FieldError]
    ) -> None:
        values: dict[bytes, bytes] = {}
        for name, value in headers:
            if name in self._headers:
                # Lines of one name are one list (RFC 9110, section 5.3).
                values[name] = b"%b, %b" % (values[name], value) if name in values else value
        for name, value in values.items():
            parameter = self._headers[name]
            arguments[parameter.argument] = parameter.read(value.decode("latin-1"), errors)


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
