"""The bought tasks that run, and how many the server lets run at once.

Where refusals follow the number of running tasks rather than the pace, the next submit may be sent
when one of them ends. That it is so shows when a submit is accepted after an end, and refused
before.

Pure: the clock is handed in.
"""

import math
from collections import OrderedDict

from vidgo_async._api.window import next_length

MAX_AGE = 900.0
"""Seconds for which a bought task counts as running, where its end is not seen."""
ENDS_PER_TRIAL = 4
"""Ends after which one more than is allowed is tried, since the limit may be raised."""
TRIAL_WAIT = 20.0
"""Seconds without an end after which one more is tried: ends may go unseen."""
MIN_CONTRADICTIONS = 3
CONTRADICTIONS = 0.25
"""Refusals in a row, with fewer running than are allowed, that disprove the limit: so many, or this
part of it. Some come of ends that were not seen yet when more seemed to be allowed."""


class ConcurrencyLimit:
    """The running tasks, and the limit of their number."""

    def __init__(self) -> None:
        self.limit: int | None = None
        """How many may run at once; None while that is not what is refused."""
        self._running = OrderedDict[str, float]()
        """When each was bought."""
        self._moved_at = -math.inf
        """When a task was last bought, or seen to end."""
        self._refused_at = -math.inf
        self._ends = 0
        """Ends since the last trial or probe, or the first refusal."""
        self._ends_per_probe = 1
        self._contradictions = 0
        self._more = 0
        """How many more than `limit` may be tried, since trials were accepted."""

    # --- The tasks --------------------------------------------------------------------------

    def running(self, now: float) -> int:
        """Return how many tasks run, as far as is known."""
        while self._running and next(iter(self._running.values())) <= now - MAX_AGE:
            self._moved_at = self._running.popitem(last=False)[1] + MAX_AGE
        return len(self._running)

    def moves_until(self, now: float) -> float:
        """Return when the last thing happened; while tasks run, when the last of them must end."""
        if not self.running(now):
            return self._moved_at
        return self._running[next(reversed(self._running))] + MAX_AGE

    def bought(self, task_id: str, now: float) -> None:
        """Note a task that was bought and runs."""
        self.running(now)  # forgets those whose end was not seen
        self._running[task_id] = self._moved_at = now

    def ended(self, task_id: str, now: float) -> None:
        """Note the end of a task."""
        if self._running.pop(task_id, None) is not None:
            self._moved_at = now
            self._ends += 1

    # --- While something else than their number seems to be refused -------------------------

    def refusals_began(self) -> None:
        """Count ends from now on: those before say nothing of why submits are refused."""
        self._ends = 0

    def may_probe(self) -> bool:
        """Tell whether enough of them ended to try whether their number is what is refused."""
        return self._ends >= self._ends_per_probe

    def probed(self, now: float, *, accepted: bool) -> None:
        """Learn from a submit that was sent since tasks ended."""
        self._ends = 0
        if accepted:
            self.limit = self.running(now)
            self._ends_per_probe = 1
        else:
            self._ends_per_probe *= 2

    # --- While their number is what is refused ----------------------------------------------

    def has_room(self, now: float, in_flight: int) -> bool:
        """Tell whether one more may run beside those in flight."""
        return self.limit is not None and self.running(now) + in_flight < self.limit

    def trial_at(self, now: float, in_flight: int) -> float:
        """Return when one more than the limit may be tried."""
        if self.limit is None:
            return math.inf
        if self._more:
            has_room = self.running(now) + in_flight < self.limit + self._more
            return now if has_room else math.inf
        if in_flight:
            return math.inf
        if self._ends >= ENDS_PER_TRIAL:
            return now
        return self._moved_at + max(TRIAL_WAIT, next_length(self._refused_at - self._moved_at))

    def accepted(self, now: float, *, trial: bool) -> None:
        """Learn from an acceptance; its task counts as bought already."""
        self._contradictions = 0
        if trial and self.limit is not None:
            self.limit = max(self.limit, self.running(now))
            self._more += 1
            self._ends = 0

    def refused(self, now: float, *, trial: bool) -> bool:
        """Learn from a refusal; return whether the limit is still believed."""
        self._refused_at = now
        self._more = self._ends = 0
        if trial:
            return True
        self._contradictions += 1
        running = self.running(now)
        most = max(MIN_CONTRADICTIONS, CONTRADICTIONS * (self.limit or 0))
        if running == 0 or self._contradictions >= most:
            self.limit, self._contradictions = None, 0
        else:
            self.limit = running
        return self.limit is not None
