"""One scheduler per session: a heap of (due, task) and a crew of workers that come and go.

A watched task costs one small entry, not a coroutine: nothing runs and nothing is held while
tasks merely wait. When an entry falls due a worker is called in; it looks at whatever is due
and goes home when nothing is. The crew is bounded, and each look needs a slot of the throttle.

Readers get letters: their `Inbox` is all that the scheduler knows of them.
"""

import asyncio
import contextvars
import functools
import heapq
import itertools
import logging
import math
import random
from collections.abc import Iterable
from datetime import UTC, datetime
from http import HTTPStatus

import attrs

from vidgo_async._api.client import Api
from vidgo_async._api.limiter import MAX_RETRY_AFTER
from vidgo_async._core.errors import APIError, RateLimitError, SessionClosedError, VidgoError
from vidgo_async._core.models import UNSEEN, Task, without_raw
from vidgo_async._polling.adaptive import LearningPolicy
from vidgo_async._polling.policies import PollingPolicy, RetryPolicy
from vidgo_async._polling.poll_timeout import Patience
from vidgo_async._polling.subscription import Inbox

logger: logging.Logger = logging.getLogger("vidgo_async")

JITTER = 0.2
"""The part of a wait that is added at random, so that tasks are not looked at in lockstep."""
TICK = 1 / 16
"""Seconds, a power of two; looks wait for the next tick, so that one waking of the loop serves
several. Shorter waits have ticks within the part above, so that theirs do not stay together."""
RESOLUTION = 0.001
"""Seconds that a timer may ring early."""
REFUSALS = 3
"""How many refusals in a row end a watch."""
_REFUSING = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})


@attrs.define(eq=False, repr=False)
class _Watch:
    """One watched task, however many readers wait for it."""

    task: Task
    readers: tuple[Inbox, ...]
    born: float | None
    """The loop's time of its submit, if known."""
    looked_at: float
    """The loop's time of the last look; of the submit before the first."""
    seen_at: float
    """The loop's time of the last look that succeeded; of the submit before the first."""
    due: float = math.inf
    is_looked_at: bool = False
    """Whether a look is under way; a watch stays until it ends, even without readers."""
    failures: int = 0
    refusals: int = 0
    trouble: VidgoError | None = None


