"""Cursors: where a list goes on, as text that says nothing to its bearer and serves for nothing else."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from taskflow import statements
from taskflow.database import Database
from taskflow.errors import CursorRefused

Position = tuple[str, int]
"""What the last task of a page is sorted by, as text, and its id."""


class Cursors:
    """Seals and opens cursors, with the key that is kept in the database: it is the same for every server on it.

    `scope` is what a cursor belongs to: its user, filters and order. It is sealed along (AES-SIV, RFC 5297), so that a
    cursor that was altered, or is used for something else, does not open.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cipher: AESSIV | None = None

    async def seal(self, position: Position, scope: Sequence[object]) -> str:
        """Write a position as a cursor."""
        cipher = await self._find_cipher()
        sealed = cipher.encrypt(orjson.dumps(position), [orjson.dumps(scope)])
        return urlsafe_b64encode(sealed).rstrip(b"=").decode()

    async def open(self, cursor: str, scope: Sequence[object]) -> Position:
        """Read the position of a cursor. Raises CursorRefused unless it was sealed for this scope."""
        cipher = await self._find_cipher()
        try:
            sealed = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            key, task_id = orjson.loads(cipher.decrypt(sealed, [orjson.dumps(scope)]))
        except (binascii.Error, InvalidTag, ValueError):
            raise CursorRefused from None
        return key, task_id

    async def _find_cipher(self) -> AESSIV:
        if self._cipher is None:
            ((key,),) = await self._database.fetch_all(statements.FIND_KEY, {"name": "cursors"})
            self._cipher = AESSIV(bytes.fromhex((key or b"").decode()))
        return self._cipher
