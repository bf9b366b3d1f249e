"""An asyncio event loop whose clock jumps to the next timer instead of waiting for it.

Minutes of polling take milliseconds, over real sockets and without a patched sleep, since
everything that asks the loop for the time sees the jump: `anyio.sleep`, deadlines of cancel
scopes, `asyncio.timeout`, aiohttp's timeouts. The model is trio's `MockClock` with an
`autojump_threshold`. A turn of the loop takes a millisecond at most, so that a slow machine
measures much the same times as a fast one.

Two things this clock cannot see, so no test in virtual time may depend on them: other
processes, and code that asks `time.monotonic` instead of the loop (aiohttp's connector does, to
tell how long a connection has been idle).
"""

import asyncio
import selectors
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar, TypeVarTuple

import anyio
import anyio.to_thread

GRACE = 0.0005
"""Real seconds without an event after which nothing is thought to be under way."""

TURN = 0.001
"""Seconds that one turn of the loop takes at most, however long it really took."""

_Result = TypeVar("_Result")
_Args = TypeVarTuple("_Args")


def new_loop() -> asyncio.AbstractEventLoop:
    """Return a loop of this kind: the `loop_factory` for runners."""
    return _JumpingLoop(_JumpingSelector())


class _JumpingSelector(selectors.DefaultSelector):
    loop: "_JumpingLoop"

    def __init__(self) -> None:
        super().__init__()
        self._left = time.monotonic()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for events; when there are none, jump by `timeout`: to the loop's next timer."""
        entered = time.monotonic()
        self.loop.advance(min(entered - self._left, TURN))
        try:
            if timeout is None or self.loop.has_thread_at_work():
                events = super().select(timeout)
                self.loop.advance(time.monotonic() - entered)
                return events
            events = super().select(min(timeout, GRACE))
            if not events:
                self.loop.advance(timeout)
            return events
        finally:
            self._left = time.monotonic()


class _JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self, selector: _JumpingSelector) -> None:
        self._now = time.monotonic()
        self._jobs = 0
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += max(0.0, seconds)

    def has_thread_at_work(self) -> bool:
        """Tell whether a thread is busy for us; the selector sees it only when it is done."""
        try:
            limiter = anyio.to_thread.current_default_thread_limiter()
        except anyio.NoEventLoopError:  # sniffio is installed, and this is no loop of anyio's
            return self._jobs > 0
        return self._jobs > 0 or limiter.borrowed_tokens > 0

    def run_in_executor(
        self,
        executor: Executor | None,
        func: Callable[[*_Args], _Result],
        *args: *_Args,
    ) -> asyncio.Future[_Result]:
        future = super().run_in_executor(executor, func, *args)
        self._jobs += 1
        future.add_done_callback(self._job_done)
        return future

    def _job_done(self, _: object) -> None:
        self._jobs -= 1

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Wait for the threads in real time: from 3.12 on, a timer would be jumped to."""
        await super().shutdown_default_executor()
