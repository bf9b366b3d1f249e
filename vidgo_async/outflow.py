"""A request body that is sent in pieces, and the time that the exchange has while it moves."""

import asyncio
import contextlib
from typing import Protocol, Self

import attrs


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


@attrs.define(eq=False, repr=False)
class Outflow:
    """Reads a body as it is sent, and puts the end of the exchange off with each piece.

    No async generator: one that is left half-way would have to be closed by somebody.
    """

    _body: Body
    _scope: asyncio.Timeout
    """Bounds the exchange; not moved beyond where it was at first."""
    _stall: float
    """Seconds that one piece may take, and the answer after the last."""
    ended: bool = attrs.field(init=False, default=False)
    """Whether all of it was sent."""
    _latest: float | None = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._latest = self._scope.when()

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
