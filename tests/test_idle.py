"""Idle connections, in real time: the pool asks the real clock how long they have been idle."""

import random

import anyio

from support import FOX, open_session
from vidgo_async import SubmissionUnknownError
from vidgo_async.sandbox import Sandbox

SESSIONS = 250
SUBMITS = 4


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
                # Most of them around the moment at which the server closes.
                await anyio.sleep(chance.choice([0.1, chance.uniform(3.5, 5.5)]))

    async with Sandbox(credits=10_000) as sandbox, anyio.create_task_group() as group:
        for _ in range(SESSIONS):
            group.start_soon(submit_now_and_then)
    assert unknown == []
    assert sandbox.sold == sandbox.received["submit"] == SESSIONS * SUBMITS
