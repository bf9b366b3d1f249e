"""One poller per session: a heap of due times, and a bounded number of polls in flight.

A watched task costs one small entry, not a coroutine: nothing runs and nothing is held while
tasks merely wait. A timer rings when the first entry falls due, and workers poll what is due.

The poller publishes events: all it knows of a consumer is its `Subscription`.
"""

import asyncio
import functools
import logging
from collections.abc import Mapping

from vidgo_async._api.client import Api
from vidgo_async._core.errors import (
    APIError,
    SessionClosedError,
    TransportError,
    TransportTimeoutError,
    VidgoError,
)
from vidgo_async._core.models import UNSEEN, Task, task_of
from vidgo_async._core.pieces import ALL_DONE, Pieces
from vidgo_async._core.retry import Backoff
from vidgo_async._polling.callbacks import Callbacks
from vidgo_async._polling.consumers import Consumers
from vidgo_async._polling.lateness import MIN_WAIT, Lateness
from vidgo_async._polling.pacing import Pacing
from vidgo_async._polling.policies import PollingPolicy
from vidgo_async._polling.poll_timeout import PollTimeout
from vidgo_async._polling.schedule import Workers
from vidgo_async._polling.subscription import Subscription
from vidgo_async._polling.ticks import NO_WAIT, Wait
from vidgo_async._polling.watches import Watch, Watches

logger: logging.Logger = logging.getLogger("vidgo_async")

FILES_INTERVAL = 2.0
"""Seconds between the polls of a task that finished without files."""


