"""Requests that hold a permit of the limiter until they are told to end."""

import asyncio

import anyio
import anyio.lowlevel
import pytest

from vidgo_async import RetryPolicy
from vidgo_async._api.limiter import Limiter
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
        lane = self.limiter.polls if name.startswith("p") else self.limiter.submits
        await self.limiter.acquire(lane)
        self.inside.append(name)
        self.starts.append(asyncio.get_running_loop().time())
        try:
            await self._ends[name].wait()
        finally:
            self.inside.remove(name)
            self.limiter.release(lane)


def polite(limit: int = 1, rate: float | None = None) -> Limiter:
    return Limiter(limit, rate, Backoff(RetryPolicy(initial_delay=1.0, max_delay=30.0)))


async def run_loop() -> None:
    for _ in range(ITERATIONS):
        await anyio.lowlevel.checkpoint()


def pause(limiter: Limiter) -> float:
    return limiter.resumes_at - anyio.current_time()


async def cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