class Poller:
    """Looks at watched tasks when the policy says, and writes to their readers."""

    def __init__(self, api: Api, polling: PollingPolicy, retry: RetryPolicy) -> None:
        self.api = api
        self.polling = polling
        self.retry = retry
        self._watches: dict[str, _Watch] = {}
        self._heap: list[tuple[float, int, _Watch]] = []
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0
        """The loop's time at which it rings, which handles of uvloop do not always tell."""
        self._crew: set[asyncio.Task[None]] = set()
        self._end: VidgoError | None = None
        self._patience = Patience(api.poll_timeout)
        self._learner = polling if isinstance(polling, LearningPolicy) else None
        self._random = random.Random()
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()

    # --- For readers ------------------------------------------------------------------------

    def watch(self, tasks: Iterable[Task], inbox: Inbox) -> None:
        """Watch tasks for a reader; tasks that ended already are delivered at once."""
        alone = (inbox,)  # shared by all entries that nobody else watches
        try:
            for task in tasks:
                inbox.watching[task.task_id] = task
                if task.done:
                    inbox.put(task.task_id, task)
                elif self._end is None:
                    self._add(task, alone)
        except BaseException:  # a policy of the user's failed
            self.unwatch(inbox)
            raise
        if self._end is not None:
            inbox.fail(self._end.own_copy())

    def unwatch(self, inbox: Inbox) -> None:
        """Forget a reader; what nobody else watches is not looked at any more."""
        for task_id in inbox.watching:
            watch = self._watches.get(task_id)
            if watch is None:
                continue
            watch.readers = tuple(reader for reader in watch.readers if reader is not inbox)
            if not watch.readers and not watch.is_looked_at:
                self._forget(watch)

    def known(self, task: Task) -> Task:
        """Return the newest state of a task that is watched; of another, what was given."""
        watch = self._watches.get(task.task_id)
        return task if watch is None or watch.task.status == UNSEEN else watch.task

    def trouble(self, task_id: str) -> VidgoError | None:
        """Return why the last look at a task failed, if it did."""
        watch = self._watches.get(task_id)
        return watch.trouble if watch is not None else None

    async def close(self, reason: str) -> None:
        """End all watches; each reader gets a `SessionClosedError`."""
        self._stop(SessionClosedError(reason))
        for worker in self._crew:
            worker.cancel()
        if self._crew:
            await asyncio.wait(self._crew)
        self._patience.close()

    # --- When -------------------------------------------------------------------------------

    def _add(self, task: Task, readers: tuple[Inbox]) -> None:
        watch = self._watches.get(task.task_id)
        if watch is None:
            now = self.loop.time()
            born = _birth(task, now)
            looked_at = now if born is None else born
            watch = _Watch(without_raw(task), readers, born, looked_at, looked_at)
            first = 0.0 if born is None else self._interval(watch)
            self._watches[task.task_id] = watch
            self._schedule(watch, first)
        else:
            self._join(watch, task, *readers)

    def _join(self, watch: _Watch, task: Task, inbox: Inbox) -> None:
        """Let one more reader share a watch; each side may know what the other does not."""
        watch.readers += (inbox,)
        watch.born = _birth(task, self.loop.time()) if watch.born is None else watch.born
        known = task if watch.task.status == UNSEEN else watch.task
        watch.task = attrs.evolve(
            known,
            raw=None,
            model=watch.task.model or task.model,
            submitted_at=watch.task.submitted_at or task.submitted_at,
            duration=watch.task.duration or task.duration,
        )
        if watch.task != task:
            inbox.update(watch.task)
        if inbox.last_look < watch.due and not watch.is_looked_at:
            self._push(watch, max(inbox.last_look, self.loop.time()))

    def _interval(self, watch: _Watch) -> float:
        """Ask the policy how long after the last look the next one is."""
        age = None if watch.born is None else watch.looked_at - watch.born
        delay = self.polling.next_delay(watch.task, age)
        if not 0 <= delay < math.inf:
            msg = f"{self.polling!r} wants to look again in {delay!r} s; give 0 or more"
            raise ValueError(msg)
        return delay * (1 + JITTER * self._random.random())

    def _schedule(self, watch: _Watch, delay: float) -> None:
        """Make a task due that long after the last look, and in time for its readers."""
        if not watch.readers:
            self._forget(watch)  # everybody left during the look
            return
        now = self.loop.time()
        due = watch.looked_at + delay
        due = max(now, next_tick(due, delay) if delay > 0 else due)
        for reader in watch.readers:
            if now < reader.last_look < due:
                due = reader.last_look
        self._push(watch, due)

    def _push(self, watch: _Watch, due: float) -> None:
        # An entry that was pushed before stays in the heap, and is known by its old time.
        watch.due = due
        heapq.heappush(self._heap, (due, next(self._order), watch))
        if self._timer is None or due < self._rings_at:
            self._set_alarm()

    def _head(self) -> _Watch | None:
        """Return the task that is due first, dropping entries that are out of date."""
        while self._heap:
            due, _, watch = self._heap[0]
            if watch.readers and watch.due == due:
                return watch
            heapq.heappop(self._heap)
        return None

    def _due_now(self) -> bool:
        head = self._head()
        return head is not None and self._is_due(head)

    def _is_due(self, watch: _Watch) -> bool:
        return watch.due <= self.loop.time() + RESOLUTION

    def _has_hands(self) -> bool:
        """Tell whether one more worker may be called in."""
        return len(self._crew) < self.api.throttle.polls.limit

    def _set_alarm(self) -> None:
        """Have a worker called in when the next task falls due."""
        head = self._head()
        if head is None:
            return
        if self._timer is not None:
            if self._rings_at <= head.due:
                return
            self._timer.cancel()
            self._timer = None
        if self._is_due(head) and self._has_hands():
            self._call_in()
            return
        self._rings_at = head.due
        # An empty context: no look belongs to the trace of the caller who came first.
        self._timer = self.loop.call_at(head.due, self._call_in, context=contextvars.Context())

    def _rest(self) -> None:
        self._heap.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- Looking ----------------------------------------------------------------------------

    def _call_in(self) -> None:
        """Let a worker begin for each task that is due; of a full crew, let the slowest give way.

        They begin in one turn of the loop, so that their answers share its turns too.
        """
        self._timer = None
        while self._due_now():
            if not self._has_hands():
                self._patience.hurry()
                return
            worker = self.loop.create_task(self._work(self._take()), context=contextvars.Context())
            self._crew.add(worker)
            worker.add_done_callback(self._go_home)
        self._set_alarm()

    def _take(self) -> _Watch:
        """Take what is due first, for a look that begins now or as soon as there is a slot."""
        _, _, watch = heapq.heappop(self._heap)
        watch.is_looked_at = True
        return watch

    def _go_home(self, worker: "asyncio.Task[None]") -> None:
        self._crew.discard(worker)
        if not worker.cancelled() and (bug := worker.exception()) is not None:
            self._die(bug)
        self._set_alarm()

    async def _work(self, watch: _Watch) -> None:
        """Look at one task after the other, until nothing is due."""
        throttle = self.api.throttle
        while True:
            await throttle.acquire(throttle.polls)
            try:
                await self._look(watch)
            finally:
                throttle.release(throttle.polls)
            if not self._due_now():
                return
            watch = self._take()
            self._set_alarm()  # more may be due: a slow look has to give way

    async def _look(self, watch: _Watch) -> None:
        if not watch.readers:
            self._forget(watch)  # everybody left while there was no slot
            return
        try:
            task = await self._patience.see(functools.partial(self.api.status, watch.task))
        except VidgoError as error:
            self._failed(watch, error.with_traceback(None))
        else:
            self._seen(watch, task)

    def _seen(self, watch: _Watch, task: Task) -> None:
        before = watch.seen_at
        self._looked(watch)
        watch.seen_at = watch.looked_at
        if self._learner is not None and watch.born is not None:
            earliest = max(0.0, before - watch.born)
            self._learner.learn(watch.task, task, earliest, watch.looked_at - watch.born)
        watch.failures = watch.refusals = 0
        watch.trouble = None
        if task.done:
            self._deliver(watch, task)
            return
        if task != watch.task:
            watch.task = task = without_raw(task)
            for reader in watch.readers:
                reader.update(task)
        self._schedule(watch, self._interval(watch))

    def _looked(self, watch: _Watch) -> None:
        watch.is_looked_at = False
        watch.looked_at = self.loop.time()

    def _failed(self, watch: _Watch, error: VidgoError) -> None:
        """Go on after a failed look, ever more slowly; the deadline is the reader's."""
        self._looked(watch)
        watch.trouble = error
        refused = isinstance(error, APIError) and error.documented and error.status in _REFUSING
        watch.refusals = watch.refusals + 1 if refused else 0
        if watch.refusals >= REFUSALS:
            self._deliver(watch, error)
            return
        # A 429 is no failure of this task: the throttle makes everybody wait.
        watch.failures += not isinstance(error, RateLimitError)
        delay = max(self._interval(watch), self._penalty(watch, error))
        logger.debug("look at %s again in %.1f s: %s", watch.task.task_id, delay, error)
        self._schedule(watch, delay)

    def _penalty(self, watch: _Watch, error: VidgoError) -> float:
        asked = error.retry_after if isinstance(error, APIError) else None
        grown = self.retry.delay(watch.failures, self._random.random()) if watch.failures else 0.0
        return max(grown, min(asked or 0.0, MAX_RETRY_AFTER))

    def _deliver(self, watch: _Watch, end: Task | VidgoError) -> None:
        for reader in watch.readers:
            reader.put(watch.task.task_id, end if isinstance(end, Task) else end.own_copy())
        watch.readers = ()
        self._forget(watch)

    def _forget(self, watch: _Watch) -> None:
        self._watches.pop(watch.task.task_id, None)
        if not self._watches:
            self._rest()

    # --- The end ----------------------------------------------------------------------------

    def _die(self, bug: BaseException) -> None:
        end = VidgoError("the poller stopped because of a bug in vidgo_async or in the policy")
        end.__cause__ = bug
        self._stop(end)

    def _stop(self, end: VidgoError) -> None:
        """Tell every reader, each with an error of its own."""
        self._end = end = self._end or end
        readers = {reader for watch in self._watches.values() for reader in watch.readers}
        for watch in self._watches.values():
            watch.readers = ()
        self._watches.clear()
        self._rest()
        for reader in readers:
            reader.fail(end.own_copy())


def next_tick(due: float, delay: float) -> float:
    """Return the first tick from a time on; its size is that for a wait of `delay`.

    Sizes are halves of halves, so that short waits share the ticks of long ones.
    """
    tick = min(TICK, 2.0 ** math.floor(math.log2(JITTER * delay)))
    return math.ceil(due / tick) * tick


def _birth(task: Task, now: float) -> float | None:
    """Translate a task's wall-clock age to the loop's clock."""
    if task.submitted_at is None:
        return None
    return now - max(0.0, (datetime.now(UTC) - task.submitted_at).total_seconds())
