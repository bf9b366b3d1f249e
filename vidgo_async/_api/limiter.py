"""How many requests at once, and when: every API call waits here for a permit.

A permit allows one request. Each kind of request has a queue, and a limit of the server's that is
learned from its own refusals; beside that there are the caller's caps. Submits go first, polls hold
at most three quarters of the permits. A poll that submits have kept waiting takes turns with them:
a long batch must not hide which tasks ended.
"""

import asyncio
import math
from collections import deque

import attrs

from vidgo_async._api.concurrency_limit import ConcurrencyLimit
from vidgo_async._api.limit import Admission, Limit
from vidgo_async._api.rate import Pace
from vidgo_async._core.errors import RateLimitError, SessionClosedError
from vidgo_async._core.retry import Backoff

MAX_POLL_WAIT = 0.5
"""Seconds that a poll waits behind submits before it takes turns with them."""
POLL_SHARE = 0.75
"""The part of the permits that polls may hold; the rest stays free for submits."""


@attrs.frozen(kw_only=True)
class Caps:
    """What the caller allows; None for any number."""

    max_concurrent_requests: int
    max_concurrent_submits: int
    max_requests_per_second: float | None = None
    max_submits_per_second: float | None = None


class Cap:
    """A rate that the caller allows."""

    def __init__(self, rate: float | None) -> None:
        self.rate = rate
        self.opens_at: float = -math.inf
        """When the next request may be sent."""
        self._pace = Pace()

    def sent(self, now: float) -> None:
        """Note a request that is sent."""
        if self.rate is not None:
            self._pace.sent(now, self.rate)
            self.opens_at = self._pace.opens_at


class Permit:
    """The right to send one request."""

    __slots__ = ("_admission", "_limiter", "_queue", "granted_at")

    def __init__(self, limiter: "Limiter", queue: "WaitQueue", now: float) -> None:
        self.granted_at: float = now
        """The loop's time at which it was granted."""
        self._limiter = limiter
        self._queue = queue
        self._admission = queue.admit(now)

    def accepted(self, now: float) -> None:
        """Tell that the server accepted it, at that time of the loop."""
        self._queue.limit.accepted(self._admission, now)

    def refused(self, error: RateLimitError) -> None:
        """Tell that the server refused it with 429."""
        self._queue.limit.refused(self._admission, self._limiter.now(), error)

    def release(self) -> None:
        """Give it back, once, when the request has come to its end."""
        limiter, queue = self._limiter, self._queue
        queue.in_flight -= 1
        queue.limit.done(self._admission, limiter.now(), queue.in_flight)
        limiter.in_flight -= 1
        limiter.dispatch()


@attrs.frozen(eq=False)
class Waiter:
    """One request that waits."""

    since: float
    """The loop's time since when."""
    future: "asyncio.Future[Permit]"


class WaitQueue:
    """The requests of one kind: those in flight, and those that wait, first come first served."""

    def __init__(self, max_in_flight: int, limit: Limit, cap: float | None = None) -> None:
        self.max_in_flight: int = max_in_flight
        self.limit: Limit = limit
        self.in_flight: int = 0
        self.waiting: deque[Waiter] = deque()
        self._cap = Cap(cap)

    def first(self) -> Waiter | None:
        """Return the first that waits, if one does."""
        while self.waiting and self.waiting[0].future.done():
            self.waiting.popleft()  # cancelled
        return self.waiting[0] if self.waiting else None

    def opens_at(self, now: float) -> float:
        """Return when the next may be sent; infinity until something else happens."""
        if self.in_flight >= self.max_in_flight:
            return math.inf
        return max(self._cap.opens_at, self.limit.opens_at(now, self.in_flight))

    def admit(self, now: float) -> Admission:
        """Let one be sent."""
        admission = self.limit.sent(now, self.in_flight)
        self._cap.sent(now)
        self.in_flight += 1
        return admission

    def add(self, waiter: Waiter) -> None:
        """Let one wait; who waited before goes before those who came meanwhile."""
        first = self.first()
        if first is not None and waiter.since < first.since:
            self.waiting.appendleft(waiter)
        else:
            self.waiting.append(waiter)

    def close(self, reason: str) -> None:
        """Raise a `SessionClosedError` in all that wait."""
        for waiter in self.waiting:
            if not waiter.future.done():
                waiter.future.set_exception(SessionClosedError(reason))
        self.waiting.clear()


