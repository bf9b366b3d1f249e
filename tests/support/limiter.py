"""Requests that hold a permit of the limiter until they are told to end."""

import asyncio
from typing import Any

import anyio.lowlevel
import pytest

from vidgo_async import RateLimitError, RetryPolicy
from vidgo_async._api.limiter import Caps, Limiter, WaitQueue
from vidgo_async._core.retry import Backoff

ITERATIONS = 3
"""Loop iterations in which a granted slot reaches its request."""


class Requests:
    """Requests that hold their slot until a test ends them."""

    def __init__(self, limiter: Limiter) -> None:
        self.limiter = limiter
        self.inside: list[str] = []
        self.starts: list[float] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._ends: dict[str, asyncio.Event] = {}

    def start(self, *names: str) -> None:
        """Start requests in this order; those whose name begins with a p are polls."""
        for name in names:
            self._ends[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._run(name))

    def end(self, *names: str) -> None:
        for name in names:
            self._ends[name].set()

    async def _run(self, name: str) -> None:
        queue = self.limiter.polls if name.startswith("p") else self.limiter.submits
        permit = await self.limiter.acquire(queue)
        self.inside.append(name)
        self.starts.append(asyncio.get_running_loop().time())
        try:
            await self._ends[name].wait()
        finally:
            self.inside.remove(name)
            permit.release()


def polite(limit: int = 1, rate: float | None = None, **caps: float) -> Limiter:
    caps_ = Caps(
        max_concurrent_requests=limit,
        max_concurrent_submits=limit,
        max_requests_per_second=rate,
        **caps,
    )
    return Limiter(caps_, Backoff(RetryPolicy(initial_delay=1.0, max_delay=30.0)))


async def refuse(queue: WaitQueue, limiter: Limiter, retry_after: float | None = None) -> None:
    """Send a request that is refused with 429 at once."""
    permit = await limiter.acquire(queue)
    permit.refused(RateLimitError("too fast", 429, retry_after=retry_after))
    permit.release()


async def accept(queue: WaitQueue, limiter: Limiter) -> None:
    """Send a request that is accepted at once."""
    permit = await limiter.acquire(queue)
    permit.accepted(limiter.now())
    permit.release()


async def run_loop() -> None:
    for _ in range(ITERATIONS):
        await anyio.lowlevel.checkpoint()


async def cancel(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
