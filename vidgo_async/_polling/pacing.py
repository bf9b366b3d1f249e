"""When the next poll of a watched task is: as the policy says, or as callbacks allow or ask for."""

import random
from typing import Protocol

from vidgo_async._core.models import Task
from vidgo_async._polling.guarded_policy import GuardedPolicy
from vidgo_async._polling.policies import PollingPolicy
from vidgo_async._polling.ticks import tick_within_jitter
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

    def delay(self, watch: Watch) -> float:
        """Return the seconds from the last poll to the next."""
        if self._callbacks.cover(watch):
            delay = self._callbacks.delay(watch)
        else:
            delay = self._regular(watch)
        return delay if watch.hint is None else min(delay, watch.hint.delay)

    def delay_after_failure(self, watch: Watch) -> float:
        """Return the same after a poll that failed: a rare poll is not given up for that."""
        delay = self._regular(watch)
        return delay if watch.hint is None else min(delay, watch.hint.delay)

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

    def spread(self, due: float, delay: float, share: float) -> float:
        """Return the tick at which to send a poll: one at random within the jitter of its wait.

        Args:
            due: When it is wanted, by the loop's clock: it is never sent before.
            delay: Seconds from the last poll until then.
            share: Seconds in which as many polls fall due as may be in flight.
        """
        return tick_within_jitter(due, delay, share, self._random.random())
