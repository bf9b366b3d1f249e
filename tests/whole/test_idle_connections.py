"""Idle connections, in real time: the pool asks the real clock how long they have been idle."""

import asyncio
import itertools
import random

import anyio
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.sessions import FOX, open_session
from vidgo_async import SubmissionUnknownError
from vidgo_async.sandbox import Sandbox, reset_before

SESSIONS = 500
STARTING = 5.0
"""Seconds within which the sessions are opened, so that none waits for another."""
BEAT = 0.05
"""Seconds between two counts of the idle time."""
SERVER_CLOSES = 5.0
"""Seconds after which the server is done with an idle connection."""


class DistantServer:
    """A fault: the server closed an idle connection, and the client cannot know it yet.

    On one machine a client sees at once that a connection was closed. Over a network what it
    sends in that moment crosses the server's FIN, and is answered by a reset. Idle time
    is counted in beats of the loop: a machine that stands still makes no connection idle.
    """

    def __init__(self) -> None:
        self._beats = 0
        self._answered: dict[object, int] = {}

    async def beat(self) -> None:
        """Count the time; runs until it is cancelled."""
        for self._beats in itertools.count():
            await asyncio.sleep(BEAT)

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        idle = self._beats - self._answered.get(request.protocol, self._beats)
        if idle * BEAT >= SERVER_CLOSES:
            return await reset_before(request, handler)
        answer = await handler(request)
        self._answered[request.protocol] = self._beats
        return answer


async def test_a_thousand_submits_after_idle_times() -> None:
    """A server that closes idle connections at 5 s never makes a submit's outcome unknown."""
    chance = random.Random(1)
    unknown: list[SubmissionUnknownError] = []
    distant = DistantServer()

    async def submit_twice() -> None:
        await anyio.sleep(chance.uniform(0, STARTING))
        async with open_session(sandbox) as vidgo:
            for pause in (chance.choice([0.1, chance.uniform(3.5, 6.5)]), 0):
                try:
                    await vidgo.submit(FOX)
                except SubmissionUnknownError as error:
                    unknown.append(error)
                await anyio.sleep(pause)

    async with Sandbox(credits=10_000, keepalive=60) as sandbox:
        sandbox.inject(distant, call="submit", times=None)
        beating = asyncio.create_task(distant.beat())
        async with anyio.create_task_group() as group:
            for _ in range(SESSIONS):
                group.start_soon(submit_twice)
        beating.cancel()
    assert unknown == []
    assert sandbox.sold == sandbox.received["submit"] == 2 * SESSIONS
