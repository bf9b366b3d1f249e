"""The queue between the poller, which publishes events, and one consumer, who waits for them."""

import asyncio
import contextlib
import math
from collections import deque
from typing import TYPE_CHECKING, Any

from vidgo_async._core.concurrency import GRACE, LATE
from vidgo_async._core.errors import VidgoError
from vidgo_async._core.models import Task
from vidgo_async._core.pieces import ALL_DONE, Pieces

if TYPE_CHECKING:
    from vidgo_async._polling.consumers import Consumers

FINAL_POLL = 1.0
"""Seconds before a deadline at which a task is polled once more."""


class Subscription:
    """One consumer's events: tasks that ended, errors about a task, and updates if wanted."""

    def __init__(
        self,
        timeout: float | None = None,
        started_at: float | None = None,
        *,
        wants_updates: bool = False,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.started_at: float = self._loop.time() if started_at is None else started_at
        """The loop's time from which the timeout counts."""
        self.deadline: float = math.inf
        """The loop's time until which the consumer waits."""
        self._extended = False
        self._paused_at = math.inf  # while it runs
        self.final_poll: float = math.inf
        """The loop's time of the poll just before that."""
        if timeout is not None:
            self.deadline = self.started_at + timeout
            self.final_poll = self.deadline - min(FINAL_POLL, timeout / 4)
        self.wants_updates = wants_updates
        self.pending: dict[str, Task | str] = {}
        """The tasks whose end the consumer was not given yet, in order, as last known; a bare id
        until it is watched."""
        self.pieces: Pieces[Any] = ALL_DONE
        """What begins, or ends, to watch them."""
        self.consumers: Consumers | None = None
        """What pauses the polls of a stream whose consumer is gone."""
        self._events: deque[tuple[str, Task | VidgoError]] = deque()
        self._ended = set[str]()
        """The tasks of which the last event was published, and is not taken yet."""
        self._failure: VidgoError | None = None
        self._closed = False
        self._changed = asyncio.Event()

    def unfinished(self) -> dict[str, Task | str]:
        """Return the tasks of which neither an end nor an error was published."""
        return {id_: task for id_, task in self.pending.items() if id_ not in self._ended}

    def waits_for(self, task_id: str) -> bool:
        """Tell whether a task is one of those."""
        return task_id in self.pending and task_id not in self._ended

    def update(self, task: Task) -> None:
        """Note a task's new state; it wakes only a consumer that wants updates."""
        self.pending[task.task_id] = task
        if self.wants_updates:
            self.put(task.task_id, task)

    def put(self, task_id: str, event: Task | VidgoError) -> None:
        """Publish a task's state, or the error that ended its watch."""
        self._events.append((task_id, event))
        if not isinstance(event, Task) or event.done:
            self._ended.add(task_id)
        self._changed.set()

    def fail(self, error: VidgoError) -> None:
        """Raise this in the consumer once all events are taken: no more follow."""
        self._failure = error
        self._changed.set()

    def is_abandoned(self) -> bool:
        """Tell whether its consumer is gone."""
        return self.consumers is not None and self.consumers.are_gone()

    @property
    def is_paused(self) -> bool:
        """Whether the time of the deadline stands still."""
        return not math.isinf(self._paused_at)

    def pause(self) -> None:
        """Stop the time of the deadline."""
        self._paused_at = min(self._paused_at, self._loop.time())

    def resume(self) -> None:
        """Let it go on, if it was paused."""
        if not self.is_paused:
            return
        paused, self._paused_at = self._loop.time() - self._paused_at, math.inf
        self.deadline += paused
        self.final_poll += paused
        self._changed.set()

    def close(self) -> None:
        """Wake all waiters; no more events follow."""
        self._closed = True
        if self.consumers is not None:
            self.consumers.close()
        self.consumers = None
        self._changed.set()

    async def get(self) -> Task | None:
        """Wait for the next event; None means that none will come, or not in time.

        Raises:
            VidgoError: A watch or the session ended; raised in the consumer's own frame.
        """
        with self.consumers.waiting() if self.consumers else contextlib.nullcontext():
            return await self._next()

    async def _next(self) -> Task | None:
        while not self._events:
            if self._closed or not self.pending:
                return None
            if self._failure is not None:
                raise self._failure
            if self._is_too_late():
                return None
            await self._change_or_deadline()
        task_id, event = self._events.popleft()
        if isinstance(event, Task) and not event.done:
            return event
        self.pending.pop(task_id, None)
        self._ended.discard(task_id)
        self._changed.set()  # if it was the last, other waiters need not wait on
        if isinstance(event, Task):
            return event
        try:
            raise event
        finally:
            del event  # which would hold this frame, and so itself

    def _is_too_late(self) -> bool:
        """Tell whether the deadline passed; if it rings late, time is left for the final poll."""
        if self.is_paused:
            return False
        late = self._loop.time() - self.deadline
        if late > LATE and not self._extended:
            self._extended = True
            self.deadline = self._loop.time() + GRACE
            return False
        return late >= 0

    async def _change_or_deadline(self) -> None:
        self._changed.clear()
        # A timer of our own, not a timeout: nothing has to be cancelled when it rings.
        timer = None
        if not math.isinf(self.deadline) and not self.is_paused:
            timer = self._loop.call_at(self.deadline, self._changed.set)
        try:
            await self._changed.wait()
        finally:
            if timer is not None:
                timer.cancel()
