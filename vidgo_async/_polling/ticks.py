"""The moments at which polls are sent.

Polls wait for a tick, so that one wake-up of the loop, and of the server, serves several. Which of
the ticks within its jitter a poll gets is up to chance: tasks that were polled together part.
"""

import math

from vidgo_async._polling.policies import JITTER

TICK = 1 / 2
"""Seconds, a power of two; the longest tick."""
OF_JITTER = 0.8
"""The part of its jitter that a tick is at most: with all of it, tasks that were polled together would
often stay together."""


def tick_within_jitter(due: float, delay: float, share: float, chance: float) -> float:
    """Return the tick at which to poll a task: within its jitter, and not before it is due.

    Sizes are halves of halves, so that short waits share the ticks of long ones.

    Args:
        due: When the poll is wanted.
        delay: Seconds from the last poll until then.
        share: Seconds in which as many polls fall due as may be in flight: a longer tick would get
            more.
        chance: A random number from 0 to 1.
    """
    jitter = JITTER * delay
    tick = min(TICK, 2.0 ** math.floor(math.log2(min(OF_JITTER * jitter, share))))
    at = round((due + jitter * chance) / tick) * tick
    return at if at >= due else at + tick
