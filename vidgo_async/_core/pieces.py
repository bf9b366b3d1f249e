"""Long work in pieces, so that the loop, which others use too, is never held for long."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Generic, TypeVar

from vidgo_async._core.concurrency import wait_shielded

_Item = TypeVar("_Item")

AT_ONCE = 256
"""Items of one piece: with 10 microseconds each it takes a few milliseconds."""


class Pieces(Generic[_Item]):
    """Handles many items: the first now, the others in later iterations of the loop."""

    __slots__ = ("_handle", "_items", "_next", "_on_bug", "_over", "_then")

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
        self._handle: Callable[[_Item], object] = handle
        self._on_bug = on_bug
        self._then: Callable[[], object] | None = None
        self._over: asyncio.Future[None] | None = None
        """What all wait for."""
        self._next: asyncio.Handle | None = None
        self._step()

    @property
    def done(self) -> bool:
        """Whether all was handled, or it was stopped."""
        return self._next is None

    def then(self, callback: Callable[[], object]) -> None:
        """Call back, instead of what was to be called before, once all is handled; now, if it is."""
        if self.done:
            callback()
        else:
            self._then = callback

    def stop(self) -> None:
        """Handle no more, and call nothing back; not to be called by what handles an item."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        self._let_go()

    async def wait(self) -> None:
        """Wait until all is handled, or it is stopped; only then let a cancellation through."""
        if not self.done:
            self._over = self._over or asyncio.get_running_loop().create_future()
            await wait_shielded({self._over})

    def _step(self) -> None:
        self._next = None
        try:
            is_over = self._handle_some()
        except BaseException as bug:
            if self._on_bug is None:
                self._go_on()
                raise
            on_bug = self._on_bug
            self._let_go()
            on_bug(bug)
            if isinstance(bug, KeyboardInterrupt | SystemExit):
                raise
            return
        if is_over:
            then = self._then
            self._let_go()
            if then is not None:
                then()
        else:
            self._go_on()

    def _handle_some(self) -> bool:
        """Handle the next items; tell whether they were the last."""
        count = 0
        for item in islice(self._items, AT_ONCE):
            self._handle(item)
            count += 1
        return count < AT_ONCE

    def _go_on(self) -> None:
        self._next = asyncio.get_running_loop().call_soon(self._step)

    def _let_go(self) -> None:
        """Drop all references: what they lead to may refer to this."""
        self._items, self._handle = iter(()), bool
        self._on_bug = self._then = None
        if self._over is not None:
            self._over.set_result(None)
            self._over = None


ALL_DONE: Pieces[Any] = Pieces((), bool)
"""Where there is nothing to do."""
