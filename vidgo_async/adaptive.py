"""When to look at a task again, from how long such tasks took: the default policy.

Looks at a fixed interval are wasted early, when no task can have ended yet, and come late when
it may end any moment. How probable that is at the age of t seconds says the hazard rate h(t): of
the tasks that live to that age, the part that ends within the next second. Now let a request be
worth `patience` = c seconds of noticing late. Looks with a density of n(t) a second then cost
c * n(t) for each second that a task lives, and notice its end 1 / 2n(t) seconds late on average.
The sum is least for

    n(t) = sqrt(h(t) / 2c)

and the next look is where the integral of n from the last one has grown to 1. So looks are rare
while hardly any task can end, dense around the usual duration, and rarer again for a task that
has outlived all others. (Barlow, Hunter and Proschan, "Optimum checking procedures", J. SIAM 11,
1963; Keller, "Optimum checking schedules for systems subject to random failure", Management
Science 21, 1974.)

The hazard is learned from the looks themselves: the ends that they found, over the seconds that
they saw tasks live. Looks that found nothing count too, so that a hundred tasks submitted
together do not take the first end among them for the usual one.

Progress is a second clock. Where it is truthful, a task that shows 80 % at 120 s will show 100 %
at 150 s, so its hazard is learned over the extrapolated per cent just as it is over the age.
Both clocks foretell each look; progress is used while it has foretold them clearly better, and
so it is ignored where it is stuck, jumps or lies.

A policy of your own is any object with the one method of `PollingPolicy`, and what it wants to
learn it hears through the second one of `LearningPolicy`. It may build on this one:

    class LateRiser:  # never looks in the first minute
        def __init__(self) -> None:
            self.learned = AdaptivePolling().start()

        def next_delay(self, task: Task, age: float | None) -> float:
            delay = self.learned.next_delay(task, age)
            return max(delay, 60.0) if age == 0 else delay

        def learn(self, before: Task, after: Task, earliest: float, latest: float) -> None:
            self.learned.learn(before, after, earliest, latest)
"""

import functools
import math
from bisect import bisect_right
from collections.abc import Hashable, Iterator
from typing import Any, Protocol, runtime_checkable

import attrs

from vidgo_async.pacing import PollingPolicy, positive
from vidgo_async.tasks import Task

KEPT = 0.96
"""What one more end leaves of the weight of all before: of 50 ends ago, an eighth."""
KINDS = 64
"""Kinds of task that are remembered at a time; each takes some 20 KB."""
_PRIOR = 0.01
"""Ends in each cell that the prior counts for: few, so that the first real ones outweigh it."""
_INSTANT = 1e-6
"""Between two looks so close together nothing can be learned, and fractions lose their digits."""
_REMAINING = 100.0
"""Seconds that a task of unknown age may still have, on average."""
_CLEARLY = 3.0
"""Log-likelihood by which progress must have foretold better than age before it is used."""
_MOST = 10.0
"""Bound of that advantage, so that a few lies end it."""
_IMAGES = ("image", "banana", "flux", "seedream")
"""What the ids of image models have in them; those that make videos of images say "video" too."""

# Ages fall into cells, each 5 % longer than the one before: to some 100 minutes, and beyond.
_EDGES = (0.0, *(5.0 * 1.05**n for n in range(146)), math.inf)
_CELLS = len(_EDGES) - 1
# What is learned in one cell holds for its neighbours too, so the lists have a margin for them.
_SHARES = tuple((4 - abs(n)) / 16 for n in range(-3, 4))
_MARGIN = 3

_ANY_PROGRESS = (_PRIOR * 50.0,) * _CELLS
"""The prior for progress: a task may end anywhere, one in 50 with each per cent."""


@runtime_checkable
class LearningPolicy(PollingPolicy, Protocol):
    """A policy that is told what the looks found."""

    def learn(self, before: Task, after: Task, earliest: float, latest: float) -> None:
        """Take note of a look that succeeded, at a task of known age.

        If `after.done`, the task ended between the two ages; else it lived through them.

        Args:
            before: The state known until then.
            after: The state now seen.
            earliest: Seconds from submit until `before` was seen: 0.0 before the first look.
            latest: Seconds from submit until `after` was seen.
        """
        ...


