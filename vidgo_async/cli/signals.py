"""Ctrl-C, SIGTERM and SIGHUP: the first one ends the job, and none cuts off the report after it."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Generator
from types import FrameType

import anyio

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP


class Signals:
    """The signals that end a job, in the running loop.

    They are caught with `signal.signal`: the loop's own handlers do not exist on Windows.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        """The number of the first signal."""
        self._scope = anyio.CancelScope()

    @contextlib.contextmanager
    def caught(self) -> Generator[None]:
        """Catch the signals in the body of `with`; what is ignored, as under nohup, stays so."""
        loop = asyncio.get_running_loop()

        def catch(number: int, _: FrameType | None) -> None:
            if self.received is None:
                self.received = number
                loop.call_soon_threadsafe(self._scope.cancel)

        with contextlib.ExitStack() as stack:
            for name in NAMES:
                number = getattr(signal, name, None)
                before = number and signal.getsignal(number)
                if number and before not in {signal.SIG_IGN, None}:
                    signal.signal(number, catch)
                    stack.callback(signal.signal, number, before)
            yield

    async def run(self, job: Awaitable[None]) -> None:
        """Await a job until it ends, or until a signal cancels it."""
        with self._scope:
            await job
