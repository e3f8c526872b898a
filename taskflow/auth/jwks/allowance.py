"""How often something may be done: a few times at once, and in the long run once in an interval (a token bucket)."""

EARLY_SECONDS = 0.001
"""By how much a timer may be early."""


class Allowance:
    """Allows `burst` takes at once, and one more after each `interval` seconds. Times are those of one clock."""

    def __init__(self, burst: int, interval: float) -> None:
        self._interval = interval
        self._depth = (burst - 1) * interval
        self._full_at = 0.0
        """When all takes will be allowed again."""

    def take(self, now: float) -> bool:
        """Take one, if that is allowed now."""
        if self.measure_wait(now) > EARLY_SECONDS:
            return False
        self._full_at = max(self._full_at, now) + self._interval
        return True

    def measure_wait(self, now: float) -> float:
        """Return the seconds until the next take is allowed; 0 if it is allowed now."""
        return max(0.0, self._full_at - now - self._depth)
