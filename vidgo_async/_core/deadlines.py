"""Deadlines of requests: many on one timer of the loop, and each fair if it rings late."""

import asyncio
import math
from types import TracebackType
from typing import Any, cast

from vidgo_async._core.concurrency import GRACE, LATE


class SharedTimer:
    """One timer of the loop for many deadlines.

    Nearly all deadlines are met. To set and cancel a timer for each would be a twentieth of the
    work of a request; here one stays set, and finds the deadline gone.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._deadlines: dict[Deadline, None] = {}  # in order, which a set would not keep
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = math.inf
        """When it rings, which handles of uvloop do not always tell."""

    def now(self) -> float:
        """Return the loop's time."""
        return self._loop.time()

    def add(self, deadline: "Deadline") -> None:
        """Let a deadline ring when it is due."""
        self._deadlines[deadline] = None
        self.set(deadline.due)

    def remove(self, deadline: "Deadline") -> None:
        """Let it ring no more."""
        self._deadlines.pop(deadline, None)

    def set(self, due: float) -> None:
        """Ring at that time of the loop, or before."""
        if due < self._rings_at:
            self.close()
            self._rings_at = due
            self._timer = self._loop.call_at(due, self._ring)

    def close(self) -> None:
        """Ring no more."""
        self._rings_at = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self.close()
        for deadline in list(self._deadlines):
            deadline.ring_if_due(self._loop.time())
        if self._deadlines:
            self.set(min(deadline.due for deadline in self._deadlines))


class Deadline:
    """A timeout that lets what came in time be read first, should it ring late.

    The loop may have been blocked, or the process stopped, for longer than the timeout: a response
    that came meanwhile lies in the socket unread. Use it like `asyncio.timeout`, which would take a
    twentieth of the work of a request, but with a plain `with`.

    Raises:
        TimeoutError: It rang in the block.
    """

    __slots__ = (
        "_cancelling",
        "_extended",
        "_is_over",
        "_rang",
        "_task",
        "_timer",
        "began_at",
        "due",
    )

    def __init__(self, seconds: float, timer: SharedTimer) -> None:
        self.began_at: float = timer.now()
        """The loop's time at which it was made."""
        self.due: float = self.began_at + seconds
        """The loop's time at which it rings."""
        self._timer = timer
        self._extended = self._rang = self._is_over = False

    def __enter__(self) -> None:
        # A coroutine that asyncio runs is in a task.
        self._task: asyncio.Task[Any] = cast("asyncio.Task[Any]", asyncio.current_task())
        self._cancelling = self._task.cancelling()
        self._timer.add(self)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()
        if not self._rang:
            return
        # A cancellation that came from outside meanwhile goes through.
        is_ours = self._task.uncancel() <= self._cancelling
        if is_ours and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise TimeoutError from error

    def reschedule(self, when: float) -> None:
        """Let it ring at another time of the loop; without effect once it is over."""
        if not self._is_over:
            self.due = when
            self._timer.set(when)

    def ring_if_due(self, now: float) -> None:
        """End its block, if it is time."""
        if now < self.due:
            return
        if now - self.due > LATE and not self._extended:
            self._extended = True
            self.due = now + GRACE
        else:
            self._end()
            self._rang = True
            self._task.cancel()

    def _end(self) -> None:
        self._is_over = True
        self._timer.remove(self)
