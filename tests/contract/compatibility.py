"""Which changes of the contract break a client that was made for its last release.

No tool that npm or PyPI has does it: of the 51 breaking changes that test_compatibility began with, openapi-diff 0.24.1
found 28, and nothing about parameters, patterns and operationIds; optic 1.0.9 does not start on Node.js 20.

A client is code that was generated: it breaks where a name or a type of its language changes, where the server refuses
what it took, and where it sends what it never did.
"""

from collections.abc import Iterator
from typing import Any

from tests.support.contract import resolve_references

Node = dict[str, Any]

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")

UPPER_BOUNDS = ("maxLength", "maximum", "maxItems", "maxProperties")
LOWER_BOUNDS = ("minLength", "minimum", "minItems", "minProperties")

WEIGHED = {*UPPER_BOUNDS, *LOWER_BOUNDS, "nullable", "enum", "pattern", "required", "properties", "items"}
WEIGHED |= {"additionalProperties"}
"""What a schema says that is compared by its meaning. All else must stay as it is: it may be another type somewhere."""

NAME = "the name of the schema"

TEXTS = (
    "description",
    "summary",
    "title",
    "example",
    "examples",
    "externalDocs",
    "links",
    "bearerFormat",
    "deprecated",
)


def find_breaks(old: Node, new: Node) -> list[str]:
    """Give what breaks between two contracts, each with its place; the order is that of the old one."""
    return list(_compare_documents(old, new))


def strip_texts(node: Any) -> Any:  # noqa: ANN401  a node of a document can be anything
    """Give a document without what only people read, and without its version."""
    if isinstance(node, dict):
        return {
            name: strip_texts(value)
            for name, value in node.items()
            # A member of that name is no text: it has a schema.
            if not (name in TEXTS and not (isinstance(value, dict) and {"type", "$ref"} & value.keys()))
            and not (name == "version" and isinstance(value, str))
        }
    return [strip_texts(value) for value in node] if isinstance(node, list) else node


def _compare_documents(old: Node, new: Node) -> Iterator[str]:
    for name in old["components"]["schemas"]:
        if name not in new["components"]["schemas"]:
            yield f"type {name}: is gone, or has another name"
    old, new = (resolve_references(_name_schemas(document)) for document in (old, new))
    for path, item in old["paths"].items():
        if path not in new["paths"]:
            yield f"{path}: is gone, or is called otherwise"
            continue
        for method in (name for name in item if name in METHODS):
            place = f"{method.upper()} {path}"
            if method not in new["paths"][path]:
                yield f"{place}: is gone"
                continue
            yield from _compare_operations(_complete(old, path, method), _complete(new, path, method), place)


def _name_schemas(document: Node) -> Node:
    """Let each schema know its name, which no longer shows once references are replaced."""
    schemas = {name: {**schema, NAME: name} for name, schema in document["components"]["schemas"].items()}
    return {**document, "components": {**document["components"], "schemas": schemas}}


def _complete(document: Node, path: str, method: str) -> Node:
    """Give an operation with what the document and the path say for it."""
    item = document["paths"][path]
    operation = {"servers": document.get("servers"), "security": document.get("security"), **item, **item[method]}
    own = _by_name(item[method])
    shared = [one for name, one in _by_name(item).items() if name not in own]
    schemes = document["components"].get("securitySchemes", {})
    security = [{name: [scopes, schemes[name]] for name, scopes in one.items()} for one in operation["security"] or []]
    return {**operation, "parameters": [*shared, *own.values()], "security": security}


def _compare_operations(old: Node, new: Node, place: str) -> Iterator[str]:
    for name in ("operationId", "tags", "servers", "security"):
        if strip_texts(old.get(name)) != strip_texts(new.get(name)):
            yield f"{place}: has another {name}"
    yield from _compare_parameters(_by_name(old), _by_name(new), place)
    old_body, new_body = old.get("requestBody", {}), new.get("requestBody", {})
    if new_body.get("required") and not old_body.get("required"):
        yield f"{place}: demands a body"
    yield from _compare_contents(old_body, new_body, f"{place}, body", is_sent=True)
    for status in new["responses"]:
        if status.startswith("2") and status not in old["responses"]:
            yield f"{place}: may now answer {status}"
    for status, answer in old["responses"].items():
        if status not in new["responses"]:
            yield f"{place}: no longer answers {status}"
            continue
        new_answer = new["responses"][status]
        yield from _compare_contents(answer, new_answer, f"{place}, {status}", is_sent=False)
        yield from _compare_headers(answer.get("headers", {}), new_answer.get("headers", {}), f"{place}, {status}")


def _by_name(operation: Node) -> Node:
    return {f"{one['in']} parameter {one['name']}": one for one in operation.get("parameters", [])}


