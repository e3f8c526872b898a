"""What another user notices of searches that are meant to hurt. `python -m tests.benchmarks.searches`."""

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from threading import Event
from urllib.parse import quote, urlsplit

import httpx

from tests.benchmarks.servers import TASKFLOW, run_contender
from tests.benchmarks.stage import SERVER_CORE, open_stage
from tests.support.cast import ALICE, BOB, User
from tests.support.tasks import create_task
from tests.support.wire import write_head

SECONDS = 8
PATTERNS = {"first": "b" + "a" * 199, "middle": "a" * 100 + "b" + "a" * 99, "last": "a" * 199 + "b"}
"""Searches that nearly fit everywhere in a text of `a` alone, by the place of the wrong letter."""

CAROL = User("carol")
CLIENTS = 40
"""Of each attacker: as many as keep all connections to the database busy, several times."""


def main() -> None:
    with ExitStack() as stack:
        url, database = stack.enter_context(open_stage())
        database.execute(
            "INSERT INTO tasks (user_id, title, description)"
            " SELECT owner, 'x', repeat('a', 1000000) FROM unnest(%s::text[]) AS owner, generate_series(1, 10)",
            [[ALICE.id, CAROL.id]],
        )
        base_url, _ = stack.enter_context(run_contender(TASKFLOW, url, cores=SERVER_CORE))
        bob = stack.enter_context(httpx.Client(base_url=base_url, headers=BOB.headers, timeout=60))
        path = f"{BOB.tasks}/{create_task(bob, BOB)['id']}"
        print("| Attack | another's gets | median | p95 | worst | 503 | /readyz |\n|---|---:|---:|---:|---:|---:|---:|")
        report("none", bob, path)
        for attackers in ([ALICE], [ALICE, CAROL]):
            for attack in (search, search_and_leave):
                for name, text in PATTERNS.items():
                    names = " and ".join(user.id for user in attackers)
                    title = f"{names}, {CLIENTS} clients each, {attack.__name__}, wrong letter {name}"
                    with run_attack(attack, base_url, attackers, text):
                        report(title, bob, path)


def report(title: str, client: httpx.Client, path: str) -> None:
    """Print what a user's gets take while the attack goes on."""
    seconds, failures, end = [], 0, time.perf_counter() + SECONDS
    while (started := time.perf_counter()) < end:
        failures += client.get(path).status_code != 200
        seconds.append(time.perf_counter() - started)
        time.sleep(0.01)
    seconds.sort()
    times = [seconds[len(seconds) // 2], seconds[int(0.95 * len(seconds))], seconds[-1]]
    milliseconds = " | ".join(f"{one * 1e3:.1f} ms" for one in times)
    ready = client.get("/readyz").status_code
    print(f"| {title} | {len(seconds)} | {milliseconds} | {failures} | {ready} |", flush=True)


Attack = Callable[[str, User, str, Event], None]


@contextmanager
def run_attack(attack: Attack, base_url: str, attackers: list[User], text: str) -> Iterator[None]:
    end = Event()
    with ThreadPoolExecutor(len(attackers) * CLIENTS) as pool:
        running = [pool.submit(attack, base_url, user, text, end) for user in attackers for _ in range(CLIENTS)]
        try:
            yield
        finally:
            end.set()
        for one in running:
            one.result()


def search(base_url: str, user: User, text: str, end: Event) -> None:
    """Search again and again, and wait for each answer."""
    with httpx.Client(base_url=base_url, headers=user.headers, timeout=60) as client:
        while not end.is_set():
            with suppress(httpx.RemoteProtocolError):
                client.get(user.tasks, params={"q": text})


def search_and_leave(base_url: str, user: User, text: str, end: Event) -> None:
    """Search again and again, and wait for nothing but a moment."""
    address = urlsplit(base_url)
    while not end.wait(0.05):
        with socket.create_connection((address.hostname, address.port)) as connection:
            connection.sendall(write_head("GET", f"{user.tasks}?q={quote(text)}".encode(), user=user))


if __name__ == "__main__":
    main()