class Limiter:
    """The session's permits."""

    def __init__(self, caps: Caps, backoff: Backoff) -> None:
        limit = caps.max_concurrent_requests
        share = max(1, int(limit * POLL_SHARE))
        self.limit: int = limit
        self.backoff: Backoff = backoff
        submits = Limit(backoff.delay)
        most = caps.max_concurrent_submits
        self.submits: WaitQueue = WaitQueue(most, submits, caps.max_submits_per_second)
        self.polls: WaitQueue = WaitQueue(share, Limit(backoff.delay))
        self.others: WaitQueue = WaitQueue(share, Limit(backoff.delay))
        self._queues = (self.submits, self.polls, self.others)
        self.in_flight: int = 0
        """How many permits are held."""
        self._patience = backoff.policy.timeout
        self._loop = asyncio.get_running_loop()
        self._cap = Cap(caps.max_requests_per_second)
        self._in_turn = self.polls
        self._timer: asyncio.TimerHandle | None = None
        self._due = math.inf
        """When it rings, which handles of uvloop do not always tell."""
        self._closed: str | None = None

    def now(self) -> float:
        """Return the loop's time."""
        return self._loop.time()

    @property
    def tasks(self) -> ConcurrencyLimit:
        """The bought tasks that run."""
        return self.submits.limit.concurrency

    async def acquire(self, queue: WaitQueue, since: float | None = None) -> Permit:
        """Wait for a permit.

        Args:
            queue: Where to wait.
            since: The loop's time since when this request wants to be sent; now by default.

        Raises:
            SessionClosedError: The session was closed first.
            RateLimitError: Submits were refused, and nothing moved, for as long as the retry
                policy allows.
        """
        if self._closed is not None:
            raise SessionClosedError(self._closed)
        now = self._loop.time()
        if self._may_pass(queue, now):
            return self._admit(queue, now)
        future: asyncio.Future[Permit] = self._loop.create_future()
        queue.add(Waiter(now if since is None else since, future))
        self.dispatch()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                future.result().release()  # granted in the very moment of the cancellation
            raise

    def may_pass(self, queue: WaitQueue) -> bool:
        """Tell whether a request may be sent now, and none waits before it."""
        return self._may_pass(queue, self._loop.time())

    def _may_pass(self, queue: WaitQueue, now: float) -> bool:
        return (
            self.in_flight < self.limit
            and not (self.submits.waiting or self.polls.waiting or self.others.waiting)
            and self._cap.opens_at <= now
            and queue.opens_at(now) <= now
        )

    def only_permits_matter(self, queue: WaitQueue) -> bool:
        """Tell whether neither a cap nor the server ever held a request of this kind back."""
        return self._cap.rate is None and queue.limit.last_refusal is None

    def dispatch(self) -> None:
        """Let go what may; come back when the next may."""
        if not (self.submits.waiting or self.polls.waiting or self.others.waiting):
            return
        now = self.now()
        self._give_up(now)
        while self.in_flight < self.limit and (queue := self._next_queue(now)) is not None:
            waiter = queue.waiting.popleft()
            waiter.future.set_result(self._admit(queue, now))
        self._set_timer(now)

    def close(self, reason: str) -> None:
        """Give no more permits."""
        self._closed = reason
        for queue in self._queues:
            queue.close(reason)
        self._cancel_timer()

    def _opens_at(self, queue: WaitQueue, now: float) -> float:
        return max(self._cap.opens_at, queue.opens_at(now))

    def _admit(self, queue: WaitQueue, now: float) -> Permit:
        self._cap.sent(now)
        self.in_flight += 1
        self._in_turn = self.polls if queue is self.submits else self.submits
        return Permit(self, queue, now)

    def _next_queue(self, now: float) -> WaitQueue | None:
        """Return whose turn it is, of the queues of which one may be sent now."""
        if self._cap.opens_at > now:
            return None
        ready = [each for each in self._queues if each.first() and each.opens_at(now) <= now]
        if self.polls in ready and self._in_turn is self.polls:
            poll = self.polls.first()
            if poll is not None and now - poll.since >= MAX_POLL_WAIT:
                return self.polls
        return ready[0] if ready else None

    def _set_timer(self, now: float) -> None:
        due = self._gives_up_at(now)
        if self.in_flight < self.limit:
            for queue in self._queues:
                if queue.first() is not None:
                    due = min(due, self._opens_at(queue, now))
        if due == self._due:
            return
        self._cancel_timer()
        if due < math.inf:
            self._due = due
            self._timer = self._loop.call_at(due, self._ring)

    def _ring(self) -> None:
        self._cancel_timer()
        self.dispatch()

    def _cancel_timer(self) -> None:
        self._due = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- A limit that lasts -----------------------------------------------------------------

    def _gives_up_at(self, now: float) -> float:
        """Return when the first submit has waited for too long while nothing moved.

        To wait for a permit, for a cap or for the turn of a sibling costs no patience.
        """
        first, limit = self.submits.first(), self.submits.limit
        if first is None or limit.opens_at(now, self.submits.in_flight) <= now:
            return math.inf
        return max(first.since, limit.moves_until(now)) + self._patience

    def _give_up(self, now: float) -> None:
        refusal = self.submits.limit.last_refusal
        while refusal is not None and self._gives_up_at(now) <= now:
            waiter = self.submits.waiting.popleft()
            waited = f"refused for {now - waiter.since:.0f} s"
            waiter.future.set_exception(refusal.own_copy(f"{refusal.message} ({waited})"))
