"""Ctrl-C, SIGTERM and SIGHUP: what ends a job, early or at once.

The first Ctrl-C of a job that buys stops the buying; the second one, SIGTERM and SIGHUP leave. No
signal cuts off the report after that.
"""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Generator
from types import FrameType

import anyio

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP


class Signals:
    """The signals that end a job, in the running loop.

    They are caught with `signal.signal`: the loop's own handlers do not exist on Windows.
    """

    def __init__(self, interrupt: Callable[[], bool]) -> None:
        """Begin without one.

        Args:
            interrupt: Called at the first Ctrl-C; tells whether the job ends by itself now.
        """
        self.received: int | None = None
        """The number of the first signal."""
        self._interrupt = interrupt
        self._scope = anyio.CancelScope()

    @contextlib.contextmanager
    def caught(self) -> Generator[None]:
        """Catch the signals in the body of `with`; what is ignored, as under nohup, stays so."""
        loop = asyncio.get_running_loop()

        def catch(number: int, _: FrameType | None) -> None:
            is_first, self.received = self.received is None, self.received or number
            loop.call_soon_threadsafe(self._end, number, is_first)

        with contextlib.ExitStack() as stack:
            for name in NAMES:
                number = getattr(signal, name, None)
                before = number and signal.getsignal(number)
                if number and before not in {signal.SIG_IGN, None}:
                    signal.signal(number, catch)
                    stack.callback(signal.signal, number, before)
            yield

    def _end(self, number: int, is_first: bool) -> None:
        if not (is_first and number == signal.SIGINT and self._interrupt()):
            self._scope.cancel()

    async def run(self, job: Awaitable[None]) -> None:
        """Await a job until it ends, or until a signal cancels it."""
        with self._scope:
            await job
