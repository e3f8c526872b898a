"""What Schemathesis cannot know of a request, or gets wrong of it."""

from typing import Any
from uuid import uuid4

import schemathesis
from schemathesis import Case, GenerationMode, HookContext
from schemathesis.generation.meta import TestPhase

CONDITIONS = ("If-Match", "If-None-Match")
IDEMPOTENCY_KEY = "Idempotency-Key"


@schemathesis.hook
def before_call(_context: HookContext, case: Case[Any], _kwargs: dict[str, object]) -> None:
    """Leave out of a request what would have it refused for another reason than the one that is tried.

    An invented cursor: the contract gives its form, and only a server makes one.

    An entity tag that is none: in the coverage phase, 4.32.5 finds no right value for a header whose pattern demands a
    quote, and puts a wrong one in every request, whatever part of it is tried, and calls some of them right.

    And the contract's example of one, which is of another time.

    An idempotency key that has been sent before, with another body: what is right about a key stays as it is, but for
    its beginning.
    """
    if case.meta is None:
        return
    if IDEMPOTENCY_KEY in case.headers and case.meta.generation.mode == GenerationMode.POSITIVE:
        case.headers[IDEMPOTENCY_KEY] = (uuid4().hex + case.headers[IDEMPOTENCY_KEY])[:255]
    if case.query and case.meta.generation.mode == GenerationMode.POSITIVE:
        case.query.pop("cursor", None)
    tried = getattr(case.meta.phase.data, "parameter", None)
    is_beside_the_point = case.meta.phase.name == TestPhase.COVERAGE and tried not in CONDITIONS
    if is_beside_the_point or case.meta.phase.name == TestPhase.EXAMPLES:
        for name in CONDITIONS:
            case.headers.pop(name, None)
