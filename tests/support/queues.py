"""Workers on a queue, and what a batch of it came to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from tests.support.sessions import open_session
from vidgo_async import FixedPolling, Outcome, VidgoSession
from vidgo_async.queue import BatchQueue
from vidgo_async.sandbox import Sandbox

PATIENCE = 30.0
"""Seconds after which a test gives up."""


def worker_session(sandbox: Sandbox, **settings: Any) -> VidgoSession:
    """Make a session that polls often."""
    return open_session(sandbox, **{"polling": FixedPolling(0.05), **settings})


async def run_all(queue: BatchQueue, sandbox: Sandbox, **options: Any) -> None:
    """Work until nothing is left."""
    async with asyncio.timeout(PATIENCE), worker_session(sandbox) as vidgo:
        await queue.work(vidgo, until_empty=True, **options)


async def followed(queue: BatchQueue, batch: str = "foxes", **options: Any) -> list[Outcome]:
    """Return all outcomes of a batch, in the order of its requests."""
    async with asyncio.timeout(PATIENCE):
        outcomes = [outcome async for outcome in queue.outcomes(batch, **options)]
    return sorted(outcomes, key=lambda outcome: outcome.index)


async def ran(
    queue: BatchQueue, sandbox: Sandbox, batch: str = "foxes", **options: Any
) -> list[Outcome]:
    """Work until nothing is left; return the outcomes of a batch."""
    await run_all(queue, sandbox, **options)
    return await followed(queue, batch)


async def states(queue: BatchQueue, batch: str = "foxes") -> list[str]:
    """Return the states of the entries of a batch."""
    return [entry.state for entry in await queue.entries(batch)]


async def until(condition: Callable[[], object]) -> None:
    """Wait until something is so, of which nobody tells."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - as it says
            await asyncio.sleep(0.01)


def has_sold(sandbox: Sandbox, count: int) -> bool:
    """Tell whether a server has sold so many tasks."""
    return sandbox.sold >= count


@contextlib.asynccontextmanager
async def working(
    queue: BatchQueue, vidgo: VidgoSession, **options: Any
) -> AsyncIterator["asyncio.Task[None]"]:
    """Let a worker run for as long as the block lasts."""
    task = asyncio.create_task(queue.work(vidgo, **options))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})
