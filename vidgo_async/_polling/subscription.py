"""The letter box between the scheduler, which writes, and a reader, who waits."""

import asyncio
import math
from collections import deque

from vidgo_async._core.errors import VidgoError
from vidgo_async._core.models import Task

LAST_LOOK = 1.0
"""Seconds before a deadline at which a task is looked at once more."""


class Inbox:
    """One reader's mail: tasks that ended, errors about a task, and updates if wanted."""

    def __init__(
        self,
        deadline: float = math.inf,
        last_look: float = math.inf,
        wants_updates: bool = False,
    ) -> None:
        self.deadline = deadline
        """The loop's time at which the reader leaves."""
        self.last_look = last_look
        """The loop's time of the look just before that."""
        self.wants_updates = wants_updates
        self.watching: dict[str, Task] = {}
        """The tasks whose end the reader has not taken out yet, in order, as last known."""
        self._letters: deque[tuple[str, Task | VidgoError]] = deque()
        self._failure: VidgoError | None = None
        self._closed = False
        self._news = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    @classmethod
    def until(cls, timeout: float | None, *, wants_updates: bool = False) -> "Inbox":
        """Make the inbox of a reader who leaves after that many seconds."""
        if timeout is None:
            return cls(wants_updates=wants_updates)
        deadline = asyncio.get_running_loop().time() + timeout
        last_look = deadline - min(LAST_LOOK, timeout / 4)
        return cls(deadline, last_look, wants_updates)

    def update(self, task: Task) -> None:
        """Note a task's new state; it wakes only a reader who wants to be told."""
        self.watching[task.task_id] = task
        if self.wants_updates:
            self.put(task.task_id, task)

    def put(self, task_id: str, letter: Task | VidgoError) -> None:
        """Deliver a task's state, or the error that ended its watch."""
        self._letters.append((task_id, letter))
        self._news.set()

    def fail(self, error: VidgoError) -> None:
        """Tell the reader that no more letters will come."""
        self._failure = error
        self._news.set()

    def close(self) -> None:
        """Send home whoever still waits for a letter."""
        self._closed = True
        self._news.set()

    async def get(self) -> Task | None:
        """Wait for the next letter; None means that none will come, or not in time.

        Raises:
            VidgoError: A watch or the session ended; raised in the reader's own frame.
        """
        while not self._letters:
            if self._failure is not None:
                raise self._failure
            if self._closed or not self.watching or self._loop.time() >= self.deadline:
                return None
            await self._news_or_deadline()
        task_id, letter = self._letters.popleft()
        if isinstance(letter, Task) and not letter.done:
            return letter
        self.watching.pop(task_id, None)
        self._news.set()  # if it was the last, others who wait need not
        if isinstance(letter, Task):
            return letter
        raise letter

    async def _news_or_deadline(self) -> None:
        self._news.clear()
        # A timer of our own, not a timeout: nothing has to be cancelled when it rings.
        alarm = None
        if not math.isinf(self.deadline):
            alarm = self._loop.call_at(self.deadline, self._news.set)
        try:
            await self._news.wait()
        finally:
            if alarm is not None:
                alarm.cancel()
