"""How often keys that are not known may be fetched: JWKS_BURST times at once, and once in JWKS_COOLDOWN."""

import pytest

from taskflow.auth.jwks.allowance import Allowance


@pytest.mark.parametrize("start", [0.0, 1000.0])
@pytest.mark.parametrize("burst", [1, 5])
def test_so_many_are_allowed_at_once_and_one_more_after_each_interval(burst: int, start: float) -> None:
    """However long nothing was taken before."""
    allowance = Allowance(burst, interval=2)
    assert [allowance.take(start) for _ in range(burst + 2)] == [True] * burst + [False] * 2
    assert allowance.measure_wait(start) == 2
    assert not allowance.take(start + 1.9)
    assert [allowance.take(start + 2) for _ in range(2)] == [True, False]
    later = start + 2 + 2 * burst
    assert [allowance.take(later) for _ in range(burst + 1)] == [True] * burst + [False]


def test_a_timer_that_is_early_by_a_hair_may_take() -> None:
    """Else what it was set for would not be done."""
    allowance = Allowance(1, interval=0.1)
    allowance.take(5)
    assert allowance.take(5 + allowance.measure_wait(5) - 1e-9)
