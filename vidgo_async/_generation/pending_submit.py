"""One submit under way: what its caller waits for, and how far it is."""

import asyncio
import math
from collections.abc import Callable

from vidgo_async._api.send_state import SendState
from vidgo_async._api.submit_body import SubmitBody
from vidgo_async._core.concurrency import GRACE, LATE
from vidgo_async._core.models import Request, Task
from vidgo_async._generation.breaker import Breaker
from vidgo_async._generation.records import Recorder, SubmitRecord
from vidgo_async._generation.resend import deadline_passed


class PendingSubmit:
    """One submit under way."""

    def __init__(
        self,
        request: Request,
        body: SubmitBody,
        breaker: Breaker,
        on_sent: Callable[[], None],
        record: SubmitRecord | None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[Task] | None = None
        """What the caller waits for. It keeps an error, and with it the caller's frames, so it is
        dropped when the caller goes on."""
        self.request = request
        self.body = body
        self.breaker = breaker
        self.recorder = Recorder(record)
        self.deadline = math.inf
        """The loop's time until which its caller waits."""
        self.since = self._loop.time()
        """The loop's time since when it could be sent, by this side."""
        self.give_up = math.inf
        """The loop's time after which it is not sent again, by the retry policy."""
        self.on_sent = on_sent
        self.state = SendState(on_sent)
        """Of the POST that may have bought something: a new one after each safe refusal."""
        self.trial = False
        """Whether the session's breaker is open, and this submit may try the way."""
        self._timer: asyncio.TimerHandle | None = None

    # --- Its caller -------------------------------------------------------------------------

    def begin(self) -> "asyncio.Future[Task]":
        """Return what the caller is to wait for, until `leave`."""
        self._answer = self._loop.create_future()
        return self._answer

    @property
    def has_waiter(self) -> bool:
        """Whether its caller still waits; else it may not be sent, nor sent again."""
        return self._answer is not None and not self._answer.done()

    def answer(self, what: Task | BaseException) -> bool:
        """Give the caller what came of it; tell whether it still waited."""
        if self._answer is None or self._answer.done():
            return False
        if isinstance(what, Task):
            self._answer.set_result(what)
        else:
            self._answer.set_exception(what)
        return True

    def leave(self) -> None:
        """Go on without a caller."""
        self._answer = None
        if self._timer is not None:
            self._timer.cancel()

    # --- Its deadline -----------------------------------------------------------------------

    def set_deadline(self, deadline: float, job: "asyncio.Task[None]") -> None:
        """Let the caller wait until a time of the loop, and a little longer if that rings late.

        Args:
            deadline: The time.
            job: What sends it, which ends then if nothing was sent.
        """
        self.deadline = deadline
        self._timer = self._loop.call_at(deadline, self._ring, job)

    def _ring(self, job: "asyncio.Task[None]") -> None:
        if self._loop.time() - self.deadline > LATE:
            self._timer = self._loop.call_later(GRACE, self._expire, job)
        else:
            self._expire(job)

    def _expire(self, job: "asyncio.Task[None]") -> None:
        if self.answer(deadline_passed(sent=self.state.started)):
            self.end_unless_sent(job)  # now: before the caller wakes it might be sent after all

    def end_unless_sent(self, job: "asyncio.Task[None]") -> None:
        """End what sends it, if nothing was sent."""
        if not self.state.started:
            job.cancel()
