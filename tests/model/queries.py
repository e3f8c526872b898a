"""What a list can be asked for, and the tasks that it must then give, in their order."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Task = dict[str, Any]
"""A task as the server gives it."""

Place = tuple[Any, int]
"""Where a task stands in an order: what it is sorted by, and its id."""


@dataclass(frozen=True)
class Query:
    """The parameters of a list, each as the contract says; None is one that is not sent."""

    is_completed: bool | None = None
    q: str | None = None
    sort: str | None = None
    limit: int | None = None

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters as they are sent."""
        completed = None if self.is_completed is None else str(self.is_completed).lower()
        limit = None if self.limit is None else str(self.limit)
        named = {"is_completed": completed, "q": self.q, "sort": self.sort, "limit": limit}
        return {name: value for name, value in named.items() if value is not None}

    def agrees_with(self, first: "Query") -> bool:
        """Whether a cursor of the list that was asked for first is good for this: what is sent again is the same.

        Pages of another length are pages of the same list.
        """
        known = (first.is_completed, first.q, first.sort or "id")
        return all(
            sent in {None, kept} for sent, kept in zip((self.is_completed, self.q, self.sort), known, strict=True)
        )

    def repeat(self, other: "Query") -> "Query":
        """Give a query for the same list beside its cursor: it leaves out what another one does not ask for."""
        return Query(
            is_completed=None if other.is_completed is None else self.is_completed,
            q=None if other.q is None else self.q,
            sort=None if other.sort is None else self.sort,
            limit=other.limit,
        )

    @property
    def is_descending(self) -> bool:
        return (self.sort or "id").startswith("-")

    def locate(self, task: Task) -> Place:
        """Give a task's place. Times are texts of one form, and sort as such; titles sort by code point."""
        return task[(self.sort or "id").removeprefix("-")], task["id"]

    def find(self, tasks: Iterable[Task], after: Place | None = None) -> list[Task]:
        """Give those of a user's tasks that are asked for, in order, beginning after a place."""
        found = sorted(filter(self._takes, tasks), key=self.locate, reverse=self.is_descending)
        return [task for task in found if after is None or self._is_beyond(self.locate(task), after)]

    def _takes(self, task: Task) -> bool:
        if self.is_completed is not None and task["is_completed"] is not self.is_completed:
            return False
        wanted = _fold(self.q or "")
        return wanted in _fold(task["title"]) or wanted in _fold(task["description"] or "")

    def _is_beyond(self, place: Place, after: Place) -> bool:
        return place < after if self.is_descending else place > after


def _fold(text: str) -> str:
    """Make texts equal that are the same to a search."""
    return unicodedata.normalize("NFC", text).lower()