def _at_least_min(policy: "AdaptivePolling", _: "attrs.Attribute[Any]", value: float) -> None:
    if value < policy.min_interval:
        msg = f"max_interval must be at least min_interval, {policy.min_interval}, not {value}"
        raise ValueError(msg)


@attrs.frozen
class AdaptivePolling:
    """Look when a task may have ended, by how long such tasks took in this session.

    Learns apart for each model and requested length, and follows a server that becomes slower
    or faster within some 50 tasks. Before that it goes by the documented typical times.

    These are only the settings, so several sessions may share them: each calls `start`.
    """

    min_interval: float = attrs.field(default=2.0, validator=positive)
    """Seconds; two looks at one task are never closer."""
    max_interval: float = attrs.field(default=30.0, validator=[positive, _at_least_min])
    """Seconds; the longest wait, before jitter."""
    patience: float = attrs.field(default=0.25, validator=positive)
    """Seconds of noticing late that one request is worth: with four times as many, half the
    looks notice twice as late."""

    def start(self) -> LearningPolicy:
        """Return a policy with these settings that has learned nothing yet."""
        return _Learner(self)


@attrs.define(eq=False, repr=False)
class _Learner:
    """A policy that learns for each kind of task, and forgets the kinds not seen for longest."""

    settings: AdaptivePolling
    _kinds: dict[Hashable, "_Kind"] = attrs.field(init=False, factory=dict[Hashable, "_Kind"])

    def next_delay(self, task: Task, age: float | None) -> float:
        settings = self.settings
        if age is None:  # for an end that may come at any time, even looks are the best
            delay = math.sqrt(2 * settings.patience * _REMAINING)
        else:
            need = math.sqrt(2 * settings.patience)
            delay = self._kind(task).wait(task, age, need, settings.max_interval)
        return min(max(delay, settings.min_interval), settings.max_interval)

    def learn(self, before: Task, after: Task, earliest: float, latest: float) -> None:
        # A failure is an end like any other: whoever waits wants to know.
        self._kind(before).learn(before, earliest, latest, ended=after.done)

    def _kind(self, task: Task) -> "_Kind":
        key = _key(task)
        kind = self._kinds.pop(key, None) or _Kind(
            _Clock(_typical(images=_makes_images(task.model)))
        )
        self._kinds[key] = kind
        if len(self._kinds) > KINDS:
            del self._kinds[next(iter(self._kinds))]
        return kind


def _key(task: Task) -> Hashable:
    return task.model


def _makes_images(model: str | None) -> bool:
    return model is not None and "video" not in model and any(word in model for word in _IMAGES)


@attrs.define(eq=False, repr=False)
class _Kind:
    """What is known of tasks of one kind: the same by two clocks, and which one is better."""

    by_age: "_Clock"
    by_progress: "_Clock" = attrs.field(factory=lambda: _Clock(_ANY_PROGRESS))
    advantage: float = 0.0
    """Log-likelihood by which progress has lately foretold better than age."""

    def wait(self, task: Task, age: float, need: float, longest: float) -> float:
        """Return the seconds until the integral of sqrt(hazard) comes to `need`."""
        progress = _progress(task, age)
        if progress is None or self.advantage < _CLEARLY:
            return self.by_age.reach(age, age + longest, need) - age
        # The same integral by a clock of which one unit takes that many seconds.
        unit = age / progress
        end = self.by_progress.reach(progress, progress + longest / unit, need / math.sqrt(unit))
        return (end - progress) * unit

    def learn(self, task: Task, earliest: float, latest: float, *, ended: bool) -> None:
        by_age = self.by_age.learn(earliest, latest, ended=ended)
        progress = _progress(task, earliest)
        if progress is not None:
            extrapolated = progress * latest / earliest
            by_progress = self.by_progress.learn(progress, extrapolated, ended=ended)
            advantage = self.advantage + by_progress - by_age
            self.advantage = min(max(advantage, -_MOST), _MOST)


