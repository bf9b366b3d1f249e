"""An asyncio event loop whose clock jumps to the next timer instead of waiting for it.

Minutes of polling take milliseconds, over real sockets and without a patched sleep, because
everything that asks the loop for the time sees the jump: `anyio.sleep`, deadlines of cancel
scopes, `asyncio.timeout`, aiohttp's timeouts. The model is trio's `MockClock` with an
`autojump_threshold`.
"""

import asyncio
import importlib
import selectors
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

GRACE = 0.0005
"""Default of `jumping_loop(grace=...)`."""
ITERATION_TIME = 0.001
"""Default of `jumping_loop(iteration_time=...)`."""

_Result = TypeVar("_Result")
_Args = TypeVarTuple("_Args")


def jumping_loop(
    *, grace: float = GRACE, iteration_time: float = ITERATION_TIME
) -> asyncio.AbstractEventLoop:
    """Make an event loop whose clock jumps to the next timer when nothing else is left to do.

    Use it as a loop factory. With asyncio alone:

        with asyncio.Runner(loop_factory=jumping_loop) as runner:
            runner.run(main())

    With anyio's pytest plugin:

        @pytest.fixture
        def anyio_backend():
            return "asyncio", {"loop_factory": jumping_loop}

    The clock starts at 0. It does not jump while a worker thread is busy for the loop, whether
    started by `anyio.to_thread`, under any limiter, by `asyncio.to_thread` or by
    `loop.run_in_executor`. The server and its client must run in the same loop: the clock cannot
    see other processes, other loops, or threads that were started in another way. Nor does it
    move `time.monotonic`, which aiohttp's connector uses to tell how long a connection was idle.

    Args:
        grace: Real seconds without an event after which the clock jumps. 0 is for code without
            sockets.
        iteration_time: The most seconds of the clock that one iteration of the loop takes,
            however long it really took, so that a slow machine measures much the same times as a
            fast one. With 0 computing takes no time, and code without sockets and threads
            measures exactly the same times in each run.
    """
    return _JumpingLoop(_JumpingSelector(grace, iteration_time))


class _JumpingSelector(selectors.DefaultSelector):
    loop: "_JumpingLoop"

    def __init__(self, grace: float, iteration_time: float) -> None:
        super().__init__()
        self._grace = grace
        self._iteration_time = iteration_time
        self._returned_at = time.monotonic()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for events; when there are none, jump by `timeout`: to the loop's next timer."""
        called_at = time.monotonic()
        self.loop.advance(min(called_at - self._returned_at, self._iteration_time))
        try:
            if timeout is None or (timeout > 0 and self.loop.has_busy_thread()):
                events = super().select(timeout)
                self.loop.advance(time.monotonic() - called_at)
                return events
            events = super().select(min(timeout, self._grace))
            if not events:
                self.loop.advance(timeout)
            return events
        finally:
            self._returned_at = time.monotonic()


class _JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self, selector: _JumpingSelector) -> None:
        self._now = 0.0
        self._executor_jobs = 0
        self._anyio_worker = _anyio_worker_class()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += max(0.0, seconds)

    def has_busy_thread(self) -> bool:
        """Tell whether a thread is busy for this loop; the selector only sees it end."""
        return self._executor_jobs > 0 or any(map(self._is_busy_worker, threading.enumerate()))

    def _is_busy_worker(self, thread: Any) -> bool:
        """Tell whether this is a worker thread of anyio that has not reported its result.

        anyio tells of no work in a thread but by its limiters, and any may be used. It puts a
        worker among the idle ones in the loop's own thread, just as it hands over the result.
        """
        return (
            isinstance(thread, self._anyio_worker)
            and thread.loop is self
            and thread in thread.workers  # else it was stopped, and has nothing more to report
            and thread not in thread.idle_workers
        )

    def run_in_executor(
        self,
        executor: Executor | None,
        func: Callable[[*_Args], _Result],
        *args: *_Args,
    ) -> asyncio.Future[_Result]:
        future = super().run_in_executor(executor, func, *args)
        self._executor_jobs += 1
        future.add_done_callback(self._job_done)
        return future

    def _job_done(self, _: object) -> None:
        self._executor_jobs -= 1

    async def shutdown_default_executor(
        self,
        timeout: float | None = None,  # noqa: ARG002 - the argument is asyncio's
    ) -> None:
        """Wait for the threads in real time: from 3.12 on, the clock would jump to a timer."""
        await super().shutdown_default_executor()


def _anyio_worker_class() -> Any:
    # Imported here, so that an anyio which renamed it fails loudly, and only with this clock.
    return importlib.import_module("anyio._backends._asyncio").WorkerThread
