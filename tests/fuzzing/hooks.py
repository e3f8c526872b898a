"""What Schemathesis cannot know of a request: the contract gives the form of a cursor, and only a server makes one."""

from typing import Any

import schemathesis
from schemathesis import Case, GenerationMode, HookContext


@schemathesis.hook
def before_call(_context: HookContext, case: Case[Any], _kwargs: dict[str, object]) -> None:
    """Leave an invented cursor out of a request that is to be accepted; in one that is to be refused it stays.

    Real ones, and those of other lists, are the subject of tests/operations/test_list_queries.py.
    """
    if case.query and case.meta and case.meta.generation.mode == GenerationMode.POSITIVE:
        case.query.pop("cursor", None)