class Poller:
    """Polls watched tasks when the policy says, and publishes what it finds."""

    def __init__(self, api: Api, polling: PollingPolicy, backoff: Backoff) -> None:
        self.api = api
        self.backoff = backoff
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self._watches = Watches()
        self._subscriptions = set[Subscription]()
        """Those that may have watches."""
        self.callbacks: Callbacks = Callbacks(self._watches, self._poll_in)
        self._pacing = Pacing(polling, self.callbacks)
        self._workers = Workers(api.limiter.polls, self._poll, self._fail)
        self._schedule = self._workers.schedule
        self._timeout = PollTimeout(api.poll_timeout)
        self._lateness = Lateness(api.limiter)
        self._failure: VidgoError | None = None
        self._telling: Pieces[Subscription] = ALL_DONE
        """What tells all subscribers of it."""

    def check_loop(self) -> None:
        """Refuse the use of a session in another event loop than its own, or in none.

        Raises:
            SessionClosedError: This is not the session's loop.
        """
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is not self.loop:
            msg = "the session belongs to another event loop; open one session in each"
            raise SessionClosedError(msg)

    def check_running(self) -> None:
        """Refuse to buy what could not be polled any more.

        Raises:
            VidgoError: The poller ended with a bug.
        """
        if self._failure is not None:
            msg = f"{self._failure.message}: nothing was bought"
            raise self._failure.own_copy(msg)

    # --- For consumers ----------------------------------------------------------------------

    def watch(self, tasks: Mapping[str, Task | str], subscription: Subscription) -> None:
        """Watch tasks for a subscriber, by their ids; those that ended already are published."""
        subscription.pending.update(tasks)
        self._subscriptions.add(subscription)
        alone = (subscription,)  # shared by all entries with no other subscriber
        begin = functools.partial(self._begin, alone)
        subscription.pieces = Pieces(tasks.values(), begin, self._fail)
        if self._failure is not None:
            subscription.fail(self._failure.own_copy())

    def unwatch(self, subscription: Subscription) -> None:
        """Forget a subscriber; a task without subscribers is not polled any more."""
        subscription.pieces.stop()
        leave = functools.partial(self._leave, subscription)
        subscription.pieces = Pieces(list(subscription.pending), leave, self._fail)
        subscription.pieces.then(functools.partial(self._subscriptions.discard, subscription))

    def end(self, subscription: Subscription) -> None:
        """Forget a subscriber for good, and wake its waiters."""
        self.unwatch(subscription)
        subscription.close()

    def pause_without_consumer(self, subscription: Subscription) -> None:
        """Poll for a stream only as long as its consumer is there."""
        follow = functools.partial(self._follow, subscription)
        subscription.consumers = Consumers(follow, follow)

    def resume(self, subscription: Subscription) -> None:
        """Watch again for a subscriber that was forgotten by `unwatch` and still waits."""
        subscription.pieces.then(lambda: self.watch(subscription.unfinished(), subscription))

    def poll_now(self, task_id: str) -> bool:
        """Poll a task that is said to have ended; tell whether this session knows it.

        A task without subscribers is polled when the next one subscribes.
        """
        is_known = self.callbacks.told(task_id)
        watch = self._watches.get(task_id)
        if watch is not None:
            if watch.told():  # else its next poll is under way, or waits for the server's sake
                self._poll_in(watch, None)
        elif (watch := self._watches.get_left(task_id)) is not None:
            watch.told()
        return is_known or watch is not None

    def last_known(self, task: Task) -> Task:
        """Return the newest state of a task that is watched; of another, what was given."""
        watch = self._watches.get(task.task_id)
        return task if watch is None or watch.task.status == UNSEEN else watch.task

    def last_error(self, task_id: str) -> VidgoError | None:
        """Return why the last poll of a task failed, if it did."""
        watch = self._watches.get(task_id)
        return watch.last_error if watch is not None else None

    async def close(self, reason: str) -> None:
        """End all watches; each subscriber gets a `SessionClosedError`."""
        watches = self._stop(SessionClosedError(reason))
        await self._workers.close()
        await self._telling.wait()
        await Pieces(list(watches), watches.pop).wait()

    # --- When -------------------------------------------------------------------------------

    def _begin(self, subscribers: tuple[Subscription], task_or_id: Task | str) -> None:
        """Begin to watch a task for one subscriber."""
        (subscription,) = subscribers
        task = task_of(task_or_id)
        if task.done:
            subscription.put(task.task_id, task)
            return
        subscription.pending[task.task_id] = task
        if self._failure is None:
            self._add(task, subscribers)

    def _follow(self, subscription: Subscription) -> None:
        """Begin or end to watch each task of a stream, as its consumer is there or gone by then.

        What is under way goes on: where consumers leave and come back again and again, begun anew it
        would never reach the last tasks.
        """
        follow = functools.partial(self._follow, subscription)
        if not subscription.pieces.done:
            subscription.pieces.then(follow)
            return
        follow_one = functools.partial(self._follow_one, (subscription,))
        subscription.pieces = Pieces(list(subscription.pending), follow_one, self._fail)

    def _follow_one(self, alone: tuple[Subscription], task_id: str) -> None:
        (subscription,) = alone
        if subscription.is_abandoned():
            self._leave(subscription, task_id)
        elif subscription.waits_for(task_id):
            self._begin(alone, subscription.pending[task_id])

    def _leave(self, subscription: Subscription, task_id: str) -> None:
        """Forget a subscriber of one task."""
        watch = self._watches.get(task_id)
        if watch is None:
            return
        watch.subscribers = tuple(each for each in watch.subscribers if each is not subscription)
        if not watch.subscribers and not watch.in_flight:
            self._forget(watch)

    def _add(self, task: Task, subscribers: tuple[Subscription]) -> None:
        watch = self._watches.get(task.task_id)
        if watch is None:
            watch = self._watches.open(task, subscribers)
            self.callbacks.opened(watch)
            wait = NO_WAIT if watch.is_new else self._pacing.wait(watch)
            self._schedule_poll(watch, wait, self.loop.time())
            self._schedule.set_timer()
            return
        (subscription,) = subscribers
        if subscription in watch.subscribers:
            return
        now = self.loop.time()
        watch.join(task, subscription, now)
        final_poll = watch.final_poll(subscription)
        if final_poll < watch.due and not watch.in_flight:
            self._schedule.push(watch, max(final_poll, now))
            self._schedule.set_timer()

    def _poll_in(self, watch: Watch, wait: Wait | None) -> None:
        """Make a task due at another time than it was; a poll in flight will see to that itself."""
        if watch.subscribers and not watch.in_flight:
            wait = self._pacing.wait(watch) if wait is None else wait
            self._schedule_poll(watch, wait, self.loop.time())
            self._schedule.set_timer()

    def _schedule_poll(self, watch: Watch, wait: Wait, now: float) -> None:
        """Make a task due that long after its last poll, and in time for its subscribers.

        Outside of a worker, which sees to it, the timer is to be set then.
        """
        if not watch.subscribers or self._failure is not None:
            self._forget(watch)  # all left during the poll
            return
        due = watch.polled_at
        if wait.seconds > 0:
            share = wait.seconds * self.api.limiter.polls.max_in_flight / max(1, len(self._watches))
            due = self._pacing.tick_after(wait, watch.polled_at, share)
        due = max(now, due)
        for subscription in watch.subscribers:
            if subscription.final_poll < due and watch.final_poll(subscription) < due:
                due = max(now, subscription.final_poll)
        self._schedule.push(watch, due)

    # --- Polling ----------------------------------------------------------------------------

    async def _poll(self, watch: Watch) -> None:
        """Poll one task once."""
        limiter = self.api.limiter
        # When it could have been sent: once it is due and a worker is free; that the loop was
        # blocked does not count.
        wanted_at = min(self.loop.time(), max(watch.due, self._workers.full_since))
        permit = await limiter.acquire(limiter.polls)
        if permit.granted_at - wanted_at >= MIN_WAIT:
            self._lateness.note(watch, permit.granted_at - wanted_at, len(self._watches))
        try:
            for subscription in watch.subscribers:
                if subscription.is_abandoned():  # its other tasks are left by now, or soon
                    self._leave(subscription, watch.task.task_id)
            if not watch.subscribers:
                watch.in_flight = False
                self._forget(watch)  # all left while there was no permit
                return
            try:
                timeout = self._timeout.of(watch.timeouts)
                task, digest = await self.api.status(
                    watch.task, permit, timeout=timeout, digest=watch.digest, keeps_raw=False
                )
            except VidgoError as error:
                self._polled(watch, permit.granted_at, error)
                self._failed(watch, error.with_traceback(None))
            else:
                self._polled(watch, permit.granted_at, None)
                self._succeeded(watch, task, digest)
        finally:
            permit.release()

    def _polled(self, watch: Watch, started_at: float, error: VidgoError | None) -> None:
        watch.in_flight = False
        watch.was_polled = True
        watch.polled_at = self.loop.time()
        watch.timeouts = watch.timeouts + 1 if isinstance(error, TransportTimeoutError) else 0
        if not isinstance(error, TransportError):  # it was answered
            self._timeout.record(watch.polled_at - started_at)

    def _succeeded(self, watch: Watch, task: Task, digest: int) -> None:
        previous, watch.last_success_at = watch.last_success_at, watch.polled_at
        watch.failures = watch.refusals = 0
        watch.last_error = None
        self._pacing.learn(watch, task, previous)
        if task.finished and not task.files and watch.waits_for_files(task, FILES_INTERVAL):
            self._schedule_poll(watch, Wait(FILES_INTERVAL, has_jitter=False), watch.polled_at)
            return
        if task.done:
            self.callbacks.ended(watch)
            self._end(watch, task)
            return
        watch.found_no_end()
        if watch.hint is None:
            self.callbacks.found_no_end(watch)
        watch.digest = digest
        if task is not watch.task and task != watch.task:
            watch.task = task
            for subscription in watch.subscribers:
                subscription.update(task)
        self._schedule_poll(watch, self._pacing.wait(watch), watch.polled_at)

    def _failed(self, watch: Watch, error: VidgoError) -> None:
        """Go on after a failed poll, ever more slowly; the deadline is the consumer's."""
        if watch.is_refused(error):
            self._end(watch, watch.finished or error)
            return
        retry_after = error.retry_after if isinstance(error, APIError) else None
        backoff = self.backoff.delay(watch.failures, retry_after)
        wait = self._pacing.wait_after_failure(watch, backoff)
        logger.debug("poll %s again in %.1f s: %s", watch.task.task_id, wait.seconds, error)
        self._schedule_poll(watch, wait, watch.polled_at)

    def _end(self, watch: Watch, event: Task | VidgoError) -> None:
        """Publish the last event about a task, and forget it."""
        for subscription in watch.subscribers:
            own = event if isinstance(event, Task) else event.own_copy()
            subscription.put(watch.task.task_id, own)
        watch.subscribers = ()
        watch.ended = True
        self._forget(watch)

    def _forget(self, watch: Watch) -> None:
        self._watches.forget(watch)
        if not self._watches:
            self._schedule.clear()

    # --- The end ----------------------------------------------------------------------------

    def _fail(self, bug: BaseException) -> None:
        if self._failure is not None:
            return
        if isinstance(bug, asyncio.CancelledError):  # with all tasks of the app, for example
            failure = VidgoError("the poller stopped because other code cancelled a poll")
        else:
            failure = VidgoError("the poller stopped because of a bug in vidgo_async")
            failure.__cause__ = bug
        self._stop(failure)

    def _stop(self, failure: VidgoError) -> dict[str, Watch]:
        """Tell every subscriber, each with an error of its own; return what was watched."""
        self._failure = failure = self._failure or failure
        self._schedule.clear()
        self.callbacks.close()
        subscriptions, self._subscriptions = self._subscriptions, set[Subscription]()
        if subscriptions:
            self._telling = Pieces(subscriptions, functools.partial(_tell, failure))
        return self._watches.take_all()


def _tell(failure: VidgoError, subscription: Subscription) -> None:
    """Tell a subscriber why no more is polled."""
    subscription.pieces.stop()
    subscription.fail(failure.own_copy())
