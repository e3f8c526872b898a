"""Mixed load for a quarter of an hour: good clients, wrong ones, and some that leave in the middle."""

import asyncio
import time
from itertools import count

import uvloop

from tests.soak.clients import Client, Tally, live
from tests.soak.stage import Stage, open_stage
from tests.support.cast import User

GOOD = 30
READERS = 5
WRONG = 5
LEAVERS = 10
LONG_LIST = 5_000
READER = User("reader")


def endure(*, minutes: int) -> None:
    print(
        f"# Mixed load for {minutes} minutes: {GOOD} lives, {READERS} long lists, {WRONG} wrong, {LEAVERS} that leave"
    )
    with open_stage() as stage:
        stage.database.execute(
            "INSERT INTO tasks (user_id, title, description) SELECT %s, 'Task ' || n, repeat('x', n %% 300)"
            " FROM generate_series(1, %s) AS n",
            [READER.id, LONG_LIST],
        )
        uvloop.run(_run_all(stage, minutes))
        time.sleep(6)  # KEEP_ALIVE_TIMEOUT
        print(f"left: {stage.describe()}\n", flush=True)


async def _run_all(stage: Stage, minutes: int) -> None:
    tally = Tally()
    until = time.monotonic() + minutes * 60
    kinds = [(_live_on, GOOD), (_read_on, READERS), (_err_on, WRONG), (_leave_on, LEAVERS)]
    tasks = [
        asyncio.create_task(kind(stage, User(f"{kind.__name__}-{number}"), tally, until))
        for kind, size in kinds
        for number in range(size)
    ]
    for minute in range(minutes):
        await asyncio.sleep(60)
        seconds, tally.seconds = tally.seconds, []
        described = Tally(seconds, tally.wrong).describe()
        print(f"minute {minute + 1:2}: {stage.describe()}; {described}", flush=True)
    await asyncio.gather(*tasks)


async def _live_on(stage: Stage, user: User, tally: Tally, until: float) -> None:
    while time.monotonic() < until:
        client = await Client.open(stage.address, user)
        for _ in range(20):
            await live(client, user, tally)
        client.leave()


async def _read_on(stage: Stage, _user: User, tally: Tally, until: float) -> None:
    """Read a list of several pages, to the end of the connection."""
    while time.monotonic() < until:
        reader, writer = await asyncio.open_connection(*stage.address)
        head = f"GET {READER.tasks} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {READER.token}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode())
        answer = await reader.read()
        if not answer.endswith(b"]\r\n0\r\n\r\n") or answer.count(b'"title"') != LONG_LIST:
            tally.wrong.append("a long list that is not whole")
        writer.close()
        await asyncio.sleep(0.2)


async def _err_on(stage: Stage, user: User, tally: Tally, until: float) -> None:
    client = await Client.open(stage.address, user)
    while time.monotonic() < until:
        tally.note(await client.send("POST", user.tasks, title=""), 422)
        tally.note(await client.send("GET", f"{user.tasks}/1"), 403)
        tally.note(await client.send("GET", User("somebody").tasks), 403)
        tally.note(await client.send("GET", "/nowhere"), 404)
        tally.note(await client.send("PUT", user.tasks), 405)
        await asyncio.sleep(0.05)
    client.leave()


async def _leave_on(stage: Stage, user: User, _tally: Tally, until: float) -> None:
    for number in count():
        if time.monotonic() > until:
            return
        reader, writer = await asyncio.open_connection(*stage.address)
        head = f"POST {user.tasks} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {user.token}\r\n"
        request = f'{head}Content-Length: 21\r\n\r\n{{"title": "Too late"}}'.encode()
        writer.write((request[:-5], request, b"rubbish\r\n\r\n", request[:40])[number % 4])
        await asyncio.sleep(0.02 * (number % 3))
        writer.transport.abort()
        await asyncio.sleep(0.05)
        del reader
