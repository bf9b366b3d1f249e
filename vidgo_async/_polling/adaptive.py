"""When to poll a task again, from how long such tasks took: the default policy.

Polls at a fixed interval are wasted early, when no task can have ended yet, and come late when
it may end any moment. How likely that is at the age of t seconds says the hazard rate h(t): of
the tasks that live to that age, the part that ends within the next second. Now let a request be
worth `patience` = c seconds of noticing late. Polls with a density of n(t) a second then cost
c * n(t) for each second that a task lives, and notice its end 1 / 2n(t) seconds late on average.
The sum is least for

    n(t) = sqrt(h(t) / 2c)

and the next poll is where the integral of n from the last one has grown to 1. So polls are rare
while hardly any task can end, dense around the usual duration, and rarer again for a task that
has outlived all others. (Barlow, Hunter and Proschan, "Optimum checking procedures", J. SIAM 11,
1963; Keller, "Optimum checking schedules for systems subject to random failure", Management
Science 21, 1974.)

The hazard is learned from the polls themselves: the ends that they found, over the seconds that
they saw tasks live. Polls that found no end count too, so that of a hundred tasks submitted
together the first to end are not taken for the usual ones.

Of a kind of task that was never seen to end, nothing but typical times is known, and a model may
take a second where others take minutes. So its tasks are also polled early: at `min_interval`, and
then each time when their age has doubled, which costs some four polls.

Progress is a second clock. Where it is truthful, a task that shows 80 % at 120 s will show 100 %
at 150 s, so the hazard is learned over the extrapolated per cent just as it is over the age.
Both clocks predict each poll; progress is used while it has predicted clearly better, and so it
is ignored where it is stuck, jumps or lies.

A policy of your own is any object with the one method of `PollingPolicy`; what the polls found it
learns through the second method of `LearningPolicy`. It may build on this one:

    class LateRiser:  # never polls in the first minute
        def __init__(self) -> None:
            self.learned = AdaptivePolling().start()

        def next_delay(self, task: Task, age: float | None) -> float:
            delay = self.learned.next_delay(task, age)
            return max(delay, 60.0) if age == 0 else delay

        def learn(self, before: Task, after: Task, earliest: float, latest: float) -> None:
            self.learned.learn(before, after, earliest, latest)
"""

import math
from collections.abc import Hashable
from typing import Any, Protocol, runtime_checkable

import attrs

from vidgo_async._core.models import Task
from vidgo_async._core.validators import positive
from vidgo_async._polling.hazard import ANY_TIME, INSTANT, Clock, typical
from vidgo_async._polling.policies import PollingPolicy

KINDS = 128
"""Kinds of task that are remembered at a time; each takes some 10 KB."""
_CLEARLY = 3.0
"""Log-likelihood by which progress must have predicted better than age before it is used."""
_MOST = 10.0
"""Bound of that advantage, so that a few lies end it."""
_REMAINING = 100.0
"""Seconds that a task of unknown age may still have, on average."""
_IMAGES = ("image", "banana", "flux", "seedream")
"""What the ids of image models have in them; "image-to-video" has "video" in it too."""
_WHOLE = 100.0
_LEAST_PROGRESS = 10.0
"""Per cent from which on progress is extrapolated."""


@runtime_checkable
class LearningPolicy(PollingPolicy, Protocol):
    """A policy that is told what the polls found."""

    def learn(self, before: Task, after: Task, earliest: float, latest: float) -> None:
        """Learn from a poll that succeeded, of a task of known age.

        If `after.done`, the task ended between the two ages; else it lived through them.

        Args:
            before: The state known until then.
            after: The state now seen.
            earliest: Seconds from submit until `before` was seen: 0.0 before the first poll.
            latest: Seconds from submit until `after` was seen.
        """
        ...


def _at_least_min(policy: "AdaptivePolling", _: "attrs.Attribute[Any]", value: float) -> None:
    if value < policy.min_interval:
        msg = f"max_interval must be at least min_interval, {policy.min_interval}, not {value}"
        raise ValueError(msg)


