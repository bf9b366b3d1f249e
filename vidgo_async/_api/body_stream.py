"""A request body that is sent in chunks, each of which extends the deadline of the exchange."""

from collections.abc import Callable
from typing import Protocol, Self

from vidgo_async._core.concurrency import now
from vidgo_async._core.deadlines import Deadline


class Body(Protocol):
    """A body that is read while it is sent."""

    @property
    def size(self) -> int:
        """Bytes in all."""
        ...

    @property
    def content_type(self) -> str:
        """The `Content-Type` header."""
        ...

    async def read(self) -> bytes:
        """Return the next chunk; nothing at the end."""
        ...


class BodyStream:
    """Streams a body and extends the deadline with each chunk.

    A class, not an async generator, so an aborted upload needs no `aclose`.
    """

    def __init__(
        self,
        body: Body,
        scope: Deadline,
        stall_timeout: float,
        on_chunk: Callable[[], object],
    ) -> None:
        self.complete: bool = False
        """Whether all of it was sent."""
        self._body = body
        self._scope = scope
        """Bounds the exchange; never extended beyond its first deadline."""
        self._stall_timeout = stall_timeout
        """Seconds that one chunk may take, and the response after the last."""
        self._on_chunk = on_chunk
        """Called before a chunk is sent."""
        self._latest = scope.due

    @property
    def headers(self) -> dict[str, str]:
        """The headers that describe the body."""
        return {"Content-Type": self._body.content_type, "Content-Length": str(self._body.size)}

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Return the next chunk; asking for it means that the last one was sent."""
        self._extend()
        chunk = await self._body.read()
        if not chunk:
            self.complete = True
            raise StopAsyncIteration
        self._on_chunk()
        return chunk

    def _extend(self) -> None:
        self._scope.reschedule(min(now() + self._stall_timeout, self._latest))
