"""The list of a user's tasks: which of them, in which order, read whole or page by page."""

from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote

from taskflow.database import Database, Value, statements
from taskflow.operations.cursors import Position
from taskflow.web.etags import write_tag

_BY_ID = frozenset({"id", "-id"})


class Order(NamedTuple):
    """The order of a list, page by page: the ids of a page, an array, and what the last task of all is sorted by.

    `read` says how many tasks of the first page have been read.
    """

    pages: deque[tuple[str, str]]
    read: int


class Page(NamedTuple):
    """A part of a list: JSON without its brackets, and what may follow it: a position, or an order.

    `version` is that of the whole list, when the part was read.
    """

    version: bytes | None
    tasks: bytes
    end: Position | None
    order: Order | None = None

    @property
    def is_last(self) -> bool:
        return self.end is None and self.order is None


@dataclass(slots=True)
class TaskList:
    """The tasks of a user, each other field as the contract's parameter of its name says."""

    database: Database
    user_id: str
    sort: str
    is_completed: bool | None
    q: str | None

    @property
    def _filters(self) -> dict[str, Value]:
        filters: dict[str, Value] = {"is_completed": self.is_completed, "q": self.q}
        return {name: value for name, value in filters.items() if value is not None}

    async def read_page(self, after: Position | None, limit: int | None = None) -> Page:
        """Give the part after a position.

        It holds at most `limit` tasks, and fewer where their descriptions are long.
        """
        if limit is None and self.sort == "id" and not self._filters:
            return await self._read_plain_page(after)
        if limit is None and self.sort not in _BY_ID:
            return await self._read_order(after)
        filters = self._filters
        statement = statements.compile_query(self.sort, filters=frozenset(filters), is_continued=after is not None)
        key, task_id = after or (None, None)
        values: dict[str, Value] = {
            **filters,
            "user_id": self.user_id,
            "limit": limit or statements.PAGE_ROWS,
            "after_key": key,
            "after_id": task_id,
        }
        ((version, tasks, last_key, last_id, has_more),) = await self.database.fetch_all(statement, values)
        if tasks is None or last_key is None or last_id is None:
            return Page(version, b"", None)
        return Page(version, tasks, (last_key.decode(), int(last_id)) if has_more == b"t" else None)

    async def _read_plain_page(self, after: Position | None) -> Page:
        values: dict[str, Value] = {"user_id": self.user_id, "after": after[1] if after else 0}
        ((version, count, last, tasks),) = await self.database.fetch_all(statements.LIST_TASKS, values)
        if tasks is None or last is None:
            return Page(version, b"", None)
        # PostgreSQL counts bytes as it stores them, at most four a character; here they are UTF-8, one at least.
        is_full = count == b"%d" % statements.PAGE_ROWS or len(tasks) >= statements.PAGE_BYTES // 4
        return Page(version, tasks, (last.decode(), int(last)) if is_full else None)

    async def _read_order(self, after: Position | None) -> Page:
        """Give the first part of what follows a position, in another order than that of ids, and the order itself."""
        filters = self._filters
        statement = statements.compile_order(self.sort, filters=frozenset(filters), is_continued=after is not None)
        key, task_id = after or (None, None)
        values = {**filters, "user_id": self.user_id, "after_key": key, "after_id": task_id}
        (version, tasks, read), *pages = await self.database.fetch_all(statement, values)
        if read is None or not pages:
            return Page(version, tasks or b"", None)
        decoded = (((ids or b"").decode(), (last_key or b"").decode()) for _, ids, last_key in pages)
        return Page(version, tasks or b"", None, Order(deque(decoded), int(read)))

    async def read_tag(self) -> bytes:
        """Give the list's entity tag, without reading the list."""
        ((version,),) = await self.database.fetch_all(statements.SELECT_LIST_VERSION, {"user_id": self.user_id})
        return write_tag(version)

    async def write(self, page: Page) -> AsyncGenerator[bytes]:
        """Give the whole list as JSON in parts, from its first page on."""
        # Between two pages no connection is held: a client that reads slowly costs one page of memory and nothing else.
        # Nor are pages joined with what stands between them, which would copy each once more.
        yield b"["
        yield page.tasks
        if not page.is_last:
            following = self._read_in_order(page.order) if page.order else self._read_by_id(page.end)
            async with aclosing(following) as parts:
                async for tasks in parts:
                    yield b","
                    yield tasks
        yield b"]"

    async def _read_by_id(self, after: Position | None) -> AsyncGenerator[bytes]:
        """Give the tasks after a position, a page at a time: an index leads to the next one."""
        while after is not None:
            page = await self.read_page(after)
            if page.tasks:
                yield page.tasks
            after = page.end

    async def _read_in_order(self, order: Order | None) -> AsyncGenerator[bytes]:
        """Give the tasks of an order, a page at a time; then those after its last one, in the order of that moment."""
        while order is not None:
            pages, read = order
            is_full = len(pages) == statements.ORDER_ROWS // statements.PLACES
            order = None
            while pages:
                ids, last_key = pages.popleft()
                async for tasks in self._read_places(ids, read):
                    yield tasks
                read = 0
                if is_full and not pages and ids.count(",") == statements.PLACES - 1:
                    page = await self._read_order((last_key, int(ids.strip("{}").rpartition(",")[2])))
                    if page.tasks:
                        yield page.tasks
                    order = page.order

    async def _read_places(self, ids: str, read: int) -> AsyncGenerator[bytes]:
        """Give the tasks with these ids, an array, but the first `read`; in parts where their descriptions are long."""
        statement = statements.compile_places(filters=frozenset(self._filters))
        values = {**self._filters, "user_id": self.user_id, "ids": ids}
        count = ids.count(",") + 1
        while read < count:
            ((last, tasks),) = await self.database.fetch_all(statement, {**values, "after": read})
            if last is None:
                return
            if tasks is not None:
                yield tasks
            read = int(last)


def write_link(root_path: str, user_id: str, limit: int, cursor: str) -> bytes:
    """Give the path of the next page (RFC 8288). The cursor stands for all parameters but `limit`."""
    return b'<%b?limit=%d&cursor=%b>; rel="next"' % (write_path(root_path, user_id), limit, cursor.encode())


def write_path(root_path: str, user_id: str) -> bytes:
    """Give the path of a user's tasks, as clients know it: below the path that a proxy has taken off."""
    return f"{root_path}/api/{quote(user_id, safe='')}/tasks".encode()
