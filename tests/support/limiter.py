"""Requests that hold a permit of the limiter until they are told to end."""

import asyncio

import anyio
import anyio.lowlevel
import pytest

from vidgo_async import RetryPolicy
from vidgo_async._api.limiter import Throttle

ITERATIONS = 3
"""Loop iterations in which a granted slot reaches its request."""


class Requests:
    """Requests that hold their slot until a test ends them."""

    def __init__(self, throttle: Throttle) -> None:
        self.throttle = throttle
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
        lane = self.throttle.polls if name.startswith("p") else self.throttle.submits
        await self.throttle.acquire(lane)
        self.inside.append(name)
        self.starts.append(asyncio.get_running_loop().time())
        try:
            await self._ends[name].wait()
        finally:
            self.inside.remove(name)
            self.throttle.release(lane)


def polite(limit: int = 1, rate: float | None = None) -> Throttle:
    return Throttle(limit, rate, RetryPolicy(initial_delay=1.0, max_delay=30.0))


async def run_loop() -> None:
    for _ in range(ITERATIONS):
        await anyio.lowlevel.checkpoint()


def pause(throttle: Throttle) -> float:
    return throttle.resumes_at - anyio.current_time()


async def cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
