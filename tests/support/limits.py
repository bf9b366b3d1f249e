"""Limits that servers have: so many requests a time, so many tasks at once."""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Protocol

from aiohttp import web
from aiohttp.typedefs import Handler

from vidgo_async.sandbox import Fault, Sandbox, answer

REFUSE = answer(429)
ROUND_TRIP = 0.1
"""Seconds from a request to its response; the server decides in the middle."""


class ServerLimit(Protocol):
    """What decides of each request whether it is allowed."""

    def allows(self, now: float) -> bool:
        """Count a request, if it is allowed."""
        ...


class FixedWindow:
    """So many in each stretch of so many seconds."""

    def __init__(self, number: int, length: float, phase: float = 0.0) -> None:
        self.number = number
        self.length = length
        self._phase = phase
        self._window = -1
        self._count = 0

    def allows(self, now: float) -> bool:
        window = int((now + self._phase) // self.length)
        if window != self._window:
            self._window, self._count = window, 0
        self._count += self._count < self.number + 1
        return self._count <= self.number


class SlidingWindow:
    """So many in any stretch of so many seconds."""

    def __init__(self, number: int, length: float) -> None:
        self.number = number
        self.length = length
        self._accepted = deque[float]()

    def allows(self, now: float) -> bool:
        while self._accepted and self._accepted[0] <= now - self.length:
            self._accepted.popleft()
        if len(self._accepted) >= self.number:
            return False
        self._accepted.append(now)
        return True


class Bucket:
    """So many a second, of which those of one second may be saved up."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._tokens = rate
        self._at = -math.inf

    def allows(self, now: float) -> bool:
        self._tokens = min(self.rate, self._tokens + (now - self._at) * self.rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class AtOnce:
    """So many tasks of a sandbox that run at a time."""

    def __init__(self, sandbox: Sandbox, number: int) -> None:
        self.number = number
        self._sandbox = sandbox
        self._admitted = 0
        """Submits that were allowed."""

    def allows(self, now: float) -> bool:
        ended = sum(task.ends_at <= now for task in self._sandbox.tasks.values())
        if self._admitted - ended >= self.number:
            return False
        self._admitted += 1
        return True


def limited(limit: ServerLimit, on_refused: Callable[[], object] = lambda: None) -> Fault:
    """Return the fault that refuses what a limit does not allow."""

    async def limited(request: web.Request, handler: Handler) -> web.StreamResponse:
        await asyncio.sleep(ROUND_TRIP / 2)
        allowed = limit.allows(asyncio.get_running_loop().time())
        if allowed:
            response = await handler(request)
        else:
            on_refused()
            response = await REFUSE(request, handler)
        await asyncio.sleep(ROUND_TRIP / 2)
        return response

    return limited
