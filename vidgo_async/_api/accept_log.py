"""When requests of one kind were accepted: what windows and rates are counted from."""

from array import array
from bisect import bisect_right

MAX_TIMES = 10_000
"""Acceptances remembered; a server that allows more in one window is not slowed by one."""


class AcceptLog:
    """The times of the last acceptances, oldest first."""

    def __init__(self) -> None:
        self._times = array("d")  # a list would take four times the memory

    def __len__(self) -> int:
        return len(self._times)

    def add(self, now: float) -> None:
        """Note an acceptance."""
        self._times.append(now)
        if len(self._times) > 2 * MAX_TIMES:
            del self._times[:MAX_TIMES]

    def count(self, after: float) -> int:
        """Return how many were accepted after a time."""
        return len(self._times) - bisect_right(self._times, after)

    def newest(self, number: int) -> float:
        """Return the time of the newest but so many: 1 is the newest."""
        return self._times[-number]
