"""Side by side: several contenders in turn, round by round, and what their ratios say.

A shared machine is now slow and now fast, and both contenders of a round meet much the same of
it. So what counts is the ratio within a round, and of all rounds the median. Its confidence
interval is that of the sign test, from the order of the ratios alone: it asks nothing of how they
are distributed.
"""

import math
import random
import statistics
from collections.abc import Callable, Mapping, Sequence

import attrs

CONFIDENCE = 0.95
_SEED = 1


@attrs.frozen
class Ratio:
    """The median of the ratios within each round, with its 95 % confidence interval."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, ours: Sequence[float], theirs: Sequence[float]) -> "Ratio":
        """Compare round by round; the interval is as wide as the data when rounds are few."""
        ratios = sorted(mine / other for mine, other in zip(ours, theirs, strict=True))
        skipped = _skipped(len(ratios))
        return cls(statistics.median(ratios), ratios[skipped], ratios[-1 - skipped])

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def rounds(contenders: Mapping[str, Callable[[], float]], count: int) -> dict[str, list[float]]:
    """Run every contender once a round, each round in another order."""
    figures: dict[str, list[float]] = {name: [] for name in contenders}
    shuffled = list(contenders)
    order = random.Random(_SEED)
    for _ in range(count):
        order.shuffle(shuffled)
        for name in shuffled:
            figures[name].append(contenders[name]())
    return figures


def _skipped(count: int) -> int:
    """Return how many of the sorted values lie outside of the interval, on each side.

    The median lies outside of the k-th values from both ends with the probability that fewer
    than k of `count` fair coins fall on one given side, twice.
    """
    skipped, outside = 0, 2 * 0.5**count
    while outside <= 1 - CONFIDENCE and skipped < (count - 1) // 2:
        skipped += 1
        outside += 2 * math.comb(count, skipped) * 0.5**count
    return max(0, skipped - 1)
