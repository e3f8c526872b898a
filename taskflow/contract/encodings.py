"""Which encoding of an answer a client prefers (RFC 9110, section 12.5.3)."""

import re

_GZIP = {"gzip", "x-gzip"}  # the same (RFC 9110, section 8.4.1.3)
_WEIGHT = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", re.ASCII | re.IGNORECASE)


def prefers_gzip(accept_encoding: str) -> bool:
    """Return whether an Accept-Encoding admits gzip, and does not prefer the plain form.

    Elements that break the grammar are passed over: the plain form is always a right answer.
    """
    weights: dict[str, float] = {}
    for element in accept_encoding.lower().split(","):
        coding, *parameters = (part.strip(" \t") for part in element.split(";"))
        found = [_WEIGHT.fullmatch(parameter) for parameter in parameters]
        if coding and len(found) <= 1 and all(found):
            weights["gzip" if coding in _GZIP else coding] = float(found[0][1]) if found and found[0] else 1
    gzip = weights.get("gzip", weights.get("*", 0))
    return gzip > 0 and gzip >= weights.get("identity", 0)
