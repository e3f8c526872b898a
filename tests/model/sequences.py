"""Random sequences of all operations by two users, each answer compared with the model's."""

from collections import Counter
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, ClassVar

import httpx
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, RuleBasedStateMachine, consumes, initialize, multiple, rule

from tests.model import choices
from tests.model.answers import CURSOR_OF_ANOTHER, NOT_YOUR_PATH, Answer
from tests.model.mistakes import MISTAKES
from tests.model.model import Model, Tags, Walk
from tests.model.queries import Query
from tests.support.cast import ALICE, BOB, User
from tests.support.operations import (
    CREATE_TASK,
    DELETE_TASK,
    GET_TASK,
    LIST_TASKS,
    OPERATIONS,
    UPDATE_TASK,
    Operation,
)

NO_TASK = 2**53 - 1
OTHERS = {ALICE.id: BOB.id, BOB.id: ALICE.id}

Creates = list[tuple[dict[str, Any], str | None]]
"""Bodies, each with its idempotency key."""


@dataclass(frozen=True)
class Target:
    """A task that was created, and how; it may be changed or deleted."""

    owner: str
    id: int
    body: dict[str, Any]
    key: str | None


class Sequence(RuleBasedStateMachine):
    """One sequence, by two users of its own: nobody needs to clear away what others have left behind."""

    client: ClassVar[httpx.Client]

    answers: ClassVar[Counter[str]] = Counter()
    """The operations and statuses of all answers to all sequences."""

    tally: ClassVar[Counter[str]] = Counter()
    """What else has happened, and how often."""

    numbers: ClassVar = count(1)

    targets = Bundle("targets")

    walks = Bundle("walks")
    """Walks that are not at their end."""

    def __init__(self) -> None:
        super().__init__()
        self._model = Model()
        number = next(self.numbers)
        self._users = {name: User(f"{name}-{number}") for name in OTHERS}
        self._headers = {user: user.headers for user in self._users.values()}

    @initialize(
        target=targets,
        alices=st.lists(choices.creates, min_size=1, max_size=7),
        bobs=st.lists(choices.creates, min_size=1, max_size=3),
    )
    def begin(self, alices: Creates, bobs: Creates) -> MultipleResults[Target]:
        self.tally["a sequence"] += 1
        created = [target for body, key in alices for target in self._create_task(ALICE.id, body, key)]
        created += [target for body, key in bobs for target in self._create_task(BOB.id, body, key)]
        return multiple(Target(ALICE.id, NO_TASK, {"title": "a"}, None), *created)

    @rule(target=targets, user=choices.users, body=choices.bodies, key=choices.keys)
    def create_task(self, user: str, body: dict[str, Any], key: str | None) -> MultipleResults[Target]:
        return multiple(*self._create_task(user, body, key))

    @rule(target=targets, task=targets, by_another=choices.rarely, default=st.sampled_from([{}, {"description": None}]))
    def create_task_again(self, task: Target, by_another: bool, default: dict[str, Any]) -> MultipleResults[Target]:
        """It is the same body whether a description that is null is sent or not."""
        user = OTHERS[task.owner] if by_another else task.owner
        return multiple(*self._create_task(user, {**default, **task.body}, task.key))

    @rule(task=targets, by_another=choices.rarely, condition=choices.conditions)
    def get_task(self, task: Target, by_another: bool, condition: str | None) -> None:
        user = self._choose_user(task, by_another=by_another)
        tags = self._model.task_tags[task.id]
        if_none_match = _write_condition(condition, tags)
        seen = self._call(GET_TASK, user, task.id, headers=_name_header("If-None-Match", if_none_match))
        _compare(seen, self._model.get_task(user, task.id, if_none_match))
        self._note_condition(GET_TASK, condition, tags, seen)

    @rule(task=targets, by_another=choices.rarely, patch=choices.patches, condition=choices.conditions)
    def update_task(self, task: Target, by_another: bool, patch: dict[str, Any], condition: str | None) -> None:
        self._update_task(self._choose_user(task, by_another=by_another), task, patch, condition)

    @rule(task=targets, is_completed=st.booleans())
    def complete_task(self, task: Target, is_completed: bool) -> None:
        self._update_task(self._users[task.owner], task, {"is_completed": is_completed})

    @rule(task=targets, by_another=choices.rarely, condition=choices.conditions)
    def delete_task(self, task: Target, by_another: bool, condition: str | None) -> None:
        user = self._choose_user(task, by_another=by_another)
        tags = self._model.task_tags[task.id]
        if_match = _write_condition(condition, tags)
        seen = self._call(DELETE_TASK, user, task.id, headers=_name_header("If-Match", if_match))
        _compare(seen, self._model.delete_task(user, task.id, if_match))
        self._note_condition(DELETE_TASK, condition, tags, seen)

    @rule(user=choices.users, query=choices.queries, condition=choices.conditions)
    def list_tasks(self, user: str, query: Query, condition: str | None) -> None:
        owner = self._users[user]
        tags = self._model.list_tags[owner]
        if condition is not None and tags.present is None:
            self._list_tasks(owner, Query())
        if_none_match = _write_condition(condition, tags)
        seen = self._list_tasks(owner, query, if_none_match)
        self._note_condition(LIST_TASKS, condition, tags, seen)

    @rule(target=walks, user=choices.users, query=choices.long_queries)
    def begin_a_walk(self, user: str, query: Query) -> MultipleResults[Walk]:
        owner = self._users[user]
        seen = self._list_tasks(owner, query)
        return multiple(self._model.begin_walk(owner, query, seen)) if seen.link else multiple()

    @rule(target=walks, walk=consumes(walks))
    def turn_the_page(self, walk: Walk) -> MultipleResults[Walk]:
        self._turn_page(walk)
        return multiple(walk) if walk.link else multiple()

    @rule(walk=consumes(walks))
    def walk_to_the_end(self, walk: Walk) -> None:
        while walk.link:
            self._turn_page(walk)

    @rule(walk=walks, user=choices.users, query=choices.queries, is_same_list=st.booleans())
    def use_a_cursor_elsewhere(self, walk: Walk, user: str, query: Query, is_same_list: bool) -> None:
        """It is good for pages of another length, and of no use for another's tasks or another list."""
        owner = self._users[user]
        cursor = httpx.URL(walk.link or "").params["cursor"]
        if is_same_list:
            owner, query = walk.user, walk.query.repeat(query)
        seen = self._call(LIST_TASKS, owner, params={**query.parameters, "cursor": cursor})
        if owner == walk.user and query.agrees_with(walk.query):
            query = replace(walk.query, limit=query.limit)
            _compare(seen, self._model.list_tasks(owner, query, seen, after=walk.seen[-1]))
            self.tally["a cursor for pages of another length"] += 1
        else:
            _compare(seen, CURSOR_OF_ANOTHER)
            self.tally["a cursor of another list"] += 1

    @rule(user=choices.users, task=targets, mistake=st.sampled_from(sorted(MISTAKES)))
    def make_a_mistake(self, user: str, task: Target, mistake: str) -> None:
        made = MISTAKES[mistake]
        _compare(self._call(made.operation, self._users[user], task.id, **made.options), made.answer)
        self.tally[mistake] += 1

    @rule(user=choices.users, task=targets, operation=choices.operations)
    def take_anothers_path(self, user: str, task: Target, operation: str) -> None:
        (called,) = (known for known in OPERATIONS if known.id == operation)
        other = self._users[OTHERS[user]]
        _compare(self._call(called, other, task.id, headers=self._headers[self._users[user]]), NOT_YOUR_PATH)
        self.tally[f"{operation} at another's path"] += 1

    def _choose_user(self, task: Target, *, by_another: bool) -> User:
        return self._users[OTHERS[task.owner] if by_another else task.owner]

    def _create_task(self, user: str, body: dict[str, Any], key: str | None = None) -> list[Target]:
        owner = self._users[user]
        is_retry = (owner, key) in self._model.first_creates
        is_anothers = (self._users[OTHERS[user]], key) in self._model.first_creates
        seen = self._call(CREATE_TASK, owner, json=body, headers=_name_header("Idempotency-Key", key))
        _compare(seen, self._model.create_task(owner, body, key, seen))
        if is_retry:
            self._note_retry(seen)
        self.tally["a key that another user has used"] += is_anothers and not is_retry
        return [] if is_retry else [Target(user, seen.body["id"], body, key)]

    def _note_retry(self, seen: Answer) -> None:
        if seen.status == 201:
            now = self._model.tasks.get(seen.body["id"])
            self.tally[
                f"a retry, its task {'deleted' if not now else 'as it was' if now == seen.body else 'changed'}"
            ] += 1
        else:
            self.tally["a key with another body"] += 1

    def _update_task(self, user: User, task: Target, patch: dict[str, Any], condition: str | None = None) -> None:
        tags = self._model.task_tags[task.id]
        if_match = _write_condition(condition, tags)
        seen = self._call(UPDATE_TASK, user, task.id, json=patch, headers=_name_header("If-Match", if_match))
        _compare(seen, self._model.update_task(user, task.id, patch, if_match, seen))
        self._note_condition(UPDATE_TASK, condition, tags, seen)
        self.tally[f"updateTask {seen.status} with an empty patch"] += not patch

    def _list_tasks(self, owner: User, query: Query, if_none_match: str | None = None) -> Answer:
        headers = _name_header("If-None-Match", if_none_match)
        seen = self._call(LIST_TASKS, owner, params=query.parameters, headers=headers)
        _compare(seen, self._model.list_tasks(owner, query, seen, if_none_match=if_none_match))
        return seen

    def _turn_page(self, walk: Walk) -> None:
        seen = self._call(LIST_TASKS, walk.user, path=walk.link)
        _compare(seen, self._model.list_tasks(walk.user, walk.query, seen, after=walk.seen[-1]))
        self._model.go_on(walk, seen)
        self.tally["a page after a change"] += walk.changes > 0
        if not walk.link:
            walk.check_end()
            self.tally["a walk to its end across changes"] += walk.changes > 1

    def _call(self, operation: Operation, owner: User, task_id: int = 1, **options: Any) -> Answer:  # noqa: ANN401  httpx's own options
        headers = {**self._headers[owner], **options.pop("headers", {})}
        response = operation.call(self.client, owner, task_id, headers=headers, **options)
        self.answers[f"{operation.id} {response.status_code}"] += 1
        link = response.links.get("next", {}).get("url")
        return Answer(
            response.status_code,
            response.json() if response.content else None,
            response.headers.get("ETag"),
            response.headers.get("Location"),
            has_next=link is not None,
            link=link,
        )

    def _note_condition(self, operation: Operation, condition: str | None, tags: Tags, seen: Answer) -> None:
        if condition is not None and "," not in condition and ("past" not in condition or tags.past):
            self.tally[f"{operation.id} {seen.status} on {condition}"] += 1


def _compare(seen: Answer, expected: Answer) -> None:
    assert seen == expected, f"\nthe server: {seen}\nthe model:  {expected}"


def _write_condition(condition: str | None, tags: Tags) -> str | None:
    """Put the tags in. What has none, or has had no other, is spoken of with one that nothing has."""
    past = tags.past[-1] if tags.past else '"none"'
    return condition and condition.format(present=tags.present or '"none"', past=past)


def _name_header(name: str, value: str | None) -> dict[str, str]:
    return {} if value is None else {name: value}
