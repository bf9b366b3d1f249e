"""When the next poll of a watched task is: as the policy says, or as callbacks allow or ask for."""

import random
from typing import Protocol

from vidgo_async._core.models import Task
from vidgo_async._polling.guarded_policy import GuardedPolicy
from vidgo_async._polling.policies import PollingPolicy
from vidgo_async._polling.ticks import Wait, tick_after
from vidgo_async._polling.watches import Watch


class Cover(Protocol):
    """What polling leaves to callbacks."""

    def cover(self, watch: Watch) -> bool:
        """Tell whether a callback is relied on, so that polls are a safety net."""
        ...

    def delay(self, watch: Watch) -> float:
        """Return the seconds from the last poll to the next of a task that is covered."""
        ...


class Pacing:
    """Asks the policy, where no callback has anything to say."""

    def __init__(self, policy: PollingPolicy, callbacks: Cover) -> None:
        self._policy = GuardedPolicy(policy)
        self._random = random.Random()
        self._callbacks = callbacks

    def wait(self, watch: Watch) -> Wait:
        """Return how long to wait from the last poll to the next."""
        if self._callbacks.cover(watch):
            delay = self._callbacks.delay(watch)
        else:
            delay = self._regular(watch)
        return _no_longer_than_its_hint(watch, delay)

    def wait_after_failure(self, watch: Watch, backoff: float) -> Wait:
        """Return the same after a poll that failed: a rare poll is not given up for that."""
        wait = _no_longer_than_its_hint(watch, self._regular(watch))
        return wait if wait.seconds >= backoff else Wait(backoff, has_jitter=False)

    def learn(self, watch: Watch, task: Task, previous: float) -> None:
        """Tell a policy that learns what a poll found.

        Args:
            watch: Whose poll it was.
            task: What it found.
            previous: The loop's time of the last poll before it that succeeded.
        """
        # Of tasks that are polled only when a callback was late, it would learn that all are slow.
        if watch.may_learn and watch.finished_at is None and watch.submitted_at is not None:
            earliest = max(0.0, previous - watch.submitted_at)
            latest = watch.last_success_at - watch.submitted_at
            self._policy.learn(watch.task, task, earliest, latest)
        watch.may_learn = not self._callbacks.cover(watch)

    def _regular(self, watch: Watch) -> float:
        age = None if watch.submitted_at is None else watch.polled_at - watch.submitted_at
        return self._policy.next_delay(watch.task, age)

    def tick_after(self, wait: Wait, since: float, share: float) -> float:
        """Return the tick at which to poll a task, with a chance of its own; see `ticks.py`."""
        return tick_after(wait, since, share, self._random.random())


def _no_longer_than_its_hint(watch: Watch, delay: float) -> Wait:
    """Return the wait until a task is polled that may be said to have ended."""
    if watch.hint is None or delay < watch.hint.delay:
        return Wait(delay)
    return Wait(watch.hint.delay, has_jitter=False)
