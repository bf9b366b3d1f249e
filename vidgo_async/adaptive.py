"""When to look at a task again, from how long such tasks took: the default policy.

Looks at a fixed interval are wasted early, when no task can have ended yet, and come late at the
end, when it may end any moment. What says how probable "any moment" is, is the hazard rate h(t):
of the tasks that reach the age of t seconds, the part that ends within the next second. A
request costs as much as `patience` = c seconds of noticing late. Looks with density n(t) per
second cost c * n(t) each second that the task lives, and find its end 1 / 2n(t) seconds late on
average. The sum is least for

    n(t) = sqrt(h(t) / 2c)

so the next look is where the integral of n since the last one has grown to 1. That is rare
while the hazard is small, frequent around the usual duration, and rarer again for a task that
has outlived all others. (Barlow, Hunter and Proschan, "Optimum checking procedures", J. SIAM 11,
1963; Keller, "Optimum checking schedules for systems subject to random failure", Management
Science 21, 1974.)

The hazard is learned from the looks themselves: the ends that they found, over the seconds that
tasks were seen to live. A task that is still running counts as well, so hundreds of tasks that
were submitted together do not mistake the first ends for typical ones.

A policy of your own is any object with the one method of `PollingPolicy`; with the second one of
`LearningPolicy` it hears what each look found. This one keeps to the session's own pace for
videos, and looks at images every 3 seconds:

    class Mixed:
        def __init__(self) -> None:
            self.videos = AdaptivePolling().start()

        def next_delay(self, task: Task, age: float | None) -> float:
            is_image = task.model is not None and "image" in task.model
            return 3.0 if is_image else self.videos.next_delay(task, age)

        def learn(self, before: Task, after: Task, earliest: float, latest: float) -> None:
            self.videos.learn(before, after, earliest, latest)
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterator
from typing import Any, Protocol, runtime_checkable

import attrs

from vidgo_async.pacing import PollingPolicy, positive
from vidgo_async.tasks import Task

_KEEP = 0.96
"""What a completion leaves of the weight of those before it: of 50 completions ago, an eighth."""
_PRIOR = 0.01
"""Ends in each cell that the prior counts for: little, so that a few completions outweigh it."""
_KINDS = 64
"""Kinds of tasks that are remembered at once, about 20 KB each."""
_REMAINING = 100.0
"""Seconds that a task of unknown age still has, on average: for its even pacing."""
_TRUST = 3.0
"""Log-likelihood by which progress must have foretold ends better than age before it is used."""
_MOST_TRUST = 10.0
"""Bound of it, so that a progress that stops to be truthful is dropped within a few ends."""

# Ages are told apart in cells, each 5 % longer than the one before; what is learned in one is
# spread over three neighbours on each side.
_FIRST_EDGE = 5.0
_EDGES = (0.0, *(_FIRST_EDGE * 1.05**n for n in range(145)), math.inf)
_SPREAD = tuple((4 - abs(n)) / 16 for n in range(-3, 4))
_MARGIN = len(_SPREAD) // 2


@runtime_checkable
class LearningPolicy(PollingPolicy, Protocol):
    """A policy that is told what each look found."""

    def learn(self, before: Task, after: Task, earliest: float, latest: float) -> None:
        """Take note of a look at a task of known age.

        If `after.done`, the task ended between the two ages; else it has outlived `latest`.

        Args:
            before: The state that was known until now.
            after: The state that was seen.
            earliest: Age in seconds since submit at which `before` was seen; 0.0 if there was
                no look yet.
            latest: Age in seconds at which `after` was seen.
        """
        ...


@attrs.frozen
class AdaptivePolling:
    """Look when it pays, by what the session learned of how long such tasks take.

    Early looks are rare, looks around the usual duration frequent; README shows what that
    saves. Learned for each model and requested length, and followed when it changes.

    Only settings: what is learned belongs to each session, which calls `start` for it.
    """

    min_interval: float = attrs.field(default=2.0, validator=positive)
    """Seconds; no two looks at one task are closer."""
    max_interval: float = attrs.field(default=30.0, validator=positive)
    """Seconds; the longest wait, before the jitter of up to a fifth."""
    patience: float = attrs.field(default=0.25, validator=positive)
    """Seconds of noticing late that one request is worth: four times as many halve the looks."""

    @max_interval.validator
    def _check_order(self, _: object, value: float) -> None:
        if value < self.min_interval:
            msg = f"max_interval must be min_interval ({self.min_interval}) or more, not {value}"
            raise ValueError(msg)

    def start(self) -> LearningPolicy:
        """Return a policy that follows these settings and has learned nothing yet."""
        return _Learner(self)


@attrs.define(eq=False)
class _Learner:
    """What one session has learned, for each kind of task apart."""

    settings: AdaptivePolling
    _kinds: dict[Hashable, "_Kind"] = attrs.field(init=False, factory=dict[Hashable, "_Kind"])

    def next_delay(self, task: Task, age: float | None) -> float:
        """Return the seconds to the next look: where the density has come to 1."""
        settings = self.settings
        if age is None:
            delay = math.sqrt(2 * settings.patience * _REMAINING)
        else:
            need = math.sqrt(2 * settings.patience)
            delay = self._kind(task).wait(task, age, need, settings.max_interval)
        return min(max(delay, settings.min_interval), settings.max_interval)

    def learn(self, before: Task, after: Task, earliest: float, latest: float) -> None:
        """Count the seconds that the task was seen to live, and its end."""
        if earliest < latest:
            self._kind(before).learn(before, earliest, latest, ended=after.done)

    def _kind(self, task: Task) -> "_Kind":
        key = _key(task)
        kind = self._kinds.pop(key, None) or _Kind(_Clock(_prior(task.model)))
        self._kinds[key] = kind  # now the last one to be forgotten
        if len(self._kinds) > _KINDS:
            del self._kinds[next(iter(self._kinds))]
        return kind
