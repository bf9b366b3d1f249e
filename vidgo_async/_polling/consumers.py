"""Who takes the items of a stream; what runs for a consumer pauses when the consumer is gone."""

import asyncio
import contextlib
import weakref
from collections.abc import Callable, Generator
from typing import Any


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
        self._last: weakref.ref[asyncio.Task[Any]] | None = None
        """The task of the last consumer; weak, since it would hold the frames that it ran."""

    @contextlib.contextmanager
    def waiting(self) -> Generator[None]:
        """Wait for the next item within this."""
        task = asyncio.current_task()
        self._last = None if task is None else weakref.ref(task)
        if self._paused:
            self._paused = False
            self._resume()
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
        task = None if self._last is None else self._last()
        if task is not None and not self._waiting and task.cancelled():
            self._stop()
        return self._paused

    def _stop(self) -> None:
        if not self._paused:
            self._paused = True
            self._pause()
