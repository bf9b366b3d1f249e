"""Which watched task is due when: a heap, and one timer for its first entry."""

import asyncio
import contextvars
import heapq
import itertools
import math
from collections.abc import Callable

from vidgo_async._core.pieces import AT_ONCE, Pieces
from vidgo_async._polling.watches import Watch

RESOLUTION = 0.001
"""Seconds that a timer may ring early."""


class Schedule:
    """Watches by the time they fall due; calls back when the first one does."""

    def __init__(self, on_due: Callable[[], None]) -> None:
        self._on_due = on_due
        self._loop = asyncio.get_running_loop()
        self._heap: list[tuple[float, int, Watch]] = []
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0
        """The loop's time at which it rings, which handles of uvloop do not always tell."""

    def push(self, watch: Watch, due: float) -> None:
        """Make a watch due at that time of the loop, and at no other; `set_timer` does the rest."""
        # An entry that was pushed before stays in the heap, and is known by its old time.
        watch.due = due
        heapq.heappush(self._heap, (due, next(self._order), watch))

    def pop_due(self, now: float) -> Watch | None:
        """Take the watch that is due first, if one is; behind many stale ones it comes next time."""
        for _ in range(AT_ONCE):
            if not self._heap or self._heap[0][0] > now + RESOLUTION:
                return None
            is_stale = self._is_stale()
            watch = heapq.heappop(self._heap)[2]
            if not is_stale:
                return watch
        return None

    def set_timer(self) -> None:
        """Call back when the next watch falls due."""
        self._drop_stale()
        due = self._heap[0][0] if self._heap else None
        if self._timer is not None and due == self._rings_at:
            return
        self._cancel_timer()
        if due is not None:
            self._rings_at = due
            # An empty context: no poll belongs to the trace of the caller who came first.
            self._timer = self._loop.call_at(due, self._ring, context=contextvars.Context())

    def clear(self) -> None:
        """Forget all watches; to free a hundred thousand at once would hold the loop."""
        heap, self._heap = self._heap, []
        Pieces(range(len(heap)), lambda _: heap.pop())
        self._cancel_timer()

    def _ring(self) -> None:
        self._rings_at = -math.inf  # whatever polls now sets it again
        self._on_due()

    def _drop_stale(self) -> None:
        """Drop the first entries, as far as they are out of date; of many, the rest next time."""
        for _ in range(AT_ONCE):
            if not self._heap or not self._is_stale():
                return
            heapq.heappop(self._heap)

    def _is_stale(self) -> bool:
        due, _, watch = self._heap[0]
        return not watch.subscribers or watch.due != due or watch.in_flight

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
