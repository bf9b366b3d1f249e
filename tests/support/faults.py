"""Faults that only observe: when requests came, and how many were in flight."""

import anyio
from aiohttp import web
from aiohttp.typedefs import Handler

SAFE_503 = {"code": 503, "error": {"message": "busy", "type": "service_error"}}


class Clock:
    """A fault that only notes when a request came."""

    def __init__(self) -> None:
        self.times: list[float] = []

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.times.append(anyio.current_time())
        return await handler(request)

    @property
    def gaps(self) -> list[float]:
        """Seconds between one request and the next."""
        return [b - a for a, b in zip(self.times, self.times[1:], strict=False)]
