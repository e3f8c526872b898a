"""The limit: an ASGI function that checks the token's signature and nothing else, on psycopg's own pool.

No routing but by the number of segments, no validation, no log, no CORS; it takes every request for a right one.
"""

import os
from typing import Any

import jwt
import orjson
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
    os.environ["DATABASE_URL"],
    min_size=10,
    max_size=10,
    kwargs={"autocommit": True, "row_factory": dict_row},
    open=False,
)
SECRET = os.environ["BETTER_AUTH_SECRET"]

COLUMNS = "id, user_id, title, description, is_completed, created_at, updated_at"
LIST = f"SELECT {COLUMNS} FROM tasks WHERE user_id = %s ORDER BY id"  # noqa: S608  constants
GET = f"SELECT {COLUMNS} FROM tasks WHERE id = %s AND user_id = %s"  # noqa: S608
CREATE = f"INSERT INTO tasks (user_id, title, description) VALUES (%s, %s, %s) RETURNING {COLUMNS}"  # noqa: S608
DELETE = "DELETE FROM tasks WHERE id = %s AND user_id = %s"


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401  ASGI's callables
    if scope["type"] == "lifespan":
        await run_lifespan(receive, send)
        return
    token = next(value for name, value in scope["headers"] if name == b"authorization")[7:]
    user = jwt.decode(token, SECRET, algorithms=["HS256"])["sub"]
    segments = scope["path"].split("/")
    status, content = await answer(scope["method"], user, segments[4:], receive)
    body = b"" if content is None else orjson.dumps(content, option=orjson.OPT_UTC_Z)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def answer(method: str, user: str, task: list[str], receive: Any) -> tuple[int, object]:  # noqa: ANN401
    async with pool.connection() as connection:
        if method == "GET" and not task:
            return 200, await (await connection.execute(LIST, [user])).fetchall()
        if method == "GET":
            return 200, await (await connection.execute(GET, [int(task[0]), user])).fetchone()
        if method == "DELETE":
            await connection.execute(DELETE, [int(task[0]), user])
            return 204, None
        body = orjson.loads((await receive())["body"])
        if method == "POST":
            values = [user, body["title"], body.get("description")]
            return 201, await (await connection.execute(CREATE, values)).fetchone()
        assignments = ", ".join(f"{column} = %s" for column in body)
        update = (
            f"UPDATE tasks SET {assignments}, updated_at = now() WHERE id = %s AND user_id = %s RETURNING {COLUMNS}"  # noqa: S608
        )
        return 200, await (await connection.execute(update, [*body.values(), int(task[0]), user])).fetchone()


async def run_lifespan(receive: Any, send: Any) -> None:  # noqa: ANN401
    await receive()
    await pool.open(wait=True)
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await pool.close()
    await send({"type": "lifespan.shutdown.complete"})
