"""The user's requests: any iterable or async iterable, read one at a time."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Iterator
from types import TracebackType
from typing import Self, cast

from vidgo_async._core.models import Request

Requests = Iterable[Request] | AsyncIterable[Request]


class End:
    """What comes after the last request."""


_END = End()


class RequestSource:
    """Reads both kinds of iterables alike.

    An async generator is closed by the task that reads it: the scopes in it belong to that task.
    """

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._iterator: Iterator[Request] | AsyncIterator[Request]
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        if not isinstance(self._requests, AsyncIterable):
            self._iterator = iter(self._requests)
            return self
        stream: AsyncIterator[Request] = aiter(self._requests)
        self._iterator = stream
        if isinstance(stream, AsyncGenerator):
            generator = cast("AsyncGenerator[Request]", stream)
            self._stack.push_async_callback(generator.aclose)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def next(self) -> Request | End:
        """Return the next request; an `End` after the last."""
        if isinstance(self._iterator, AsyncIterator):
            return await anext(self._iterator, _END)
        return next(self._iterator, _END)
