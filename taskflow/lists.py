"""The list of a user's tasks: which of them, in which order, read whole or page by page."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote

from taskflow import statements
from taskflow.cursors import Position
from taskflow.database import Database, Value
from taskflow.etags import write_tag


class Page(NamedTuple):
    """A part of a list: JSON without its brackets, and where it ends if more may follow.

    `version` is that of the whole list, when the part was read.
    """

    version: bytes | None
    tasks: bytes
    end: Position | None


@dataclass(slots=True)
class TaskList:
    """The tasks of a user, each other field as the contract's parameter of its name says."""

    database: Database
    user_id: str
    sort: str
    is_completed: bool | None
    q: str | None

    async def read_page(self, after: Position | None, limit: int | None = None) -> Page:
        """Give the part after a position.

        It holds at most `limit` tasks, and fewer where their descriptions are long.
        """
        if limit is None and self.sort == "id" and self.is_completed is None and self.q is None:
            return await self._read_plain_page(after)
        filters = {"is_completed": self.is_completed, "q": self.q}
        named = frozenset(name for name, value in filters.items() if value is not None)
        statement = statements.compile_query(self.sort, filters=named, is_continued=after is not None)
        key, task_id = after or (None, None)
        values: dict[str, Value] = {
            "user_id": self.user_id,
            "is_completed": self.is_completed,
            "q": self.q,
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
        while page.end is not None:
            page = await self.read_page(page.end)
            if page.tasks:
                yield b","
                yield page.tasks
        yield b"]"


def write_link(root_path: str, user_id: str, limit: int, cursor: str) -> bytes:
    """Give the path of the next page (RFC 8288). The cursor stands for all parameters but `limit`."""
    return b'<%b?limit=%d&cursor=%b>; rel="next"' % (write_path(root_path, user_id), limit, cursor.encode())


def write_path(root_path: str, user_id: str) -> bytes:
    """Give the path of a user's tasks, as clients know it: below the path that a proxy has taken off."""
    return f"{root_path}/api/{quote(user_id, safe='')}/tasks".encode()
