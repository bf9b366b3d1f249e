"""Writes in order, in one thread at a time, so that the event loop never waits for a terminal."""

import asyncio
import atexit
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar

_Params = ParamSpec("_Params")
_Result = TypeVar("_Result")
Job = Callable[[], None]
EXIT_GRACE = 1.0
"""Seconds that the end of the process waits for what is being written."""


class _DaemonThreads(Executor):
    """A thread for each call, which the interpreter does not wait for when it exits.

    A write to a paused terminal may last for ever, and a thread cannot be stopped.
    """

    def __init__(self) -> None:
        self._alive: set[threading.Thread] = set()

    def submit(
        self, fn: Callable[_Params, _Result], /, *args: _Params.args, **kwargs: _Params.kwargs
    ) -> "Future[_Result]":
        future = Future[_Result]()

        def run() -> None:
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - the future raises it
                future.set_exception(error)
            else:
                future.set_result(result)
            finally:
                self._alive.discard(thread)

        thread = threading.Thread(target=run, name="vidgo_async progress", daemon=True)
        self._alive.add(thread)
        thread.start()
        return future

    def join(self) -> None:
        """Give all threads a second to show the cursor again, and end."""
        deadline = time.monotonic() + EXIT_GRACE
        for thread in tuple(self._alive):
            thread.join(max(0.0, deadline - time.monotonic()))


_THREADS = _DaemonThreads()
atexit.register(_THREADS.join)


class Writer:
    """Runs jobs that write, in order; made and used on the event loop."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()
        self._running: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def is_idle(self) -> bool:
        """Whether all is written."""
        return self._running is None and not self._jobs

    def add(self, job: Job) -> None:
        """Run a job once those before it are done."""
        self._jobs.append(job)
        self._start()

    def add_from_thread(self, job: Job) -> None:
        """Add a job in any thread; once the loop is closed it is run at once."""
        self._jobs.append(job)
        try:
            _ = self._loop.call_soon_threadsafe(self._start)
        except RuntimeError:
            self._run()

    async def wait_idle(self) -> None:
        """Wait until all is written."""
        self._start()  # what threads added
        _ = await self._idle.wait()

    def _start(self) -> None:
        if self._running is None and self._jobs:
            self._idle.clear()
            self._running = self._loop.run_in_executor(_THREADS, self._run)
            self._running.add_done_callback(self._ended)

    def _run(self) -> None:
        """Run the jobs, those too that come meanwhile."""
        while self._jobs:
            self._jobs.popleft()()

    def _ended(self, running: "asyncio.Future[None]") -> None:
        self._running = None
        self._start()  # what was added just as the thread ended
        if self.is_idle:
            self._idle.set()
        running.result()  # an error in a job is one of ours: the loop reports it
