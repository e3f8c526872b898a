"""Five hundred clients at once, each with the whole life of a task, ten times over."""

import asyncio
import time

import uvloop

from tests.soak.clients import Client, Tally, live
from tests.soak.stage import Stage, open_stage
from tests.support.cast import User

CLIENTS = 500
LIVES = 10


def run_lives() -> None:
    print(f"# {CLIENTS} clients at once, each {LIVES} times: create, list, get, patch, delete")
    with open_stage() as stage:
        uvloop.run(_run_all(stage))
        print(f"left: {stage.describe()}\n", flush=True)


async def _run_all(stage: Stage) -> None:
    tally = Tally()
    started = time.perf_counter()
    await asyncio.gather(*(_run(stage, User(f"user-{number}"), tally) for number in range(CLIENTS)))
    print(f"{tally.describe()}, {len(tally.seconds) / (time.perf_counter() - started):.0f}/s")


async def _run(stage: Stage, user: User, tally: Tally) -> None:
    client = await Client.open(stage.address, user)
    for _ in range(LIVES):
        await live(client, user, tally)
    client.leave()