@attrs.frozen
class AdaptivePolling:
    """Poll when a task may have ended, by how long such tasks took in this session.

    Learns for each model and requested length apart, and follows a server that becomes slower
    or faster within some 50 tasks. Before that it goes by the documented typical times; until the
    first end of a kind it also polls at `min_interval` and whenever the age has doubled.

    These are only the settings, which sessions may share: each calls `start` for itself.
    """

    min_interval: float = attrs.field(default=2.0, validator=positive)
    """Seconds; two polls of one task are never closer."""
    max_interval: float = attrs.field(default=30.0, validator=[positive, _at_least_min])
    """Seconds; the longest wait, before jitter."""
    patience: float = attrs.field(default=0.25, validator=positive)
    """Seconds of noticing late that one request is worth; four times as many halve the polls."""

    def next_delay(self, task: Task, age: float | None) -> float:
        """Return what a session waits that has learned nothing yet."""
        return self.start().next_delay(task, age)

    def start(self) -> LearningPolicy:
        """Return a policy with these settings that has learned nothing yet."""
        return _Learner(self)


class _Learner:
    """Learns for each kind of task, and forgets the kind that was not seen for longest."""

    def __init__(self, settings: AdaptivePolling) -> None:
        self.settings = settings
        self._kinds: dict[Hashable, _Kind] = {}

    def next_delay(self, task: Task, age: float | None) -> float:
        settings = self.settings
        if age is None:  # even polls are the best if the end may come at any time
            delay = math.sqrt(2 * settings.patience * _REMAINING)
        else:
            need = math.sqrt(2 * settings.patience)
            kind = self._kind(task)
            delay = kind.wait(task, age, need, settings.max_interval)
            if not kind.known:
                delay = min(delay, age)  # 0 before the first poll, so that it is `min_interval`
        return min(max(delay, settings.min_interval), settings.max_interval)

    def learn(self, before: Task, after: Task, earliest: float, latest: float) -> None:
        # A failure is an end like any other.
        self._kind(before).learn(before, earliest, latest, ended=after.done)

    def _kind(self, task: Task) -> "_Kind":
        key = _key(task)
        kind = self._kinds.pop(key, None) or _Kind(Clock(typical(_makes_images(task.model))))
        self._kinds[key] = kind
        if len(self._kinds) > KINDS:
            del self._kinds[next(iter(self._kinds))]
        return kind


def _key(task: Task) -> Hashable:
    return task.model, task.duration


class _Kind:
    """What is known of tasks of one kind: by two clocks, and which of them is the better."""

    def __init__(self, by_age: "Clock") -> None:
        self.by_age = by_age
        self.by_progress = Clock(ANY_TIME)
        self.known = False
        """Whether the polls told when one of them ended."""
        self.advantage = 0.0
        """Log-likelihood by which progress has lately predicted better than age."""

    def wait(self, task: Task, age: float, need: float, longest: float) -> float:
        """Return the seconds until the integral of sqrt(hazard) comes to `need`."""
        progress = _progress(task, age)
        if progress is None or self.advantage < _CLEARLY:
            return self.by_age.reach(age, age + longest, need) - age
        # The same integral in per cent, which take so many seconds each.
        unit = age / progress
        end = self.by_progress.reach(progress, progress + longest / unit, need / math.sqrt(unit))
        return (end - progress) * unit

    def learn(self, task: Task, earliest: float, latest: float, *, ended: bool) -> None:
        by_age = self.by_age.learn(earliest, latest, ended=ended)
        self.known = self.known or (ended and by_age < 0)
        progress = _progress(task, earliest)
        if progress is not None:
            extrapolated = progress * latest / earliest
            by_progress = self.by_progress.learn(progress, extrapolated, ended=ended)
            self.advantage = min(max(self.advantage + by_progress - by_age, -_MOST), _MOST)


def _progress(task: Task, age: float) -> float | None:
    """Return the progress in per cent, if it is one to extrapolate from."""
    progress = task.progress
    if progress is None or age < INSTANT or not _LEAST_PROGRESS <= progress <= _WHOLE:
        return None
    return progress


def _makes_images(model: str | None) -> bool:
    return model is not None and "video" not in model and any(word in model for word in _IMAGES)
