"""How many requests at once, and how fast: the one gate that every API call passes.

A slot is a permission to send one request. Submits go first, polls take at most three
quarters of the slots, one 429 makes everybody wait, and a rate cap spaces the starts. A poll
that submits have kept waiting gets every fourth turn: a long batch must not hide what is done.
"""

import asyncio
import random
from collections import deque

from vidgo_async._api.rate import Pace
from vidgo_async._core.errors import SessionClosedError
from vidgo_async._polling.policies import RetryPolicy

MAX_RETRY_AFTER = 60.0
"""Seconds; the longest wait that a server's `Retry-After` is granted."""
POLL_PATIENCE = 0.5
"""Seconds that a poll waits behind submits before it gets a turn between them."""
SUBMITS_IN_A_ROW = 3
"""How many submits go before a poll that has waited for so long."""
CREDIT = 0.05
"""Seconds of sending that may be caught up after a delay."""
RESOLUTION = 0.001
"""Seconds; the shortest round trip that is believed."""
POLL_SHARE = 0.75
"""The part of the slots that polls may hold; the rest stays free for submits."""


class Lane:
    """Those who wait for one kind of request, first come first served."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.busy = 0
        self.waiting: deque[tuple[float, asyncio.Future[None]]] = deque()
        """The loop's time at which each came, and what to tell it."""

    def waiting_since(self) -> float | None:
        """Return when the first came of those who may go; None if there is nobody."""
        while self.waiting and self.waiting[0][1].done():
            del self.waiting[0]  # left the queue
        return self.waiting[0][0] if self.waiting and self.busy < self.limit else None

    def call(self) -> None:
        """Tell whoever is first that there is a slot."""
        _, future = self.waiting.popleft()
        future.set_result(None)

    def close(self, reason: str) -> None:
        """Send everybody home."""
        for _, future in self.waiting:
            if not future.done():
                future.set_exception(SessionClosedError(reason))
        self.waiting.clear()


class Throttle:
    """The session's slots, its pace, and its patience after a 429."""

    def __init__(self, limit: int, most: float | None, retry: RetryPolicy) -> None:
        self.limit = limit
        self.most = most
        """Requests a second that the caller allows; None for any number."""
        self.retry = retry
        self.submits: Lane = Lane(limit)
        self.polls: Lane = Lane(max(1, int(limit * POLL_SHARE)))
        self._loop = asyncio.get_running_loop()
        self._random = random.Random()
        self._pace = Pace()
        self._not_before = 0.0
        self._admitted_at = 0.0
        self._waits_for_pace = False
        self._refusals = 0
        self._last_refusal = 0.0
        self._submits_in_a_row = 0
        self._timer: asyncio.TimerHandle | None = None
        self._closed: str | None = None

    @property
    def resumes_at(self) -> float:
        """The loop's time before which nothing is sent."""
        return self._not_before

    async def acquire(self, lane: Lane) -> None:
        """Wait for a slot; whoever got one gives it back with `release`.

        Raises:
            SessionClosedError: The session was closed first.
        """
        if self._closed is not None:
            raise SessionClosedError(self._closed)
        if self._may_pass(lane):
            self._admit(lane)
            return
        future: asyncio.Future[None] = self._loop.create_future()
        lane.waiting.append((self._loop.time(), future))
        self._dispatch()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self.release(lane)  # granted in the very moment of the cancellation
            raise

    def release(self, lane: Lane) -> None:
        """Give a slot back."""
        lane.busy -= 1
        if self.submits.waiting or self.polls.waiting:
            self._dispatch()

    def slow_down(self, sent_at: float, retry_after: float | None) -> None:
        """Make the whole session wait after a 429.

        Args:
            sent_at: The loop's time at which the refused request was sent.
            retry_after: The server's wish in seconds, at most a minute of which is granted; 0
                and None leave it to the retry policy.
        """
        now = self._loop.time()
        # Requests that were already under way at the last refusal say nothing new.
        news = sent_at >= self._last_refusal
        if news:
            self._refusals += 1
            self._last_refusal = now
        wait = retry_after or self.retry.delay(max(1, self._refusals), self._random.random())
        wait = min(wait, MAX_RETRY_AFTER)
        if news:
            under_way = max(1, self.submits.busy + self.polls.busy)
            self._pace.refuse(now, under_way / max(now - sent_at, RESOLUTION), wait)
        self._not_before = max(self._not_before, now + wait)

    def speed_up(self, sent_at: float) -> None:
        """Count a success; one sent after the last refusal makes that one a thing of the past."""
        self._pace.accept()
        if sent_at >= self._last_refusal:
            self._refusals = 0

    def close(self, reason: str) -> None:
        """Let nobody in any more."""
        self._closed = reason
        self.submits.close(reason)
        self.polls.close(reason)
        if self._timer is not None:
            self._timer.cancel()

    def _dispatch(self) -> None:
        """Let in whoever may go now; come back when the next may."""
        while (lane := self._next_lane(now := self._loop.time())) is not None:
            if now < self._not_before:
                self._waits_for_pace = True
                self._come_back()
                return
            self._admit(lane)
            lane.call()

    def _may_pass(self, lane: Lane) -> bool:
        """Tell whether a slot is free and nobody waits for one."""
        return (
            not self.submits.waiting
            and not self.polls.waiting
            and lane.busy < lane.limit
            and self.submits.busy + self.polls.busy < self.limit
            and self._loop.time() >= self._not_before
        )

    def _admit(self, lane: Lane) -> None:
        lane.busy += 1
        self._submits_in_a_row = self._submits_in_a_row + 1 if lane is self.submits else 0
        due = now = self._loop.time()
        rate = self._rate()
        if self._waits_for_pace:
            self._waits_for_pace = False
            self._pace.strain(now - self._admitted_at)
            # A timer that rang late is made up for, where the steps are small.
            due -= max(0.0, CREDIT - 1 / rate) if rate else 0.0
        self._admitted_at = now
        if rate is not None:
            self._not_before = max(self._not_before, due) + 1 / rate

    def _rate(self) -> float | None:
        """Return the requests a second that may be sent now; None for any number."""
        found = self._pace.rate()
        if found is None or self.most is None:
            return found or self.most
        return min(found, self.most)

    def _next_lane(self, now: float) -> Lane | None:
        if self.submits.busy + self.polls.busy >= self.limit:
            return None
        poll_came = self.polls.waiting_since()
        if self.submits.waiting_since() is None:
            return None if poll_came is None else self.polls
        if poll_came is None or now - poll_came < POLL_PATIENCE:
            return self.submits
        return self.submits if self._submits_in_a_row < SUBMITS_IN_A_ROW else self.polls

    def _come_back(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._not_before, self._dispatch)
