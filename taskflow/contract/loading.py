"""Where the contract lies, and what it says."""

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from connexion.exceptions import InvalidSpecification

Document = dict[str, Any]


class ContractError(Exception):
    """The contract says something that this server cannot keep; it must not start."""


def read_contract() -> bytes:
    """Give the authored file, byte for byte."""
    installed = files("taskflow") / "openapi.yaml"
    authored = Path(__file__).parents[2] / "openapi" / "openapi.yaml"
    return installed.read_bytes() if installed.is_file() else authored.read_bytes()


def parse_contract(source: bytes) -> Document:
    """Read the YAML, with the loader in C where PyYAML has it. Raises ContractError if it is none."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        document = yaml.load(source, loader)  # noqa: S506  both loaders are safe ones
    except yaml.YAMLError as error:
        raise ContractError(" ".join(str(error).split())) from None
    if not isinstance(document, dict):
        raise ContractError("it is not an OpenAPI document")
    _check_nodes(document, document, "")
    return document


def describe_violation(error: InvalidSpecification) -> str:
    """Say where a document breaks the schema of OpenAPI, and how; jsonschema's own text repeats both of them whole."""
    while error.context:
        # Almost everything may be a reference instead, so that it is none is hardly ever what is wrong.
        causes = [cause for cause in error.context if "$ref" not in cause.message] or error.context
        error = max(causes, key=lambda cause: len(cause.absolute_path))
    place = "/".join(str(key) for key in error.absolute_path) or "the document"
    if error.validator == "additionalProperties":
        patterns = error.schema.get("patternProperties", {})
        known = error.schema.get("properties", {}).keys()
        unknown = [key for key in error.instance if key not in known and not any(re.search(p, key) for p in patterns)]
        return f"{place}: OpenAPI knows no {', '.join(unknown)} here"
    return f"{place}: {error.message}"


def _check_nodes(node: object, document: Document, place: str) -> None:
    """Look for what YAML lets one write and JSON does not, and for references that lead out of the document or nowhere.

    Raises ContractError, which names the place.
    """
    if isinstance(node, dict):
        for key, child in node.items():
            if not isinstance(key, str):
                raise ContractError(f"the key {key} in {place or 'the document'} must be text, in quotes")
            _check_nodes(child, document, f"{place}/{key}".removeprefix("/"))
        if "$ref" in node:
            _check_reference(node["$ref"], document, place)
    elif isinstance(node, list):
        for index, child in enumerate(node):
            _check_nodes(child, document, f"{place}/{index}")


def _check_reference(reference: object, document: Document, place: str) -> None:
    if not isinstance(reference, str) or not reference.startswith("#/"):
        raise ContractError(f"{place}: the reference {reference} leads out of the contract")
    target: object = document
    for key in reference.removeprefix("#/").split("/"):
        # Connexion follows references through mappings alone, and does not decode ~1.
        if not isinstance(target, dict) or key not in target:
            raise ContractError(f"{place}: the reference {reference} leads nowhere")
        target = target[key]


def list_methods(document: Document) -> list[str]:
    """Give the HTTP methods that the contract's operations use, in upper case; HEAD goes with GET."""
    keys = {key.upper() for item in document.get("paths", {}).values() for key in item}
    if "GET" in keys:
        keys.add("HEAD")
    return sorted(keys & {"GET", "HEAD", "PUT", "POST", "DELETE", "PATCH"})
