"""The characters that a search looks for runs of, held against Python's own table of Unicode."""

import re
import sys
import unicodedata

from taskflow.database.statements.marks import MARKS


def test_every_character_that_normalising_moves_is_a_mark() -> None:
    """Those with a combining class, and those whose canonical decomposition begins with one."""
    marks = re.compile(f"[{MARKS}]")
    characters = map(chr, range(sys.maxunicode + 1))
    moved = [one for one in characters if unicodedata.combining(unicodedata.normalize("NFD", one)[0])]
    assert len(moved) > 800
    assert [one for one in moved if not marks.match(one)] == []


def test_no_letter_is_a_mark() -> None:
    """Or a long word of some scripts could not be found."""
    found = re.findall(f"[{MARKS}]", "".join(map(chr, range(sys.maxunicode + 1))))
    assert [one for one in found if unicodedata.category(one)[0] in "LN"] == []
