"""Idle connections, in real time: the pool asks the real clock how long they have been idle."""

import random
import time

import anyio
from aiohttp import web
from aiohttp.typedefs import Handler

from support import FOX, open_session
from vidgo_async import SubmissionUnknownError
from vidgo_async.sandbox import Sandbox, reset_before

SESSIONS = 250
SUBMITS = 4
SERVER_CLOSES = 5.0
"""Seconds after which the server is done with an idle connection."""


class FarAway:
    """A fault: the server closed an idle connection, and the client cannot know it yet.

    On one machine a client sees at once that a connection was closed. Over a network what it
    sends in that moment crosses the farewell on its way, and is answered by a reset.
    """

    def __init__(self) -> None:
        self._answered: dict[object, float] = {}

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        now = time.monotonic()
        last = self._answered.get(request.protocol, now)
        self._answered[request.protocol] = now
        if now - last >= SERVER_CLOSES:
            return await reset_before(request, handler)
        return await handler(request)


async def test_a_thousand_submits_after_idle_times() -> None:
    """A server that closes idle connections at 5 s never makes a submit's outcome unknown."""
    chance = random.Random(1)
    unknown: list[SubmissionUnknownError] = []

    async def submit_now_and_then() -> None:
        async with open_session(sandbox) as vidgo:
            for _ in range(SUBMITS):
                try:
                    await vidgo.submit(FOX)
                except SubmissionUnknownError as error:
                    unknown.append(error)
                await anyio.sleep(chance.choice([0.1, chance.uniform(3.5, 5.5)]))

    async with Sandbox(credits=10_000, keepalive=60) as sandbox:
        sandbox.inject(FarAway(), call="submit", times=None)
        async with anyio.create_task_group() as group:
            for _ in range(SESSIONS):
                group.start_soon(submit_now_and_then)
    assert unknown == []
    assert sandbox.sold == sandbox.received["submit"] == SESSIONS * SUBMITS
