"""Which watched task is due when, and the workers that poll what is due.

A heap, and one timer for its first entry. A worker goes on with what is due next, and ends when
nothing is.
"""

import asyncio
import contextvars
import heapq
import itertools
import math
from collections.abc import Callable, Coroutine

from vidgo_async._api.limiter import WaitQueue
from vidgo_async._core.concurrency import TaskSet
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


class Workers:
    """Poll the tasks of a schedule, as many at a time as polls may be sent."""

    def __init__(
        self,
        polls: WaitQueue,
        poll: Callable[[Watch], Coroutine[None, None, None]],
        on_bug: Callable[[BaseException], None],
    ) -> None:
        """Begin without any.

        Args:
            polls: Where polls wait for their permits.
            poll: Polls one task once.
            on_bug: Called with what `poll` raised, also where other code cancelled it.
        """
        self.schedule: Schedule = Schedule(self._start)
        self.full_since: float = math.inf
        """The loop's time since when no more could be started; infinity while they can."""
        self._loop = asyncio.get_running_loop()
        self._polls = polls
        self._poll = poll
        self._on_bug = on_bug
        self._tasks = TaskSet(self._ended)
        self._working = 0
        """How many poll: one that is done may be in the set for a moment."""

    async def close(self) -> None:
        """Cancel all polls, and wait for their ends."""
        self._tasks.cancel()
        await self._tasks.wait()

    def _start(self) -> None:
        """Start a worker for each due task, as far as there is room.

        They start in one iteration of the loop, so that their responses share iterations too.
        """
        while self._has_room():
            watch = self._next_due()
            if watch is None:
                return
            self._working += 1
            _ = self._tasks.start(self._work(watch), context=contextvars.Context())
        self.full_since = min(self.full_since, self._loop.time())

    def _has_room(self) -> bool:
        return self._working < self._polls.max_in_flight

    def _next_due(self) -> Watch | None:
        """Take the task that is due first; if none is, come back when one is."""
        watch = self.schedule.pop_due(self._loop.time())
        if watch is None:
            self.full_since = math.inf
            self.schedule.set_timer()
        else:
            watch.in_flight = True
        return watch

    async def _work(self, watch: Watch | None) -> None:
        """Poll one due task after the other, until none is due."""
        try:
            while watch is not None:
                await self._poll(watch)
                watch = self._next_due()
                if watch is not None and self._has_room():
                    self.schedule.set_timer()  # this poll may hang, and others may be sent
        finally:
            self._working -= 1

    def _ended(self, worker: "asyncio.Task[None]") -> None:
        bug = asyncio.CancelledError() if worker.cancelled() else worker.exception()
        if bug is not None:
            self._on_bug(bug)
