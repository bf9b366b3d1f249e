"""Faults that observe: when requests came, and how many were in flight."""

import anyio
from aiohttp import web
from aiohttp.typedefs import Handler

SAFE_503 = {"code": 503, "error": {"message": "busy", "type": "service_error"}}


class RequestTimes:
    """A fault that records when each request came."""

    def __init__(self) -> None:
        self.times: list[float] = []

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.times.append(anyio.current_time())
        return await handler(request)

    @property
    def gaps(self) -> list[float]:
        """Seconds between one request and the next."""
        return [b - a for a, b in zip(self.times, self.times[1:], strict=False)]


class InFlight:
    """A fault that counts the requests it holds, for some seconds or until `release`."""

    def __init__(self, seconds: float | None = None) -> None:
        self.count = self.most = 0
        self._seconds = seconds
        self._released = anyio.Event()

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.count += 1
        self.most = max(self.most, self.count)
        with anyio.move_on_after(self._seconds):
            await self._released.wait()
        self.count -= 1
        return await handler(request)

    def release(self) -> None:
        """Let all requests pass, those to come too."""
        self._released.set()
