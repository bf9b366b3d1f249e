"""How far callbacks can be relied on, and what follows for the polls.

A callback only says whose status is worth a poll. While callbacks come, other polls are a safety
net (`safety_net.py`). An end that a poll found, and no callback reported within seconds, is a
missing one; where more than one in twenty is missing, all tasks are polled as the policy says,
until callbacks come again.

The safety net alone would see that late. So after every tenth callback one task is polled as a
probe, which may well have ended; and when they fall silent, so many that one of them has, if
callbacks are missing. One missing callback that a single probe found is enough: it stands for many.
"""

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from itertools import islice

import attrs

from vidgo_async._polling.safety_net import SafetyNet
from vidgo_async._polling.watches import Watch, Watches

MAX_KNOWN = 10_000
"""Bought tasks that are remembered; of more the oldest are forgotten, and polled as usual."""
REPORT_TIME = 2.0
"""Seconds that a callback may take longer than a poll to report an end."""
RESULTS = 20
"""How many of the last ends are judged by."""
MAX_MISSING = 0.05
"""The part of them that may be missing."""
SILENCE = 10.0
"""How many times the usual pause between callbacks is silence."""
PROBE_EVERY = 10
"""Callbacks after which one task is polled as a probe."""
MAX_SCAN = 1000
"""How many of the oldest tasks are considered for that."""
CERTAINTY = 3.0
"""How many ended tasks the probes of a silence are to find, on average: one in e^3 finds none."""


@attrs.define(eq=False)
class _Bought:
    """A task that was bought, with a callback to come."""

    ended_at: float | None = None
    """The loop's time at which it was first reported, or seen, to have ended."""


class Callbacks:
    """The callbacks of a session: which tasks to expect them for, and whether they come."""

    def __init__(self, watches: Watches, poll_in: Callable[[Watch, float | None], None]) -> None:
        """Begin to rely on callbacks.

        Args:
            watches: The watched tasks.
            poll_in: Makes a task due that many seconds after its last poll, or, with None, when
                its pacing says.
        """
        self.come: bool = True
        """Whether they can be relied on."""
        self._watches = watches
        self._poll_in = poll_in
        self._loop = asyncio.get_running_loop()
        self._net = SafetyNet()
        self._bought = OrderedDict[str, _Bought]()
        self._unreported = dict[str, tuple[asyncio.TimerHandle, Watch]]()
        """Ends that a poll found, which a callback may still report."""
        self._results = deque[bool]([], RESULTS)
        """Of the last ends, whether a callback reported them."""
        self._reports = deque[float]([], RESULTS)
        """When the last reports came, by the loop's clock."""
        self._until_probe = PROBE_EVERY
        self._silence: asyncio.TimerHandle | None = None

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
        watch.is_called_back = True
        watch.may_learn = not self.cover(watch)
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
        task_id, now = watch.task.task_id, self._loop.time()
        if (bought := self._bought.get(task_id)) is not None:
            bought.ended_at = bought.ended_at or now
        if not watch.is_called_back:
            return
        if watch.hint is not None:
            self._report(watch, watch.hint.at)
            return
        timer = self._loop.call_at(now + REPORT_TIME, self._miss, task_id)
        self._unreported[task_id] = timer, watch

    def close(self) -> None:
        """Wait for no more of them."""
        for timer, _ in self._unreported.values():
            timer.cancel()
        self._unreported.clear()
        self._cancel_silence()

    # --- What follows -----------------------------------------------------------------------

    def cover(self, watch: Watch) -> bool:
        """Tell whether a callback is relied on, so that polls are a safety net."""
        return self.come and watch.is_called_back

    def delay(self, watch: Watch) -> float:
        """Return the seconds from the last poll to the next of a task that is covered."""
        return self._net.delay(_kind(watch), _age(watch, watch.polled_at))

    def _report(self, watch: Watch, told_at: float) -> None:
        self._net.reported(_kind(watch), _age(watch, told_at))
        self._judge(reported=True)
        self._reports.append(told_at)
        self._until_probe -= 1
        if self._until_probe == 0:
            self._until_probe = PROBE_EVERY
            self._probe_one()
        pause = (self._reports[-1] - self._reports[0]) / len(self._reports)
        self._await_silence(pause, max(SILENCE * pause, REPORT_TIME))

    def _miss(self, task_id: str) -> None:
        _, watch = self._unreported.pop(task_id)
        self._judge(reported=False)
        if watch.is_probe:  # it stands for many
            self._judge(reported=False)

    def _judge(self, *, reported: bool) -> None:
        self._results.append(reported)
        come = self._results.count(False) <= MAX_MISSING * len(self._results)
        before, self.come = self.come, come
        if before and not come:
            for watch in list(self._watches):
                if watch.is_called_back and watch.hint is None:
                    self._poll_in(watch, None)

    # --- Probes -----------------------------------------------------------------------------

    def _probe_one(self) -> None:
        """Poll the oldest task that was not polled yet, if it may well have ended."""
        for watch in islice(self._watches, MAX_SCAN):
            if not watch.was_polled and self._may_have_ended(watch):
                watch.is_probe = True
                self._poll_in(watch, 0.0)
                return

    def _await_silence(self, pause: float, seconds: float) -> None:
        self._cancel_silence()
        self._silence = self._loop.call_later(seconds, self._probe_many, pause, seconds)

    def _cancel_silence(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None

    def _probe_many(self, pause: float, waited: float) -> None:
        """Poll so many of the oldest tasks that some of them have ended, if callbacks are missing."""
        self._silence = None
        if not self._watches or not self.come:
            return
        overdue = [watch for watch in self._watches if self._may_have_ended(watch)]
        unreported = max(1.0, waited / max(pause, 0.001))
        for watch in overdue[: math.ceil(CERTAINTY * len(overdue) / unreported)]:
            self._poll_in(watch, 0.0)
        self._await_silence(pause, 2 * waited)

    def _may_have_ended(self, watch: Watch) -> bool:
        age = _age(watch, self._loop.time())
        return (
            watch.is_called_back
            and watch.hint is None
            and not watch.in_flight
            and self._net.may_have_ended(_kind(watch), age)
        )


def _kind(watch: Watch) -> Hashable:
    return watch.task.model, watch.task.duration


def _age(watch: Watch, at: float) -> float:
    return 0.0 if watch.submitted_at is None else at - watch.submitted_at