def _progress(task: Task, age: float) -> int | None:
    """Return the progress in per cent, if there is enough to extrapolate from."""
    enough = task.progress is not None and age > 0 and _EDGES[1] <= task.progress <= 100
    return task.progress if enough else None


@attrs.define(eq=False, repr=False)
class _Clock:
    """The hazard by one clock: ends over time lived, cell by cell, the recent ones counting most.

    Ages are in the clock's own unit: seconds, or per cent of progress.
    """

    prior: tuple[float, ...]
    """Time lived in each cell that the prior counts for."""
    ends: list[float] = attrs.field(factory=lambda: [0.0] * (_CELLS + 2 * _MARGIN))
    lived: list[float] = attrs.field(factory=lambda: [0.0] * (_CELLS + 2 * _MARGIN))

    def hazard(self, cell: int) -> float:
        place = cell + _MARGIN
        return (self.ends[place] + _PRIOR) / (self.lived[place] + self.prior[cell])

    def reach(self, start: float, stop: float, need: float) -> float:
        """Return the age where the integral of sqrt(hazard) comes to `need`: at most `stop`."""
        for cell, begin, end in _cells(start, stop):
            density = math.sqrt(self.hazard(cell))
            if density * (end - begin) >= need:
                return begin + need / density
            need -= density * (end - begin)
        return stop

    def learn(self, start: float, stop: float, *, ended: bool) -> float:
        """Count a look; return the log-likelihood that its finding had before."""
        if stop - start < _INSTANT:
            return 0.0
        parts = [(cell, end - begin, self.hazard(cell)) for cell, begin, end in _cells(start, stop)]
        risk = sum(span * hazard for _, span, hazard in parts)
        if not ended:
            for cell, span, _ in parts:
                _spread(self.lived, cell, span)
            return -risk
        # It is not known when between the two looks; divide the end by what was expected.
        chance = -math.expm1(-risk)
        alive, still_alive = 1.0, 1.0  # without knowing that it ended here, and knowing it
        for cell, span, hazard in parts:
            share = -alive * math.expm1(-hazard * span) / chance
            _spread(self.ends, cell, share)
            _spread(self.lived, cell, span * (still_alive - share / 2))
            alive *= math.exp(-hazard * span)
            still_alive -= share
        self.ends = [KEPT * count for count in self.ends]
        self.lived = [KEPT * span for span in self.lived]
        return math.log(chance)


def _cells(start: float, stop: float) -> Iterator[tuple[int, float, float]]:
    """Yield each cell between two ages, with where its part of the way begins and ends."""
    cell = bisect_right(_EDGES, start) - 1
    while start < stop:
        end = min(_EDGES[cell + 1], stop)
        yield cell, start, end
        start = end
        cell += 1


def _spread(counts: list[float], cell: int, amount: float) -> None:
    for place, share in enumerate(_SHARES, cell):
        counts[place] += share * amount


@functools.cache
def _typical(*, images: bool) -> tuple[float, ...]:
    """Return the prior for videos or images, with some doubt of which they are.

    Log-logistic durations: like log-normal ones, but one that has lasted very long may well last
    as long again, so the looks at it do not become ever denser.
    """
    share = 0.9 if images else 0.1
    prior: list[float] = []
    for age in (_EDGES[1] / 2, *_EDGES[1:-1]):
        video = 1 / (1 + (age / 165) ** 4)  # 84 % of them take 90 to 300 s
        image = 1 / (1 + (age / 30) ** 3)  # 78 % of them take 15 to 60 s
        alive = share * image + (1 - share) * video
        dying = share * image * (1 - image) * 3 + (1 - share) * video * (1 - video) * 4
        prior.append(_PRIOR * age * alive / dying)
    return tuple(prior)
