"""What a sequence chooses from, step by step: small enough that texts, tasks and tags meet again and again."""

from itertools import permutations

from hypothesis import strategies as st

from tests.model.queries import Query
from tests.support.cast import ALICE, BOB
from tests.support.operations import OPERATIONS

# Capitals and not, composed and not, what LIKE gives a meaning to, and two characters whose order by code point is not
# that of UTF-16.
LETTERS = "aAäÄ\u0308%_\\ \uffff\U0001f95b"

SORTS = ["id", "-id", "created_at", "-created_at", "updated_at", "-updated_at", "title", "-title"]

TAGS = ["{present}", "W/{present}", "{past}", "W/{past}", '"x"']

KEYS = ["a", "A", "%"]

users = st.sampled_from([ALICE.id, BOB.id])
rarely = st.sampled_from([False] * 7 + [True])
operations = st.sampled_from([operation.id for operation in OPERATIONS])

titles = st.text(LETTERS, min_size=1, max_size=3)
descriptions = st.none() | st.text(LETTERS, max_size=3)
bodies = st.fixed_dictionaries({"title": titles}, optional={"description": descriptions})
keys = st.sampled_from([None, *KEYS])
creates = st.tuples(bodies, keys)
patches = st.fixed_dictionaries(
    {}, optional={"title": titles, "description": descriptions, "is_completed": st.booleans()}
)

completions = st.none() | st.booleans()
searches = st.none() | st.text(LETTERS, min_size=1, max_size=2)
sorts = st.none() | st.sampled_from(SORTS)
queries = st.builds(Query, is_completed=completions, q=searches, sort=sorts, limit=st.none() | st.integers(1, 5))
long_queries = st.builds(Query, is_completed=st.sampled_from([None, False]), sort=sorts, limit=st.integers(1, 3))
"""Lists that are likely to have more than a page."""

conditions = st.sampled_from(
    [*[None] * 20, *[*TAGS, "*"] * 4, *["{past}"] * 16, *map(", ".join, permutations(TAGS, 2))]
)
"""Headers that are whole once the tags of what they are about have taken their places: old ones above all, since few
things have had one. A quarter of the time, none."""
