"""The model: what users have, and what each of their requests must be answered.

It is plain enough for reading to show that it is right, and shares nothing with the code under test. What only the
server can know (ids, times, the tags of lists) it takes from the answer, and looks whether it may be so.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.model.answers import CHANGED, KEY_REUSED, NO_SUCH_TASK, NOT_YOUR_TASK, Answer
from tests.model.conditions import find_known, is_met
from tests.model.queries import Place, Query, Task
from tests.support.cast import User

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
"""All times have this form, so that they compare as texts."""


@dataclass
class Walk:
    """A user's way through a list, from page to page.

    `steady` are the places of the tasks that have been there ever since it began.
    """

    user: User
    query: Query
    link: str | None
    seen: list[Place]
    steady: set[Place]
    changes: int = 0

    def check_end(self) -> None:
        """Raise AssertionError unless every task that was there throughout was given once, and in order."""
        given = [place for place in self.seen if place in self.steady]
        assert given == sorted(self.steady, reverse=self.query.is_descending)


@dataclass
class Tags:
    """The tags that something has had. `present` is None while only the server knows it."""

    present: str | None = None
    past: list[str] = field(default_factory=list)

    def renew(self, tag: str | None = None) -> None:
        """Take note that there is a new tag."""
        if self.present is not None:
            self.past.append(self.present)
        self.present = tag

    def learn(self, tag: str | None) -> str:
        """Give the present tag, which is this one if it was not known: one that has never been there before."""
        if self.present is None:
            assert tag not in self.past, f"{tag} stands for another list too"
            self.present = tag
        return str(self.present)


class Model:
    """The tasks of all users, by id."""

    def __init__(self) -> None:
        self.tasks: dict[int, Task] = {}
        self.task_tags: defaultdict[int, Tags] = defaultdict(Tags)
        self.list_tags: defaultdict[User, Tags] = defaultdict(Tags)
        self.first_creates: dict[tuple[User, str], tuple[Mapping[str, object], Answer]] = {}
        """The body that a user has first sent with a key, and its answer."""
        self._walks: list[Walk] = []
        self._last_id = 0

    def create_task(self, user: User, body: Mapping[str, object], key: str | None, seen: Answer) -> Answer:
        body = {"description": None, **body}
        if key is None:
            return self._insert_task(user, body, seen)
        if (user, key) not in self.first_creates:
            self.first_creates[user, key] = body, self._insert_task(user, body, seen)
        first_body, answer = self.first_creates[user, key]
        return answer if body == first_body else KEY_REUSED

    def get_task(self, user: User, task_id: int, if_none_match: str | None) -> Answer:
        refusal = self._refuse(user, task_id)
        if refusal:
            return refusal
        return _shorten(Answer(200, self.tasks[task_id], self.task_tags[task_id].present), if_none_match)

    def update_task(
        self, user: User, task_id: int, patch: Mapping[str, object], if_match: str | None, seen: Answer
    ) -> Answer:
        refusal = self._refuse(user, task_id, if_match)
        if refusal:
            return refusal
        if patch:
            assert seen.status == 200, seen
            now = seen.body["updated_at"]
            assert TIME.fullmatch(now)
            assert now > self.tasks[task_id]["updated_at"]
            self._put({**self.tasks[task_id], **patch, "updated_at": now})
            self._note_change(user)
        return Answer(200, self.tasks[task_id], self.task_tags[task_id].present)

    def delete_task(self, user: User, task_id: int, if_match: str | None) -> Answer:
        refusal = self._refuse(user, task_id, if_match)
        if refusal:
            return refusal
        del self.tasks[task_id]
        self._note_change(user)
        return Answer(204)

    def list_tasks(
        self, user: User, query: Query, seen: Answer, *, if_none_match: str | None = None, after: Place | None = None
    ) -> Answer:
        found = query.find(self._list_all(user), after)
        page = found[: query.limit]
        tag = self.list_tags[user].learn(seen.etag)
        return _shorten(Answer(200, page, tag, has_next=len(page) < len(found)), if_none_match)

    def begin_walk(self, user: User, query: Query, seen: Answer) -> Walk:
        """Go on from the first page of a list, which has a link to the next."""
        steady = {query.locate(task) for task in query.find(self._list_all(user))}
        walk = Walk(user, query, seen.link, [query.locate(task) for task in seen.body], steady)
        self._walks.append(walk)
        return walk

    def go_on(self, walk: Walk, seen: Answer) -> None:
        """Take a page of a walk."""
        walk.seen += [walk.query.locate(task) for task in seen.body]
        walk.link = seen.link

    def _insert_task(self, user: User, body: Mapping[str, object], seen: Answer) -> Answer:
        assert seen.status == 201, seen
        task_id, now = seen.body["id"], seen.body["created_at"]
        assert task_id > self._last_id
        assert TIME.fullmatch(now)
        self._last_id = task_id
        times = {"created_at": now, "updated_at": now}
        self._put({"id": task_id, "user_id": user.id, **body, "is_completed": False, **times})
        self._note_change(user)
        return Answer(201, self.tasks[task_id], self.task_tags[task_id].present, f"{user.tasks}/{task_id}")

    def _list_all(self, user: User) -> list[Task]:
        return [task for task in self.tasks.values() if task["user_id"] == user.id]

    def _refuse(self, user: User, task_id: int, if_match: str | None = None) -> Answer | None:
        if task_id not in self.tasks:
            return NO_SUCH_TASK
        if self.tasks[task_id]["user_id"] != user.id:
            return NOT_YOUR_TASK
        return None if is_met(if_match, str(self.task_tags[task_id].present)) else CHANGED

    def _put(self, task: Task) -> None:
        self.tasks[task["id"]] = task
        self.task_tags[task["id"]].renew(f'"{task["updated_at"]}"')

    def _note_change(self, user: User) -> None:
        self.list_tags[user].renew()
        for walk in self._walks:
            if walk.user == user:
                walk.changes += 1
                walk.steady &= {walk.query.locate(task) for task in walk.query.find(self._list_all(user))}


def _shorten(answer: Answer, if_none_match: str | None) -> Answer:
    """Leave out what the client has already."""
    known = find_known(if_none_match, str(answer.etag))
    return answer if known is None else Answer(304, etag=known)
