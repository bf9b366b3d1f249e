"""When to poll tasks whose callback is relied on: well after it should have come, and rarely.

Pure: ages in seconds since the submit are handed in.
"""

from collections import OrderedDict, deque
from collections.abc import Hashable

FIRST_POLL = 300.0
"""Seconds; the age of the first poll of a kind of task of which too little is known."""
LONGER = 1.25
"""How many times later than the latest of the last callbacks the first poll is."""
LATER = 10.0
"""Seconds, for the same."""
MIN_INTERVAL = 30.0
"""Seconds between polls after that, at first; then half of the age."""
MAX_INTERVAL = 300.0
"""Seconds; the longest wait between them."""
MIN_AGES = 5
"""How many callbacks tell when to expect one."""
MAX_AGES = 20
"""How many are remembered of each kind."""
KINDS = 128
"""Kinds of task that are remembered at a time."""


class SafetyNet:
    """Remembers for each kind of task how old its tasks were when callbacks came."""

    def __init__(self) -> None:
        self._ages = OrderedDict[Hashable, deque[float]]()
        self._usual: dict[Hashable, float] = {}
        """Of the ages of each kind that in the middle."""

    def reported(self, kind: Hashable, age: float) -> None:
        """Note the age at which a task was reported."""
        ages = self._ages.pop(kind, None) or deque[float]([], MAX_AGES)
        ages.append(age)
        self._ages[kind] = ages
        self._usual[kind] = sorted(ages)[len(ages) // 2]
        if len(self._ages) > KINDS:
            oldest, _ = self._ages.popitem(last=False)
            del self._usual[oldest]

    def delay(self, kind: Hashable, age: float) -> float:
        """Return the seconds to the next poll of a task that was last polled at that age."""
        first = self._first_poll(kind)
        if age < first:
            return first - age
        return min(max(age / 2, MIN_INTERVAL), MAX_INTERVAL)

    def may_have_ended(self, kind: Hashable, age: float) -> bool:
        """Tell whether half of the tasks that were reported were younger."""
        return age >= self._usual.get(kind, FIRST_POLL)

    def _first_poll(self, kind: Hashable) -> float:
        ages = self._ages.get(kind, ())
        return LONGER * max(ages) + LATER if len(ages) >= MIN_AGES else FIRST_POLL
