"""Who may have a connection: nobody more than a share, everybody in turn, and always at least one."""

import asyncio
from functools import partial
from itertools import product
from time import monotonic

import pytest
import uvloop
from psycopg.conninfo import conninfo_to_dict

from taskflow.database.connection import Connection
from taskflow.database.pool import Pool, PoolExhausted
from taskflow.database.shares import SERVER, Borrower, Queue, Shares
from tests.conftest import MakeDatabase

ALICE, BOB, CAROL = (Borrower(name, is_search=False) for name in ("alice", "bob", "carol"))
ALICES_SEARCH, BOBS_SEARCH, CAROLS_SEARCH = (Borrower(name, is_search=True) for name in ("alice", "bob", "carol"))


def count_loans(shares: Shares, borrower: Borrower) -> int:
    """Lend to one until there is no more; give how many there were."""
    loans = 0
    while shares.admits(borrower) and loans < 1000:
        shares.note_loan(borrower)
        loans += 1
    return loans


@pytest.mark.parametrize(
    ("size", "ones_own", "ones_searches", "all_searches"),
    [
        (1, 1, 1, 1),
        (2, 1, 1, 1),
        (3, 1, 1, 1),
        (4, 2, 1, 1),
        (8, 4, 1, 2),
        (10, 5, 1, 2),
        (16, 8, 2, 4),
        (100, 50, 12, 25),
    ],
)
def test_a_user_and_all_searches_have_their_shares(
    size: int, ones_own: int, ones_searches: int, all_searches: int
) -> None:
    """Half of all, a quarter of all, and half of that; each one at least."""

    def make() -> Shares:
        return Shares(size, user_share=0.5, search_share=0.25)

    assert count_loans(make(), ALICE) == ones_own
    assert count_loans(make(), ALICES_SEARCH) == ones_searches
    shares = make()
    assert sum(count_loans(shares, Borrower(str(user), is_search=True)) for user in range(size)) == all_searches
    assert count_loans(make(), SERVER) == 1000


def test_searches_count_among_what_their_user_has() -> None:
    """And what is given back can be lent again."""
    shares = Shares(8, user_share=0.5, search_share=0.5)
    assert count_loans(shares, ALICES_SEARCH) == 2
    assert count_loans(shares, ALICE) == 2
    assert not shares.admits(ALICE)
    assert shares.admits(BOB)
    shares.note_return(ALICES_SEARCH)
    assert shares.admits(ALICE)
    assert shares.admits(ALICES_SEARCH)
    shares.note_loan(ALICE)
    assert not shares.admits(ALICES_SEARCH)


def test_a_share_of_one_is_no_limit() -> None:
    """As it was before there were shares."""
    shares = Shares(10, user_share=1, search_share=1)
    assert count_loans(shares, ALICES_SEARCH) == 10


def test_users_have_their_turns() -> None:
    """One after the other, in the order in which each has sent, whoever has sent most."""

    async def stand() -> list[str | None]:
        queue = Queue(Shares(100, user_share=1, search_share=1))
        for borrower in [ALICE] * 4 + [BOB] * 2 + [CAROL]:
            queue.add(borrower)
        users = []
        while (following := queue.pop()) is not None:
            users.append(following[0].user)
        assert len(queue) == 0
        return users

    assert asyncio.run(stand()) == ["alice", "bob", "carol", "alice", "bob", "alice", "alice"]


def test_searches_and_others_have_their_turns() -> None:
    """Neither keeps the other waiting for ever."""

    async def stand() -> list[bool]:
        queue = Queue(Shares(100, user_share=1, search_share=1))
        for borrower in [ALICES_SEARCH] * 3 + [BOB] * 3:
            queue.add(borrower)
        return [following[0].is_search for _ in range(6) if (following := queue.pop()) is not None]

    assert asyncio.run(stand()) == [False, True, False, True, False, True]


def test_who_has_a_full_share_is_passed_over_until_something_is_given_back() -> None:
    """Those behind do not wait for that."""

    async def stand() -> None:
        shares = Shares(4, user_share=0.5, search_share=0.25)
        queue = Queue(shares)
        assert count_loans(shares, ALICE) == 2
        shares.note_loan(CAROLS_SEARCH)
        first, second = queue.add(ALICE), queue.add(ALICE)
        queue.add(BOBS_SEARCH)
        third = queue.add(BOB)
        assert (len(queue), queue.count("alice"), queue.count("bob"), queue.count("carol")) == (4, 2, 2, 0)
        assert queue.pop() == (BOB, third)
        assert queue.pop() is None
        shares.note_return(ALICE)
        assert queue.pop() == (ALICE, first)
        queue.remove(ALICE, first)  # again
        queue.remove(ALICE, second)
        shares.note_return(CAROLS_SEARCH)
        following = queue.pop()
        assert following is not None
        assert following[0] == BOBS_SEARCH
        assert len(queue) == 0

    asyncio.run(stand())


def test_a_pool_lends_what_the_shares_admit(make_database: MakeDatabase) -> None:
    """Of four connections Alice has two, and a search one; the rest wait, with connections idle, for their turn."""
    options = conninfo_to_dict(make_database())

    async def talk() -> None:
        connect = partial(Connection.open, options, prepares=True)
        pool = Pool(connect, size=4, queue_size=4, user_share=0.5, search_share=0.25)
        pool.open()

        def take(borrower: Borrower) -> asyncio.Task[Connection]:
            return asyncio.create_task(pool.take(asyncio.get_running_loop().time() + 10, borrower))

        held = [await take(ALICE), await take(ALICES_SEARCH)]
        waiting = [take(ALICE), take(BOBS_SEARCH), take(ALICE)]
        await asyncio.sleep(0)
        with pytest.raises(PoolExhausted, match="too many requests wait"):
            await take(ALICE)  # who has her half of the queue
        with pytest.raises(PoolExhausted, match="too many requests wait"):
            await take(CAROLS_SEARCH)  # searches have their quarter, so that others find a place
        others = [await take(BOB), await take(SERVER)]
        assert [task.done() for task in waiting] == [False, False, False]
        await pool.give_back(held[1], ALICES_SEARCH)
        await pool.give_back(others[0], BOB)
        lent = [await asyncio.wait_for(task, 10) for task in waiting[:2]]
        assert set(lent) == {held[1], others[0]}
        assert not waiting[2].done()
        await pool.give_back(lent[0], ALICE)
        assert await asyncio.wait_for(waiting[2], 10) is lent[0]
        for connection, borrower in ((held[0], ALICE), (lent[0], ALICE), (lent[1], BOBS_SEARCH), (others[1], SERVER)):
            await pool.give_back(connection, borrower)
        await pool.close()

    uvloop.run(talk())


def test_one_connection_serves_everybody(make_database: MakeDatabase) -> None:
    """There is nothing to share then."""
    options = conninfo_to_dict(make_database())

    async def talk() -> None:
        connect = partial(Connection.open, options, prepares=True)
        pool = Pool(connect, size=1, queue_size=100, user_share=0.5, search_share=0.25)
        pool.open()

        async def use(borrower: Borrower) -> None:
            connection = await pool.take(asyncio.get_running_loop().time() + 10, borrower)
            await asyncio.sleep(0)
            await pool.give_back(connection, borrower)

        started = monotonic()
        borrowers = [*product([ALICE, BOB, ALICES_SEARCH, BOBS_SEARCH, SERVER], range(10))]
        await asyncio.gather(*(use(borrower) for borrower, _ in borrowers))
        assert monotonic() - started < 10
        assert pool.waiting == 0
        await pool.close()

    uvloop.run(talk())
