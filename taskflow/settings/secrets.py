"""What makes an HS256 secret one that others know or can guess, or another one than the frontend's."""

from collections import Counter
from itertools import pairwise

MIN_SECRET_BYTES = 32
"""What an HS256 key must have at least (RFC 7518, section 3.2)."""

_EXAMPLES = (
    "betterauthsecret1234567890",  # what Better Auth signs with where nothing is configured
    "yoursupersecret",
    "yoursecret",
    "defaultsecret",
    "changeme",
    "changethis",
    "changein",
    "replaceme",
    "replacewith",
    "replacethis",
    "placeholder",
    "donotuse",
    "opensslrand",
    "secretkeyfor",
    "secretatleast",
    "supersecretjwt",
    "256bitsecret",
    "qwertyuiopasdf",
    "e3b0c44298fc1c149afb",  # the SHA-256 of nothing
)
"""What published examples hold, in lower case and without punctuation."""

_FEW = 6
"""Random text of 32 characters, if only of digits, has fewer different ones once in ten million times."""

_PIECE, _TIMES = 6, 3
"""A piece of so many characters comes so often in no random text."""

_REMEDY = "make one with `openssl rand -hex 32`, the same here and in the frontend"


def find_weakness(secret: str) -> str | None:
    """Return the end of a sentence that begins with the variable's name; None where nothing is wrong."""
    if secret != secret.strip().strip("\ufeff\u200b"):
        return "is surrounded by blanks or ends of lines, which are part of the secret; remove them"
    if secret.endswith(("\\n", "\\r", "\\t")):
        return f"ends in {secret[-2:]}, a backslash and a letter, where the end of a line was meant; remove both"
    if not secret.isprintable():
        return "is not printable text; remove control characters and ends of lines from it"
    if _is_example(secret):
        return f"is an example that everybody knows; {_REMEDY}"
    if _is_pattern(secret):
        return f"is a pattern that repeats, which can be guessed; {_REMEDY}"
    return None


def _is_example(secret: str) -> bool:
    letters = "".join(character for character in secret.lower() if character.isalnum())
    return any(example in letters for example in _EXAMPLES)


def _is_pattern(secret: str) -> bool:
    """Tell whether few characters, a short text or a sequence (abc, 123) is repeated."""
    steps = {ord(after) - ord(before) for before, after in pairwise(secret)}
    periods = range(1, len(secret) // 2 + 1)
    pieces = Counter(secret[start : start + _PIECE] for start in range(len(secret) - _PIECE + 1))
    return (
        min(len(set(secret)), len(steps)) < _FEW
        or any(secret[p:] == secret[:-p] for p in periods)
        or max(pieces.values(), default=0) >= _TIMES
    )
