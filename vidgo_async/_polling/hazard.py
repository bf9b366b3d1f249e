"""The hazard of tasks to end, as learned by a clock.

Of the tasks that live to an age, the part that ends within the next second. It is learned from
polls: the ends that they found, over the seconds that they saw tasks live.
"""

import functools
import math
from bisect import bisect_right
from itertools import pairwise

_KEPT = 0.96
"""What an end leaves of the weight of all that was learned before: 50 ends leave an eighth."""
_PRIOR = 0.01
"""Ends in each cell that the prior counts for: few, so that the first real ones outweigh it. The
short cells count for as many together."""
_EXPECTED = 5.0
"""Ends expected between two polls from which on an end is no news: it teaches nothing. So is one
that was found after an hour without polls."""
INSTANT = 1e-6
"""Polls closer together than this teach nothing but rounding errors."""
_SHORT = 10.0
"""Seconds up to which cells are short. Ends before that can be told apart only by early polls."""

# Ages fall into cells, each a tenth longer than the one before (the short ones three tenths), and
# the last has no end.
_SHORT_EDGES = (0.0, *(_SHORT * 1.3**n for n in range(-9, 0)))
_EDGES = (*_SHORT_EDGES, *(_SHORT * 1.1**n for n in range(68)), math.inf)
_CELLS = len(_EDGES) - 1
_PRIORS = tuple(
    _PRIOR * ((stop - start) / _SHORT if stop <= _SHORT else 1.0)
    for start, stop in pairwise(_EDGES)
)
"""Ends that the prior counts for, in each cell."""
ANY_TIME = tuple(prior * 50.0 for prior in _PRIORS)
"""The prior for progress: the end may come anywhere, one in 50 with each per cent."""


class Clock:
    """The hazard by one clock: in each cell the ends over the time lived, recent ones above all.

    Times are seconds of age, or per cent of progress.
    """

    def __init__(self, prior: tuple[float, ...]) -> None:
        self.prior = prior
        """Time lived in each cell that the prior counts for."""
        # What is seen in a cell counts in its neighbours too, so the lists are longer at both ends.
        self.ends = [0.0] * (_CELLS + 2)
        self.lived = [0.0] * (_CELLS + 2)

    def reach(self, start: float, stop: float, need: float) -> float:
        """Return the time at which the integral of sqrt(hazard) comes to `need`, or `stop`."""
        for cell, span in _parts(start, stop):
            density = math.sqrt(self._hazard(cell))
            if density * span >= need:
                return start + need / density
            need -= density * span
            start += span
        return stop

    def learn(self, start: float, stop: float, *, ended: bool) -> float:
        """Count a poll; return the log-likelihood of its finding, or 0 where it teaches nothing."""
        if stop - start < INSTANT:
            return 0.0
        parts = _parts(start, stop)
        risks = [self._hazard(cell) * span for cell, span in parts]
        risk = sum(risks)
        if ended and risk > _EXPECTED:
            return 0.0
        if not ended:
            for cell, span in parts:
                _count(self.lived, cell, span)
            return -risk
        # When between the polls it ended is not known: divide the end by what was expected.
        chance = -math.expm1(-risk)
        survival, alive = 1.0, 1.0
        for (cell, span), danger in zip(parts, risks, strict=True):
            share = -survival * math.expm1(-danger) / chance
            if start == 0.0 and stop <= _SHORT:
                # Found by the first poll. To go by what was expected would confirm itself: an end
                # that may have come much earlier would never be looked for there.
                share = (share + span / stop) / 2
            survival *= math.exp(-danger)
            _count(self.ends, cell, share)
            _count(self.lived, cell, span * (alive - share / 2))
            alive -= share
        self.ends = [_KEPT * count for count in self.ends]
        self.lived = [_KEPT * time for time in self.lived]
        return math.log(chance)

    def _hazard(self, cell: int) -> float:
        return (self.ends[cell + 1] + _PRIORS[cell]) / (self.lived[cell + 1] + self.prior[cell])


def _parts(start: float, stop: float) -> list[tuple[int, float]]:
    """Return the cells between two times, with how much of each lies between them."""
    parts: list[tuple[int, float]] = []
    cell = bisect_right(_EDGES, start) - 1
    while start < stop:
        end = min(_EDGES[cell + 1], stop)
        parts.append((cell, end - start))
        start = end
        cell += 1
    return parts


def _count(counts: list[float], cell: int, amount: float) -> None:
    """Add half of an amount to a cell, and a quarter to each of its neighbours."""
    counts[cell] += amount / 4
    counts[cell + 1] += amount / 2
    counts[cell + 2] += amount / 4


@functools.cache
def typical(images: bool) -> tuple[float, ...]:
    """Return the prior for images or videos, with some doubt which of them they are.

    The durations are log-logistic: like log-normal ones, but what has lasted very long may well
    last as long again, so that its polls become rare.
    """
    share = 0.9 if images else 0.1
    prior: list[float] = []
    for prior_ends, age in zip(_PRIORS, (_EDGES[1] / 2, *_EDGES[1:-1]), strict=True):
        image = 1 / (1 + (age / 30) ** 3)  # still alive; 78 % of the ends come at 15 to 60 s
        video = 1 / (1 + (age / 165) ** 4)  # 84 % come at 90 to 300 s
        alive = share * image + (1 - share) * video
        ending = share * 3 * image * (1 - image) + (1 - share) * 4 * video * (1 - video)
        prior.append(prior_ends * age * alive / ending)
    return tuple(prior)
