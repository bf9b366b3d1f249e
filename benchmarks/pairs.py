"""Interleaved rounds of several contenders, and the ratios within each round.

The speed of a shared machine changes over time, but the contenders of one round run under much the
same conditions. So contenders are compared by the median of the ratios within the rounds. Its
confidence interval is that of the sign test, which assumes no distribution.
"""

import math
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import attrs

CONFIDENCE = 0.95
_SEED = 1
_Result = TypeVar("_Result")


@attrs.frozen
class Ratio:
    """The median of the ratios within each round, with its 95 % confidence interval."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, ours: Sequence[float], theirs: Sequence[float]) -> "Ratio":
        """Divide round by round; with few rounds the interval is the range of the ratios."""
        ratios = sorted(mine / other for mine, other in zip(ours, theirs, strict=True))
        outside = _outside_interval(len(ratios))
        return cls(statistics.median(ratios), ratios[outside], ratios[-1 - outside])

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def run_rounds(
    contenders: Mapping[str, Callable[[], _Result]], count: int
) -> dict[str, list[_Result]]:
    """Run every contender once in each round, each time in a new random order."""
    results: dict[str, list[_Result]] = {name: [] for name in contenders}
    shuffled = list(contenders)
    order = random.Random(_SEED)
    for _ in range(count):
        order.shuffle(shuffled)
        for name in shuffled:
            results[name].append(contenders[name]())
    return results


def _outside_interval(count: int) -> int:
    """Return how many of the sorted values lie outside of the interval, on each side.

    The probability that the true median lies beyond the k-th value from either end is twice that
    of fewer than k heads among `count` tosses of a fair coin.
    """
    outside, probability = 0, 2 * 0.5**count
    while probability <= 1 - CONFIDENCE and outside < (count - 1) // 2:
        outside += 1
        probability += 2 * math.comb(count, outside) * 0.5**count
    return max(0, outside - 1)
