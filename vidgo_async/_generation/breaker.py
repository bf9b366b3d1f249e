"""Circuit breakers: what keeps a batch, and a session, from buying on where it should not.

A `Breaker` belongs to one batch. It opens for good when the rest of the batch would fail as well (no
credits, a full disk), and it holds the batch back while its consumer is gone.

The `UnknownBreaker` belongs to the session. Several submits in a row with an unknown outcome mean
that something on the way sells and loses the answers: each more may cost money for nothing.
"""

import asyncio
import errno
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from vidgo_async._core.concurrency import now, wait_shielded
from vidgo_async._core.errors import (
    AuthenticationError,
    DownloadError,
    InsufficientCreditsError,
    JournalError,
    NotSentError,
    SubmissionUnknownError,
    VidgoError,
)
from vidgo_async._core.retry import RetryPolicy

_Value = TypeVar("_Value")

_FINAL = (AuthenticationError, InsufficientCreditsError, JournalError, NotSentError)
_ONE_FILE = frozenset(
    {None, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG, errno.EMFILE, errno.ENFILE, errno.EINTR}
)
"""Errors of the disk that say nothing of other files, or pass."""
MAX_TRIALS = 2
"""Failed trials after which submits that wait are given up."""


def cancelled_before_sent() -> VidgoError:
    """Make the error of a submit that other code cancelled, as one that cancels all tasks."""
    return VidgoError("other code cancelled the submit before it was sent: nothing was bought")


class Breaker:
    """Stops a batch for good, or for as long as its consumer is gone."""

    def __init__(self, consumer_is_gone: Callable[[], bool] = lambda: False) -> None:
        self._consumer_is_gone = consumer_is_gone
        """Asked before anything is sent; pauses the batch if so."""
        self._reason: VidgoError | None = None
        self._opened = asyncio.Event()
        self._running = asyncio.Event()
        self._running.set()

    @property
    def is_open(self) -> bool:
        """Whether nothing more is sent, for good."""
        return self._reason is not None

    def check(self) -> None:
        """Raise a copy of the error that opened it, if any."""
        if (reason := self.reason()) is not None:
            raise reason

    def reason(self) -> VidgoError | None:
        """Return a copy of the error that opened it, if any."""
        return None if self._reason is None else self._reason.own_copy()

    def record(self, error: VidgoError) -> None:
        """Open for good, if the other requests of the batch would fail like this too."""
        if is_final(error):
            self.open(error.without_task())

    def open(self, reason: VidgoError) -> None:
        """Send nothing more, for good; the first reason stays."""
        if self._reason is None:
            self._reason = reason
            self._opened.set()

    async def race(self, coroutine: Coroutine[Any, Any, _Value]) -> _Value:
        """Wait for what a submit needs first, but no longer than until the breaker opens."""
        try:
            self.check()
        except VidgoError:
            coroutine.close()
            raise
        needed = asyncio.create_task(coroutine)
        opened = asyncio.create_task(self._opened.wait())
        try:
            await asyncio.wait({needed, opened}, return_when=asyncio.FIRST_COMPLETED)
            self.check()
            if not needed.done() or needed.cancelled():
                raise cancelled_before_sent()
            return needed.result()
        except VidgoError as error:
            self.record(error)
            raise
        finally:
            needed.cancel()
            opened.cancel()
            await wait_shielded({needed, opened})

    # --- Pausing ----------------------------------------------------------------------------

    @property
    def is_paused(self) -> bool:
        """Whether nothing may be sent now."""
        return self._consumer_is_gone() or not self._running.is_set()

    def pause(self) -> None:
        """Send nothing until `resume`."""
        self._running.clear()

    def resume(self) -> None:
        """Go on."""
        self._running.set()

    async def wait_running(self) -> None:
        """Wait until it is not paused."""
        while self.is_paused:
            if self._running.is_set():  # its consumer was dropped: it is about to be stopped
                await asyncio.sleep(0)
            await self._running.wait()


def is_final(error: VidgoError) -> bool:
    """Tell of an error of one request whether the rest of its batch need not be sent."""
    if isinstance(error, DownloadError):  # what cannot be saved need not be bought
        cause = error.__cause__
        return isinstance(cause, OSError) and cause.errno not in _ONE_FILE
    return isinstance(error, _FINAL)


class UnknownBreaker:
    """Opens after several unknown outcomes in a row; then one submit at a time is a trial."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._limit = policy.unknown_limit
        self._pause = policy.unknown_pause
        self._unknown = 0
        """Unknown outcomes since the last submit that was accepted."""
        self._works_at = 0.0
        """When the last was sent of those that were accepted."""
        self._failed_trials = 0
        self._trial_in_flight = False
        self._next_trial = 0.0
        """The loop's time before which nothing is sent while it is open."""
        self._changed = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Whether only trials may be sent."""
        return self._limit is not None and self._unknown >= self._limit

    async def enter(self) -> bool:
        """Wait until a submit may be sent; return whether it is a trial.

        Raises:
            NotSentError: The trials failed too.
        """
        while self.is_open:
            wait = self._next_trial - now()
            if wait > 0 and self._failed_trials >= MAX_TRIALS:
                raise self._not_sent()
            if wait <= 0 and not self._trial_in_flight:
                self._trial_in_flight = True
                return True
            self._changed.clear()
            try:
                async with asyncio.timeout(wait if wait > 0 else None):
                    await self._changed.wait()
            except TimeoutError:
                continue
        return False

    def record(self, error: VidgoError | None, sent_at: float, *, trial: bool) -> None:
        """Learn from a submit that was sent at a time of the loop: None if it was accepted.

        One whose answer took long says nothing if another, sent after it, was accepted.
        """
        if error is None:
            self._unknown = self._failed_trials = 0
            self._works_at = max(self._works_at, sent_at)
        elif isinstance(error, SubmissionUnknownError) and sent_at >= self._works_at:
            self._unknown += 1
            self._failed_trials += trial
            self._next_trial = now() + self._pause
        self._changed.set()

    def leave(self, *, trial: bool) -> None:
        """End what `enter` began, sent or not."""
        if trial:
            self._trial_in_flight = False
            self._changed.set()

    def _not_sent(self) -> NotSentError:
        return NotSentError(
            f"{self._unknown} submits in a row got no clear answer, the last {MAX_TRIALS} of them "
            f"{self._pause:g} s apart, so this one was not sent: nothing was bought for it. Look for "
            "a gateway or a proxy that loses answers, and check the account before going on"
        )
