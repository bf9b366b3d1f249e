"""How far callbacks can be relied on, and how rarely tasks are polled meanwhile.

A callback only says whose status is worth a poll. So while callbacks come, polls are a safety net:
the first is sent well after the time at which such a task was reported before. Every twelfth task
is polled as the policy says, to see in time that callbacks stopped, and to go on learning.

An end that a poll found, and no callback reported within seconds, is a missing one. Where more than
one in twenty is missing, all tasks are polled as the policy says, until callbacks come again.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable

import attrs

from vidgo_async._polling.watches import Watch

MAX_KNOWN = 10_000
"""Bought tasks that are remembered; of more the oldest are forgotten, and polled as usual."""
SAMPLE = 12
"""One task of so many is polled as the policy says, even while callbacks come."""
REPORT_TIME = 3.0
"""Seconds that a callback may take longer than a poll to report an end."""
RESULTS = 20
"""How many of the last ends are judged by."""
MAX_MISSING = 0.05
"""The part of them that may be missing."""

FIRST_POLL = 300.0
"""Seconds; the age of the first poll of a kind of task of which too little is known."""
LONGER = 1.25
"""How many times later than the latest of the last callbacks the first poll is."""
LATER = 10.0
"""Seconds, for the same."""
MIN_AGES = 5
"""How many callbacks tell when to expect one."""
MIN_INTERVAL = 30.0
"""Seconds between polls after that, at first; then half of the age."""
MAX_INTERVAL = 300.0
"""Seconds; the longest wait between them."""
KINDS = 128
"""Kinds of task that are remembered at a time."""


@attrs.define(eq=False)
class _Bought:
    """A task that was bought, with a callback to come."""

    ended_at: float | None = None
    """The loop's time at which it was first reported, or seen, to have ended."""


class Callbacks:
    """The callbacks of a session: which tasks to expect them for, and whether they come."""

    def __init__(self, on_missing: Callable[[], None]) -> None:
        self.come: bool = True
        """Whether they can be relied on."""
        self._on_missing = on_missing
        self._loop = asyncio.get_running_loop()
        self._bought = OrderedDict[str, _Bought]()
        self._opened = 0
        self._unreported = dict[str, tuple[asyncio.TimerHandle, Watch]]()
        """Ends that a poll found, which a callback may still report."""
        self._reported = deque[bool]([], RESULTS)
        """Of the last ends, whether a callback reported them."""
        self._ages = OrderedDict[Hashable, deque[float]]()
        """The ages at which the last tasks of a kind were reported."""

    # --- What happens -----------------------------------------------------------------------

    def expect(self, task_id: str) -> None:
        """Expect a callback for a task that was bought."""
        self._bought[task_id] = _Bought()
        if len(self._bought) > MAX_KNOWN:
            self._bought.popitem(last=False)

    def opened(self, watch: Watch) -> None:
        """Take note of a task that is watched from now on."""
        bought = self._bought.get(watch.task.task_id)
        if bought is None:
            return
        if not watch.is_called_back:
            self._opened += 1
            watch.is_called_back = True
            watch.is_sample = self._opened % SAMPLE == 0
            watch.may_learn = not self.covers(watch)
        if bought.ended_at is not None:
            watch.told(bought.ended_at)

    def told(self, task_id: str) -> bool:
        """Take note of a callback; tell whether its task was bought here."""
        bought = self._bought.get(task_id)
        if bought is None:
            return False
        now = self._loop.time()
        bought.ended_at = bought.ended_at or now
        if task_id in self._unreported:
            timer, watch = self._unreported.pop(task_id)
            timer.cancel()
            self._report(watch, now)
        return True

    def ended(self, watch: Watch) -> None:
        """Take note of a task that was seen to have ended."""
        task_id = watch.task.task_id
        if (bought := self._bought.get(task_id)) is not None:
            bought.ended_at = bought.ended_at or self._loop.time()
        if not watch.is_called_back:
            return
        if watch.hint is not None:
            self._report(watch, watch.hint.at)
            return
        timer = self._loop.call_later(REPORT_TIME, self._miss, task_id)
        self._unreported[task_id] = timer, watch

    def close(self) -> None:
        """Wait for no more of them."""
        for timer, _ in self._unreported.values():
            timer.cancel()
        self._unreported.clear()

    # --- What follows -----------------------------------------------------------------------

    def covers(self, watch: Watch) -> bool:
        """Tell whether a callback is relied on, so that polls are the safety net."""
        return self.come and watch.is_called_back and not watch.is_sample

    def delay(self, watch: Watch) -> float:
        """Return the seconds from the last poll to the next of a task that is covered."""
        submitted_at = watch.polled_at if watch.submitted_at is None else watch.submitted_at
        age = watch.polled_at - submitted_at
        first = self._first_poll(watch)
        if age < first:
            return first - age
        return min(max(age / 2, MIN_INTERVAL), MAX_INTERVAL)

    def _first_poll(self, watch: Watch) -> float:
        ages = self._ages.get(_kind(watch), ())
        return LONGER * max(ages) + LATER if len(ages) >= MIN_AGES else FIRST_POLL

    def _report(self, watch: Watch, told_at: float) -> None:
        if watch.submitted_at is not None:
            kind = _kind(watch)
            ages = self._ages.pop(kind, None) or deque[float]([], RESULTS)
            ages.append(told_at - watch.submitted_at)
            self._ages[kind] = ages
            if len(self._ages) > KINDS:
                self._ages.popitem(last=False)
        self._judge(reported=True)

    def _miss(self, task_id: str) -> None:
        del self._unreported[task_id]
        self._judge(reported=False)

    def _judge(self, *, reported: bool) -> None:
        self._reported.append(reported)
        come = self._reported.count(False) <= MAX_MISSING * len(self._reported)
        if come == self.come:
            return
        self.come = come
        if not come:
            self._on_missing()


def _kind(watch: Watch) -> Hashable:
    return watch.task.model, watch.task.duration
