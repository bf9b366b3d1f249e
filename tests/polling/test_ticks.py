"""The moments at which polls are sent: few enough to be shared, and enough to part."""

from collections import Counter

import pytest

from vidgo_async._polling.policies import JITTER
from vidgo_async._polling.ticks import EXACT_TICK, LATEST, TICK, Wait, tick_after

WAITS = [0.1, 0.3, 0.5, 0.7, 1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 30.0]
SINCE = [100.0, 100.001, 100.05, 100.2, 100.49]
CHANCES = [(number + 0.5) / 1000 for number in range(1000)]
ALONE = 1e9
"""Seconds in which as many polls fall due as may be in flight, for a task that is alone."""


@pytest.mark.parametrize("since", SINCE)
@pytest.mark.parametrize("seconds", WAITS)
def test_a_poll_comes_after_its_wait_and_at_most_a_quarter_later(
    seconds: float, since: float
) -> None:
    """Never before the policy says; what chance adds is bounded, too."""
    for chance in CHANCES:
        at = tick_after(Wait(seconds), since, ALONE, chance)
        assert since + seconds <= at <= since + seconds * (1 + LATEST * JITTER) + 1e-9
        exact = tick_after(Wait(seconds, has_jitter=False), since, ALONE, chance)
        assert since + seconds <= exact <= since + seconds + EXACT_TICK


@pytest.mark.parametrize("since", SINCE)
@pytest.mark.parametrize("seconds", WAITS)
def test_tasks_that_were_polled_together_part(seconds: float, since: float) -> None:
    """Of those that were polled in one moment, no later one gets two thirds."""
    ticks = Counter(tick_after(Wait(seconds), since, ALONE, chance) for chance in CHANCES)
    assert max(ticks.values()) < 0.66 * len(CHANCES)


@pytest.mark.parametrize("seconds", WAITS)
def test_ticks_are_as_large_as_the_jitter_allows(seconds: float) -> None:
    """A wake-up serves many tasks: within their jitter there are at most five of them."""
    at = {tick_after(Wait(seconds), 100.0, ALONE, chance) for chance in CHANCES}
    assert len(at) <= 5 or seconds * JITTER > 2 * TICK


def test_a_crowd_has_smaller_ticks() -> None:
    """A tick gets no more polls than may be in flight."""
    at = {tick_after(Wait(3.0), 100.0, 0.05, chance) for chance in CHANCES}
    assert all((tick * 32).is_integer() for tick in at)
    assert len(at) > 15
