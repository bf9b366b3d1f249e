"""Who takes the items of a stream; what runs for a consumer pauses when the consumer is gone."""

import asyncio
import contextlib
import functools
import weakref
from collections.abc import Callable, Generator
from typing import Any

GRACE = 1.0
"""Seconds for the next consumer to come, where the task of the last one ended."""


class Consumers:
    """Pauses a stream whose consumer was cancelled, and resumes it for the next one.

    A cancelled consumer may never come back, and the traceback of its `CancelledError` may keep
    the stream alive: it must not go on buying or polling until that is collected. A timeout around
    one `anext` looks the same from inside, so the next `anext` takes the pause back.
    """

    def __init__(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self._pause = pause
        self._resume = resume
        self._waiting = 0
        self._paused = False
        self._held = False
        """Whether the stream that takes its items has no consumer either."""
        self._task: weakref.ref[asyncio.Task[Any]] | None = None
        """The task of the last consumer; weak, since it would hold the frames that it ran."""
        self._timer: asyncio.TimerHandle | None = None
        # Weak too: the task of a consumer may outlive many streams.
        self._on_done = functools.partial(_task_done, weakref.ref(self))

    @contextlib.contextmanager
    def waiting(self) -> Generator[None]:
        """Wait for the next item within this."""
        self._follow(asyncio.current_task())
        self._cancel_timer()
        if not self._held:
            self._go_on()
        self._waiting += 1
        try:
            yield
        except (asyncio.CancelledError, GeneratorExit):
            if self._waiting == 1:
                self._stop()
            raise
        finally:
            self._waiting -= 1

    def are_gone(self) -> bool:
        """Tell whether the last consumer was cancelled, here or while it did something else."""
        task = None if self._task is None else self._task()
        if task is not None:
            self.task_done(task)
        return self._paused

    def task_done(self, task: "asyncio.Task[Any]") -> None:
        """Pause, if this is how the last consumer ended."""
        if self._waiting:
            return
        if task.cancelled() or task.cancelling():
            self._stop()
        elif task.done() and self._timer is None:
            # Of an error, or of a reader with a task for each item, who comes back at once.
            self._timer = task.get_loop().call_later(GRACE, self._stop)

    def hold(self) -> None:
        """Pause, since the consumer is itself part of a stream that paused."""
        self._held = True
        self._stop()

    def release(self) -> None:
        """Go on, if the consumer waits."""
        self._held = False
        if self._waiting:
            self._go_on()

    def close(self) -> None:
        """Follow no consumer any more."""
        self._follow(None)
        self._cancel_timer()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _follow(self, task: "asyncio.Task[Any] | None") -> None:
        last = None if self._task is None else self._task()
        if task is last:
            return
        if last is not None:
            last.remove_done_callback(self._on_done)
            _streams[last].discard(self)
        self._task = None
        if task is not None:
            self._task = weakref.ref(task)
            task.add_done_callback(self._on_done)
            _streams.setdefault(task, weakref.WeakSet()).add(self)

    def _stop(self) -> None:
        if not self._paused:
            self._paused = True
            self._pause()

    def _go_on(self) -> None:
        if self._paused:
            self._paused = False
            self._resume()


_streams: "weakref.WeakKeyDictionary[asyncio.Task[Any], weakref.WeakSet[Consumers]]" = (
    weakref.WeakKeyDictionary()
)
"""What each task takes items from: a batch may read its requests from another one's outcomes."""


def streams_of(task: "asyncio.Task[Any] | None") -> list[Consumers]:
    """Return the consumers of all streams that a task takes items from."""
    return [] if task is None else list(_streams.get(task, ()))


def _task_done(consumers: weakref.ref[Consumers], task: "asyncio.Task[Any]") -> None:
    if (found := consumers()) is not None:
        found.task_done(task)
