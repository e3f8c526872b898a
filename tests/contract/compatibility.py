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

TYPING = ("type", "format", "oneOf", "anyOf", "allOf", "not", "discriminator", "multipleOf", "uniqueItems", "default")
"""What must stay as it is, since it makes another type in some language or is not weighed here."""

TEXTS = ("description", "summary", "title", "example", "examples", "externalDocs", "links")


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
    for name in old["components"]["schemas"].keys() - new["components"]["schemas"].keys():
        yield f"type {name}: is gone, or has another name"
    old, new = resolve_references(old), resolve_references(new)
    if strip_texts(old.get("servers")) != strip_texts(new.get("servers")):
        yield "servers: are others"
    for path, item in old["paths"].items():
        if path not in new["paths"]:
            yield f"{path}: is gone, or is called otherwise"
            continue
        for method in (name for name in item if name in METHODS):
            place = f"{method.upper()} {path}"
            if method not in new["paths"][path]:
                yield f"{place}: is gone"
                continue
            yield from _compare_operations(item[method], new["paths"][path][method], place)
            if _find_security(old, item[method]) != _find_security(new, new["paths"][path][method]):
                yield f"{place}: demands another kind of security"


def _find_security(document: Node, operation: Node) -> Any:  # noqa: ANN401  lists and objects
    schemes = document["components"].get("securitySchemes", {})
    demanded: list[Node] = (operation if "security" in operation else document).get("security") or []
    return strip_texts([{name: [scopes, schemes[name]] for name, scopes in one.items()} for one in demanded])


def _compare_operations(old: Node, new: Node, place: str) -> Iterator[str]:
    for name in ("operationId", "tags"):
        if old.get(name) != new.get(name):
            yield f"{place}: has another {name.removesuffix('s')}, so generated functions have another name"
    yield from _compare_parameters(_by_name(old), _by_name(new), place)
    old_body, new_body = old.get("requestBody", {}), new.get("requestBody", {})
    if new_body.get("required") and not old_body.get("required"):
        yield f"{place}: demands a body"
    yield from _compare_contents(old_body, new_body, f"{place}, body", is_sent=True)
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
    for name in old.keys() - new.keys():
        yield f"{place}, {name}: is gone"
    for name, parameter in new.items():
        if parameter.get("required") and not old.get(name, {}).get("required"):
            yield f"{place}, {name}: is required"
        if name in old:
            yield from _compare_schemas(old[name]["schema"], parameter["schema"], f"{place}, {name}", is_sent=True)


def _compare_headers(old: Node, new: Node, place: str) -> Iterator[str]:
    for name, header in old.items():
        if name not in new or (header.get("required") and not new[name].get("required")):
            yield f"{place}, header {name}: may be missing"
        else:
            yield from _compare_schemas(header["schema"], new[name]["schema"], f"{place}, header {name}", is_sent=False)


def _compare_contents(old: Node, new: Node, place: str, *, is_sent: bool) -> Iterator[str]:
    for media_type, content in old.get("content", {}).items():
        if media_type not in new.get("content", {}):
            yield f"{place}: is no longer {media_type}"
        else:
            new_schema = new["content"][media_type]["schema"]
            yield from _compare_schemas(content["schema"], new_schema, place, is_sent=is_sent)


def _compare_schemas(old: Node, new: Node, place: str, *, is_sent: bool) -> Iterator[str]:
    """Compare what the client sends, which the new contract must go on taking, or what it gets, as the old one says."""
    for keyword in TYPING:
        if old.get(keyword) != new.get(keyword):
            yield f"{place}: has another {keyword}"
    for keyword in _find_narrowing(old, new) if is_sent else _find_narrowing(new, old):
        yield f"{place}: {keyword} " + ("refuses what was taken" if is_sent else "allows what was never sent")
    for name, member in old.get("properties", {}).items():
        if name not in new.get("properties", {}):
            yield f"{place}, {name}: is gone"
        else:
            yield from _compare_schemas(member, new["properties"][name], f"{place}, {name}", is_sent=is_sent)
    if "items" in old and "items" in new:
        yield from _compare_schemas(old["items"], new["items"], f"{place}, items", is_sent=is_sent)


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