def _compare_parameters(old: Node, new: Node, place: str) -> Iterator[str]:
    for name in old:
        if name not in new:
            yield f"{place}, {name}: is gone"
    for name, parameter in new.items():
        if parameter.get("required") and not old.get(name, {}).get("required"):
            yield f"{place}, {name}: is required"
        if name in old:
            for keyword in ("style", "explode", "allowReserved", "content"):
                if old[name].get(keyword) != parameter.get(keyword):
                    yield f"{place}, {name}: has another {keyword}"
            yield from _compare_schemas(_schema(old[name]), _schema(parameter), f"{place}, {name}", is_sent=True)


def _compare_headers(old: Node, new: Node, place: str) -> Iterator[str]:
    for name, header in old.items():
        if name not in new or (header.get("required") and not new[name].get("required")):
            yield f"{place}, header {name}: may be missing"
        else:
            yield from _compare_schemas(_schema(header), _schema(new[name]), f"{place}, header {name}", is_sent=False)


def _compare_contents(old: Node, new: Node, place: str, *, is_sent: bool) -> Iterator[str]:
    for media_type, content in old.get("content", {}).items():
        if media_type not in new.get("content", {}):
            yield f"{place}: is no longer {media_type}"
        else:
            new_content = new["content"][media_type]
            yield from _compare_schemas(_schema(content), _schema(new_content), place, is_sent=is_sent)
    for media_type in new.get("content", {}):
        if not is_sent and media_type not in old.get("content", {}):
            yield f"{place}: may now be {media_type}"


def _schema(holder: Node) -> Node:
    """Give the schema of a parameter, a header or a content; one without says nothing."""
    schema: Node = holder.get("schema", {})
    return schema


def _compare_schemas(old: Node, new: Node, place: str, *, is_sent: bool) -> Iterator[str]:
    """Compare what the client sends, which the new contract must go on taking, or what it gets, as the old one says."""
    if old.get(NAME) != new.get(NAME):
        yield f"{place}: is of another type, {new.get(NAME)}"
    for keyword in sorted((old.keys() | new.keys()) - WEIGHED - {*TEXTS, NAME}):
        if old.get(keyword) != new.get(keyword) and not (keyword == "format" and _is_sized_alike(old, new)):
            yield f"{place}: has another {keyword}"
    for keyword in _find_narrowing(old, new) if is_sent else _find_narrowing(new, old):
        yield f"{place}: {keyword} " + ("refuses what was taken" if is_sent else "allows what was never sent")
    yield from _compare_members(old.get("properties", {}), new.get("properties", {}), place, is_sent=is_sent)
    if ("items" in old) != ("items" in new):
        yield f"{place}: has another items"
    elif "items" in old:
        yield from _compare_schemas(old["items"], new["items"], f"{place}, items", is_sent=is_sent)


def _is_sized_alike(old: Node, new: Node) -> bool:
    """Tell whether an integer that said nothing of its size has become an int32.

    The generators that are tried make one type of both. In Go and Swift its name changes, its values do not.
    """
    return old.get("type") == "integer" and "format" not in old and new.get("format") == "int32"


def _compare_members(old: Node, new: Node, place: str, *, is_sent: bool) -> Iterator[str]:
    for name, member in old.items():
        if name not in new:
            yield f"{place}, {name}: is gone"
        else:
            yield from _compare_schemas(member, new[name], f"{place}, {name}", is_sent=is_sent)
    for name, member in new.items():
        if is_sent and name not in old and "default" in member:
            # Generators take it for one that is always there.
            yield f"{place}, {name}: is new, and has a default"


def _find_narrowing(wide: Node, narrow: Node) -> Iterator[str]:
    """Give the keywords by which one schema refuses what the other allows, its members' own left aside."""
    if wide.get("nullable") and not narrow.get("nullable"):
        yield "nullable"
    if "enum" in narrow and not ("enum" in wide and set(wide["enum"]) <= set(narrow["enum"])):
        yield "enum"
    if "pattern" in narrow and narrow["pattern"] != wide.get("pattern"):
        yield "pattern"
    for keywords, sign in ((UPPER_BOUNDS, 1), (LOWER_BOUNDS, -1)):
        for keyword in keywords:
            if keyword in narrow and not (keyword in wide and sign * wide[keyword] <= sign * narrow[keyword]):
                yield keyword
    if not set(narrow.get("required", [])) <= set(wide.get("required", [])):
        yield "required"
    extra = narrow.get("additionalProperties", True)
    if extra is not True and extra != wide.get("additionalProperties", True):
        yield "additionalProperties"
    if extra is False and not wide.get("properties", {}).keys() <= narrow.get("properties", {}).keys():
        yield "properties"
