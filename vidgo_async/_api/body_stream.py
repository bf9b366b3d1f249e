"""A request body that is sent in pieces, and the time that the exchange has while it moves."""

import asyncio
import contextlib
from typing import Protocol, Self


class Body(Protocol):
    """What is sent, piece by piece as it is read."""

    @property
    def size(self) -> int:
        """Bytes in all."""
        ...

    @property
    def content_type(self) -> str:
        """The header of this name."""
        ...

    async def read(self) -> bytes:
        """Return the next piece; nothing at the end."""
        ...


class Outflow:
    """Reads a body as it is sent, and puts the end of the exchange off with each piece.

    No async generator: one that is left half-way would have to be closed by somebody.
    """

    def __init__(self, body: Body, scope: asyncio.Timeout, stall: float) -> None:
        self.ended: bool = False
        """Whether all of it was sent."""
        self._body = body
        self._scope = scope
        """Bounds the exchange; not moved beyond where it was at first."""
        self._stall = stall
        """Seconds that one piece may take, and the answer after the last."""
        self._latest = scope.when()

    @property
    def headers(self) -> dict[str, str]:
        """The headers that tell of the body."""
        return {"Content-Type": self._body.content_type, "Content-Length": str(self._body.size)}

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Return the next piece; whoever asks for it has sent the last one."""
        self._moved()
        piece = await self._body.read()
        if not piece:
            self.ended = True
            raise StopAsyncIteration
        return piece

    def _moved(self) -> None:
        due = asyncio.get_running_loop().time() + self._stall
        with contextlib.suppress(RuntimeError):  # the exchange is over
            self._scope.reschedule(due if self._latest is None else min(due, self._latest))
