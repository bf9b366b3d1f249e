"""Long work in pieces, so that the loop, which others use too, is never held for long."""

import asyncio
import functools
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Generic, TypeVar

from vidgo_async._core.concurrency import wait_shielded

_Item = TypeVar("_Item")

AT_ONCE = 256
"""Items of one piece: with 10 microseconds each it takes a few milliseconds."""


class Pieces(Generic[_Item]):
    """Handles many items: the first now, the others in later iterations of the loop."""

    __slots__ = ("_handle", "_items", "_next", "_on_bug", "_then")

    def __init__(
        self,
        items: Iterable[_Item],
        handle: Callable[[_Item], object],
        on_bug: Callable[[BaseException], object] | None = None,
    ) -> None:
        """Begin.

        Args:
            items: What is handled; it must not change meanwhile.
            handle: Called with each.
            on_bug: Called if that raises, which ends the work; without it the other items are
                handled all the same.
        """
        self._items: Iterator[_Item] = iter(items)
        self._handle = handle
        self._on_bug = on_bug
        self._then: Callable[[], object] | None = None
        self._next: asyncio.Handle | None = None
        self._step()

    @property
    def done(self) -> bool:
        """Whether all was handled, or it was stopped."""
        return self._next is None

    def then(self, callback: Callable[[], object]) -> None:
        """Call back once all is handled; now, if it is."""
        if self.done:
            callback()
        else:
            self._then = callback

    def stop(self) -> None:
        """Handle no more, and call nothing back."""
        self._then = None
        if self._next is not None:
            self._next.cancel()
            self._next = None

    async def wait(self) -> None:
        """Wait until all is handled, and only then let a cancellation through."""
        finished = asyncio.get_running_loop().create_future()
        self.then(functools.partial(finished.set_result, None))
        await wait_shielded({finished})

    def _step(self) -> None:
        self._next = None
        count = 0
        try:
            for count, item in enumerate(islice(self._items, AT_ONCE), 1):  # noqa: B007 - counted
                self._handle(item)
        except BaseException as bug:
            if self._on_bug is None:
                self._go_on()
                raise
            self._on_bug(bug)
            if isinstance(bug, KeyboardInterrupt | SystemExit):
                raise
            return
        if count == AT_ONCE:
            self._go_on()
        elif self._then is not None:
            then, self._then = self._then, None
            then()

    def _go_on(self) -> None:
        self._next = asyncio.get_running_loop().call_soon(self._step)
