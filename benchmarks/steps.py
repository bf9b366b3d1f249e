"""How long each step of an event loop takes: one callback, or one resumption of a coroutine.

CPU time of the loop's thread, so that a preempted process does not count, without the garbage
collector's, which is noted apart.
"""

import asyncio
import contextlib
import functools
import gc
import time
from collections.abc import Generator
from typing import Any

import attrs

SHORT = 0.001
"""Seconds; shorter steps are not kept."""


@attrs.define
class Steps:
    """The longest steps by name, the longest turns of the loop, and the longest collection."""

    longest: dict[str, float] = attrs.field(factory=dict[str, float])
    """Seconds, by the name of what was run."""
    turn: float = 0.0
    """Seconds of all steps of one turn, collections apart."""
    collection: float = 0.0

    def note(self, name: str, seconds: float) -> None:
        """Keep a step, if none of its name was longer."""
        if seconds >= SHORT:
            self.longest[name] = max(seconds, self.longest.get(name, 0.0))


@contextlib.contextmanager
def watched(steps: Steps) -> Generator[None]:
    """Note the steps of the running loop meanwhile."""
    collector = _Collector(steps)
    loop: Any = asyncio.get_running_loop()
    run_handle, run_once = asyncio.Handle._run, loop._run_once  # noqa: SLF001 - no public way

    def timed_handle(handle: Any) -> None:
        name = _name(handle._callback)  # noqa: SLF001 - as above
        began, collected = time.thread_time(), collector.total
        try:
            run_handle(handle)
        finally:
            steps.note(name, time.thread_time() - began - (collector.total - collected))

    def timed_turn() -> None:
        began, collected = time.thread_time(), collector.total
        run_once()
        steps.turn = max(steps.turn, time.thread_time() - began - (collector.total - collected))

    asyncio.Handle._run = timed_handle  # type: ignore[method-assign,assignment] # noqa: SLF001 - as above
    loop._run_once = timed_turn  # noqa: SLF001 - as above
    gc.callbacks.append(collector.note)
    try:
        yield
    finally:
        gc.callbacks.remove(collector.note)
        del loop._run_once  # noqa: SLF001 - as above
        asyncio.Handle._run = run_handle  # type: ignore[method-assign] # noqa: SLF001 - as above


class _Collector:
    """The time that the garbage collector took so far."""

    def __init__(self, steps: Steps) -> None:
        self.total = 0.0
        self._steps = steps
        self._began = 0.0

    def note(self, phase: str, _: object) -> None:
        if phase == "start":
            self._began = time.thread_time()
            return
        took = time.thread_time() - self._began
        self.total += took
        self._steps.collection = max(took, self._steps.collection)


def _name(callback: Any) -> str:
    """Name what a handle runs; of a coroutine, the innermost one that it resumes."""
    while isinstance(callback, functools.partial):
        callback = callback.func
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Task):
        return _innermost(owner.get_coro())
    return getattr(callback, "__qualname__", type(callback).__name__)


def _innermost(awaited: Any) -> str:
    name = "?"
    while awaited is not None:
        name = getattr(awaited, "__qualname__", name)
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "ag_await", None)
    return name
