"""Clients that come again at once after a 503: which of them wait, and for how long."""

import asyncio
from time import monotonic

import pytest

from taskflow.server.limits import FLOOD, REPORT_SECONDS, Reception
from taskflow.server.repeats import PAUSE_SECONDS, Repeats
from taskflow.settings import load_settings
from tests.support.cast import SECRET

ALICE, BOB, NOBODY = ([(b"authorization", b"Bearer a")], [(b"authorization", b"Bearer b")], [(b"host", b"x")])


@pytest.mark.parametrize(
    ("first", "second", "served", "is_flooded", "waits"),
    [
        (ALICE, ALICE, [], False, True),
        (ALICE, ALICE, ALICE, False, True),
        (ALICE, BOB, [], False, False),
        (ALICE, ALICE, BOB, False, False),
        (NOBODY, NOBODY, [], False, False),
        (ALICE, BOB, [], True, True),
        (NOBODY, NOBODY, [], True, True),
    ],
    ids=[
        "one user",
        "one user, who was answered before",
        "two users",
        "another user was answered before",
        "nobody",
        "two users in a flood",
        "nobody in a flood",
    ],
)
def test_who_comes_again_on_a_connection_waits(
    first: list[tuple[bytes, bytes]],
    second: list[tuple[bytes, bytes]],
    served: list[tuple[bytes, bytes]],
    *,
    is_flooded: bool,
    waits: bool,
) -> None:
    """Unless users share it, as behind a proxy; in a flood they wait too, or naming another each time would pay."""
    repeats = Repeats()
    assert repeats.find_wait(100.0, first, served, is_flooded=is_flooded) == 0
    repeats.begin_pause(100.0)
    wait = repeats.find_wait(100.0, second, served, is_flooded=is_flooded)
    assert (wait > 0) is waits
    assert wait <= 1.5 * PAUSE_SECONDS
    assert repeats.find_wait(100.0 + 1.5 * PAUSE_SECONDS, second, served, is_flooded=is_flooded) == 0


def test_so_many_refusals_in_a_second_are_a_flood_until_it_is_over() -> None:
    """One more than FLOOD."""
    reception = Reception(load_settings(better_auth_secret=SECRET, database_url="postgresql://localhost/tasks"))

    async def flood() -> None:
        for _ in range(FLOOD):
            reception.note_turned_away()
        before = reception.is_flooded
        reception.note_turned_away()
        assert (before, reception.is_flooded) == (False, True)
        started = monotonic()
        while reception.is_flooded:
            assert monotonic() - started < REPORT_SECONDS + 10
            await asyncio.sleep(0.05)

    asyncio.run(flood())
