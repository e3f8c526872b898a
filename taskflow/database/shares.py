"""Who may have a connection next: nobody more than a share, and everybody in turn."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

from taskflow.database.connection import Connection

Waiting = asyncio.Future[Connection]


class Borrower(NamedTuple):
    """The user whose statement needs a connection, None for the server itself, and whether it is a search."""

    user: str | None
    is_search: bool


SERVER = Borrower(None, is_search=False)


class Shares:
    """Counts the connections that are lent, and says who may have another one.

    A user may have `user_share` of all `size` connections, all searches together `search_share`, and a user's searches
    `user_share` of these; each one connection at least. The server itself may have any.
    """

    def __init__(self, size: int, *, user_share: float, search_share: float) -> None:
        self._user_limit = max(1, int(size * user_share))
        self._search_limit = max(1, int(size * search_share))
        self._user_search_limit = max(1, int(self._search_limit * user_share))
        self._lent: dict[str | None, int] = {}
        self._lent_to_searches: dict[str | None, int] = {}
        self._searches = 0

    @property
    def has_room_for_searches(self) -> bool:
        return self._searches < self._search_limit

    def admits(self, borrower: Borrower) -> bool:
        user, is_search = borrower
        if is_search and self._lent_to_searches.get(user, 0) >= self._user_search_limit:
            return False
        if is_search and not self.has_room_for_searches:
            return False
        return user is None or self._lent.get(user, 0) < self._user_limit

    def note_loan(self, borrower: Borrower) -> None:
        self._count(borrower, 1)

    def note_return(self, borrower: Borrower) -> None:
        self._count(borrower, -1)

    def _count(self, borrower: Borrower, change: int) -> None:
        user, is_search = borrower
        _add(self._lent, user, change)
        if is_search:
            self._searches += change
            _add(self._lent_to_searches, user, change)


def _add(counts: dict[str | None, int], user: str | None, change: int) -> None:
    count = counts.get(user, 0) + change
    if count:
        counts[user] = count
    else:
        del counts[user]  # or there would be one for every user who ever came


class Queue:
    """Those who wait for a connection. Users have their turns one after the other, however many requests each sends."""

    def __init__(self, shares: Shares) -> None:
        self._shares = shares
        self._lanes: dict[bool, OrderedDict[str | None, dict[Waiting, None]]] = {
            is_search: OrderedDict() for is_search in (False, True)
        }
        self._counts: dict[str | None, int] = {}
        self._size = 0
        self.searches = 0
        """How many of those who wait do so for a search."""
        self._is_turn_of_searches = False

    def __len__(self) -> int:
        return self._size

    def count(self, user: str | None) -> int:
        return self._counts.get(user, 0)

    def add(self, borrower: Borrower) -> Waiting:
        """Let somebody wait: for the connection that is the result of the future."""
        waiting: Waiting = asyncio.get_running_loop().create_future()
        self._lanes[borrower.is_search].setdefault(borrower.user, {})[waiting] = None
        self._count(borrower, 1)
        return waiting

    def remove(self, borrower: Borrower, waiting: Waiting) -> None:
        """Take somebody out of the queue, who may have left it already."""
        lane = self._lanes[borrower.is_search]
        waiters = lane.get(borrower.user, {})
        if waiting in waiters:
            del waiters[waiting]
            self._count(borrower, -1)
            if not waiters:
                del lane[borrower.user]

    def pop(self) -> tuple[Borrower, Waiting] | None:
        """Take out the next one who may have a connection: searches and all others in turn, and so their users."""
        for is_search in (self._is_turn_of_searches, not self._is_turn_of_searches):
            if is_search and not self._shares.has_room_for_searches:
                continue
            # Few are passed over: who has a full share holds connections.
            for user in self._lanes[is_search]:
                borrower = Borrower(user, is_search)
                if self._shares.admits(borrower):
                    self._is_turn_of_searches = not is_search
                    return borrower, self._pop_first(borrower)
        return None

    def drain(self) -> Iterator[Waiting]:
        """Take out everybody."""
        for is_search, lane in self._lanes.items():
            while lane:
                yield self._pop_first(Borrower(next(iter(lane)), is_search))

    def _pop_first(self, borrower: Borrower) -> Waiting:
        lane = self._lanes[borrower.is_search]
        waiting = next(iter(lane[borrower.user]))
        self.remove(borrower, waiting)
        if borrower.user in lane:
            lane.move_to_end(borrower.user)
        return waiting

    def _count(self, borrower: Borrower, change: int) -> None:
        self._size += change
        self.searches += change * borrower.is_search
        _add(self._counts, borrower.user, change)
