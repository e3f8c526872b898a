"""Where the contract lies, and what it says."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

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
    return document


def list_methods(document: Document) -> list[str]:
    """Give the HTTP methods that the contract's operations use, in upper case."""
    keys = {key.upper() for item in document.get("paths", {}).values() for key in item}
    return sorted(keys & {"GET", "PUT", "POST", "DELETE", "PATCH"})
