"""A limit of so many requests in so many seconds, where those are more than a moment.

Servers count over a round time: ten seconds, a minute, an hour. Counted from each acceptance, as
here, such a limit is kept whether the server's window is fixed or slides. How long it is shows in
what is refused after the number was used up, and in what is accepted again.

Pure: the clock is handed in.
"""

import math
from array import array
from bisect import bisect_right

LENGTHS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 240, 360, 600, 900, 1800, 3600)
"""Seconds over which servers count. After refusals they are also the times to ask again."""
MUCH = 0.7
"""Up to this part of the number, a window that is used up shows a smaller number; else it is longer
than was thought."""
CLOSE_ENOUGH = 1.1
"""How far the bounds of a length may be apart for it to count as known."""
MAX_TIMES = 10_000
"""Acceptances remembered; a server that allows more in one window is not slowed by one."""


def next_length(seconds: float) -> float:
    """Return the shortest of the usual lengths above this; of an hour and more an hour more."""
    return next((length for length in LENGTHS if length > seconds), seconds + LENGTHS[-1])


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


class Window:
    """At most `number` requests in any `length` seconds.

    After every few windows one more than that is tried, since the window may be shorter than is
    known, and the limit may be raised.
    """

    def __init__(self, log: AcceptLog, number: int, length: float) -> None:
        self.number = number
        self.length = length
        self._log = log
        self._too_short = 0.0
        """The longest time after which one more was refused."""
        self._kept = 0
        """Acceptances since the last refusal or trial."""
        self._kept_until_trial = 2 * number

    @property
    def is_proven(self) -> bool:
        """Whether it was filled since the last refusal, without another."""
        return self._kept > self.number

    def opens_at(self, in_flight: int) -> float:
        """Return when one more may be sent beside those in flight."""
        left = self.number - in_flight
        return self._oldest_of(left) + self.length if left > 0 else math.inf

    def trial_at(self) -> float:
        """Return when one more than is allowed may be tried."""
        if self._kept < self._kept_until_trial:
            return math.inf
        if self.length <= CLOSE_ENOUGH * self._too_short:
            return self._oldest_of(self.number) + self.length / 2
        shortest = max(self._too_short, self.length / 4)
        return self._oldest_of(self.number) + math.sqrt(shortest * self.length)

    def accepted(self, now: float, *, trial: bool) -> None:
        """Learn from an acceptance, which is in the log already."""
        self._kept += 1
        if trial:
            self.length = now - self._oldest_of(self.number + 1)
            self._too_short = min(self._too_short, self.length / 2)
            self._kept, self._kept_until_trial = 0, 1

    def refused(self, now: float, *, trial: bool) -> None:
        """Learn from a refusal."""
        self._kept = 0
        elapsed = now - self._oldest_of(self.number)
        used = self._log.count(now - self.length)
        if trial:
            self._too_short = max(self._too_short, elapsed)
            self._kept_until_trial = 3 * self.number
        elif 0 < used < MUCH * self.number:
            # At most halved, since one acceptance that came late must not make it 1.
            self.number = max(1, self.number // 2, used)
            self._kept_until_trial = 2 * self.number
        else:
            self._too_short = elapsed
            self.length = next_length(elapsed)

    def _oldest_of(self, number: int) -> float:
        """Return when the oldest of the last so many was accepted."""
        return self._log.newest(number) if number <= len(self._log) else -math.inf
