"""The moments at which polls are sent.

Polls wait for a tick, so that one wake-up of the loop, and of the server, serves several. Which of
the ticks within its jitter a poll gets is up to chance: tasks that were polled together part.
"""

import math
from typing import NamedTuple

from vidgo_async._polling.policies import JITTER

TICK = 1 / 2
"""Seconds, a power of two; the longest tick."""
EXACT_TICK = 1 / 16
"""The same for a wait without jitter."""
LATEST = 1.25
"""The most times its jitter by which a poll comes after its wait."""


class Wait(NamedTuple):
    """How long to wait from the last poll of a task until the next."""

    seconds: float
    """At least."""
    has_jitter: bool = True
    """Whether it may be up to a quarter longer: by its jitter, and until the tick after that."""


NO_WAIT = Wait(0.0, has_jitter=False)


def tick_after(wait: Wait, since: float, share: float, chance: float) -> float:
    """Return the tick at which to poll a task: the next after a moment in the jitter.

    Sizes are halves of halves, so that short waits share the ticks of long ones.

    Args:
        wait: The wait, of more than nothing.
        since: When it began.
        share: Seconds in which as many polls fall due as may be in flight: a longer tick would get
            more.
        chance: A random number from 0 to 1.
    """
    jitter = JITTER * wait.seconds
    longest, chance = (TICK, chance) if wait.has_jitter else (EXACT_TICK, 0.0)
    # There are two to choose from at any time: else tasks that were polled together would not part.
    tick = min(longest, 2.0 ** math.floor(math.log2(min(LATEST * jitter / 2, share))))
    due = since + wait.seconds
    at = math.ceil((due + jitter * chance) / tick) * tick
    if at > due + LATEST * jitter:
        return math.ceil(due / tick) * tick
    return at
