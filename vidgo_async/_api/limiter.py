"""How many requests at once, and how fast: every API call waits here for a permit.

A permit allows one request. Submits go first, polls hold at most three quarters of the permits,
one 429 makes all requests wait, and a rate spaces them out. A poll that submits have kept waiting
gets every fourth permit: a long batch must not hide which tasks ended.
"""

import asyncio
from collections import deque

from vidgo_async._api.rate import Rate
from vidgo_async._core.errors import SessionClosedError
from vidgo_async._core.retry import Backoff

MAX_POLL_WAIT = 0.5
"""Seconds that a poll waits behind submits before it gets a permit between them."""
SUBMITS_IN_A_ROW = 3
"""How many submits go before a poll that has waited for so long."""
CATCH_UP = 0.05
"""Seconds of sending that may be caught up after a delay."""
MIN_ROUND_TRIP = 0.001
"""Seconds; the shortest round trip that is believed."""
POLL_SHARE = 0.75
"""The part of the permits that polls may hold; the rest stays free for submits."""


class WaitQueue:
    """Requests of one kind that wait for a permit, first come first served."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.in_flight = 0
        self.waiting: deque[tuple[float, asyncio.Future[None]]] = deque()
        """The loop's time at which each came, and the future that lets it go."""

    def waiting_since(self) -> float | None:
        """Return when the first came of those that may go; None if there is none."""
        while self.waiting and self.waiting[0][1].done():
            del self.waiting[0]  # cancelled
        if self.waiting and self.in_flight < self.limit:
            return self.waiting[0][0]
        return None

    def grant(self) -> None:
        """Give the first its permit."""
        _, future = self.waiting.popleft()
        future.set_result(None)

    def close(self, reason: str) -> None:
        """Raise a `SessionClosedError` in all that wait."""
        for _, future in self.waiting:
            if not future.done():
                future.set_exception(SessionClosedError(reason))
        self.waiting.clear()


class Limiter:
    """The session's permits, its rate, and its pause after a 429."""

    def __init__(self, limit: int, max_rate: float | None, backoff: Backoff) -> None:
        self.limit = limit
        self.max_rate = max_rate
        """Requests a second that the user allows; None for any number."""
        self.backoff = backoff
        self.submits: WaitQueue = WaitQueue(limit)
        self.polls: WaitQueue = WaitQueue(max(1, int(limit * POLL_SHARE)))
        self._loop = asyncio.get_running_loop()
        self._found = Rate()
        self._not_before = 0.0
        self._admitted_at = 0.0
        self._waits_for_rate = False
        self._refusals = 0
        self._last_refusal = 0.0
        self._submits_in_a_row = 0
        self._timer: asyncio.TimerHandle | None = None
        self._closed: str | None = None

    @property
    def resumes_at(self) -> float:
        """The loop's time before which nothing is sent."""
        return self._not_before

    async def acquire(self, queue: WaitQueue) -> None:
        """Wait for a permit; `release` gives it back.

        Raises:
            SessionClosedError: The session was closed first.
        """
        if self._closed is not None:
            raise SessionClosedError(self._closed)
        if self.may_pass(queue):
            self._admit(queue)
            return
        future: asyncio.Future[None] = self._loop.create_future()
        queue.waiting.append((self._loop.time(), future))
        self._dispatch()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self.release(queue)  # granted in the very moment of the cancellation
            raise

    def release(self, queue: WaitQueue) -> None:
        """Give a permit back."""
        queue.in_flight -= 1
        if self.submits.waiting or self.polls.waiting:
            self._dispatch()

    def refused(self, sent_at: float, retry_after: float | None) -> None:
        """Make the whole session wait after a 429.

        Args:
            sent_at: The loop's time at which the refused request was sent.
            retry_after: The server's wish in seconds, of which at most 60 are granted; 0
                and None leave it to the retry policy.
        """
        now = self._loop.time()
        # Requests that were already in flight at the last refusal say nothing new.
        is_new = sent_at >= self._last_refusal
        if is_new:
            self._refusals += 1
            self._last_refusal = now
        wait = self.backoff.delay(0 if retry_after else max(1, self._refusals), retry_after)
        if is_new:
            in_flight = max(1, self.submits.in_flight + self.polls.in_flight)
            speed = in_flight / max(now - sent_at, MIN_ROUND_TRIP)
            self._found.record_refused(now, speed, wait)
        self._not_before = max(self._not_before, now + wait)

    def accepted(self, sent_at: float) -> None:
        """Count a request that was not refused."""
        self._found.record_accepted()
        if sent_at >= self._last_refusal:
            self._refusals = 0

    def close(self, reason: str) -> None:
        """Give no more permits."""
        self._closed = reason
        self.submits.close(reason)
        self.polls.close(reason)
        if self._timer is not None:
            self._timer.cancel()

    def _dispatch(self) -> None:
        """Admit what may go now; come back when the next may."""
        while (queue := self._next_queue(now := self._loop.time())) is not None:
            if now < self._not_before:
                self._waits_for_rate = True
                self._schedule()
                return
            self._admit(queue)
            queue.grant()

    def may_pass(self, queue: WaitQueue) -> bool:
        """Tell whether a permit is free and no request waits for one."""
        return (
            not self.submits.waiting
            and not self.polls.waiting
            and queue.in_flight < queue.limit
            and self.submits.in_flight + self.polls.in_flight < self.limit
            and self._loop.time() >= self._not_before
        )

    def _admit(self, queue: WaitQueue) -> None:
        queue.in_flight += 1
        self._submits_in_a_row = self._submits_in_a_row + 1 if queue is self.submits else 0
        due = now = self._loop.time()
        rate = self._rate()
        if self._waits_for_rate:
            self._waits_for_rate = False
            self._found.record_wait(now - self._admitted_at)
            # A timer that rang late is made up for, where the steps are small.
            due -= max(0.0, CATCH_UP - 1 / rate) if rate else 0.0
        self._admitted_at = now
        if rate is not None:
            self._not_before = max(self._not_before, due) + 1 / rate

    def _rate(self) -> float | None:
        """Return the requests a second that may be sent now; None for any number."""
        found = self._found.rate()
        if found is None or self.max_rate is None:
            return found or self.max_rate
        return min(found, self.max_rate)

    def _next_queue(self, now: float) -> WaitQueue | None:
        if self.submits.in_flight + self.polls.in_flight >= self.limit:
            return None
        poll_since = self.polls.waiting_since()
        if self.submits.waiting_since() is None:
            return None if poll_since is None else self.polls
        if poll_since is None or now - poll_since < MAX_POLL_WAIT:
            return self.submits
        return self.submits if self._submits_in_a_row < SUBMITS_IN_A_ROW else self.polls

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._not_before, self._dispatch)
