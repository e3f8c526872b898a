"""Cursors: where a list goes on, as text that says nothing to its bearer and serves for nothing else."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from taskflow.database import Database, statements
from taskflow.errors import CursorRefused

Position = tuple[str, int]
"""What the last task of a page is sorted by, as text, and its id."""

_COMPLETIONS = {"": None, "true": True, "false": False}


class Selection(NamedTuple):
    """Which of a user's tasks a list holds, and in which order, as the contract's parameters of these names say."""

    sort: str
    is_completed: bool | None
    q: str | None

    def admits(self, *asked: object) -> bool:
        """Whether each of the three is the same here, or was not asked for (None)."""
        return all(wanted in {None, kept} for wanted, kept in zip(asked, self, strict=True))


class Cursors:
    """Seals and opens cursors, with the key that is kept in the database: it is the same for every server on it.

    A cursor holds its selection, so that a link need not repeat it: 200 emoji in `q` are 2,400 bytes of a URL, and 800
    here. Its user is sealed along (AES-SIV, RFC 5297): altered, or with another user, a cursor does not open.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cipher: AESSIV | None = None

    async def seal(self, user_id: str, selection: Selection, position: Position) -> str:
        """Write a cursor."""
        sort, is_completed, q = selection
        completion = "" if is_completed is None else str(is_completed).lower()
        key, task_id = position
        # No text has a NUL: the contract admits none, and PostgreSQL keeps none. JSON would make others longer.
        plain = "\0".join([sort, completion, q or "", key, str(task_id)])
        sealed = (await self._find_cipher()).encrypt(plain.encode(), [user_id.encode()])
        return urlsafe_b64encode(sealed).rstrip(b"=").decode()

    async def open(self, cursor: str, user_id: str) -> tuple[Selection, Position]:
        """Read a cursor. Raises CursorRefused unless it was sealed for this user."""
        cipher = await self._find_cipher()
        try:
            sealed = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            plain = cipher.decrypt(sealed, [user_id.encode()]).decode()
        except (binascii.Error, InvalidTag, ValueError):
            raise CursorRefused from None
        sort, completion, q, key, task_id = plain.split("\0")
        return Selection(sort, _COMPLETIONS[completion], q or None), (key, int(task_id))

    async def _find_cipher(self) -> AESSIV:
        if self._cipher is None:
            ((key,),) = await self._database.fetch_all(statements.FIND_KEY, {"name": "cursors"})
            self._cipher = AESSIV(bytes.fromhex((key or b"").decode()))
        return self._cipher
