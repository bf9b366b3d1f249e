"""Batches in a database: added from anywhere, run by any worker, followed by anybody."""

import asyncio

from tests.support.sessions import foxes, open_session
from vidgo_async import FixedPolling, Outcome
from vidgo_async.queue import BatchQueue
from vidgo_async.sandbox import Sandbox


async def followed(queue: BatchQueue, batch: str = "foxes") -> list[Outcome]:
    """Return all outcomes of a batch."""
    return [outcome async for outcome in queue.outcomes(batch)]


async def test_a_batch_runs(queue: BatchQueue, sandbox: Sandbox) -> None:
    """What is added is bought by a worker, and followed to its end."""
    assert await queue.add("foxes", foxes(5)) == 5
    async with open_session(sandbox, polling=FixedPolling(0.05)) as vidgo:
        async with asyncio.timeout(20):
            await queue.work(vidgo, until_empty=True)
        outcomes = await followed(queue)
    assert sorted(outcome.index for outcome in outcomes) == [0, 1, 2, 3, 4]
    assert all(outcome.ok for outcome in outcomes)
    assert sandbox.sold == 5
