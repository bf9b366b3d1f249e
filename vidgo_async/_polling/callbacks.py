"""How far callbacks can be relied on, and what follows for the polls.

A callback only says whose status is worth a poll. While callbacks come, other polls are a safety
net (`safety_net.py`). An end that a poll found, and no callback reported within seconds, is a
missing one; where more than one in twenty is missing (`reliance.py`), all tasks are polled as the
policy says, until callbacks come again.

The safety net alone would see that late. So after every tenth callback one task is polled as a
probe, which may well have ended; and when they fall silent, so many that some of them have, if
callbacks are missing.
"""

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from itertools import islice

from vidgo_async._core.models import Task
from vidgo_async._core.pieces import Pieces
from vidgo_async._polling.reliance import Reliance
from vidgo_async._polling.safety_net import SafetyNet
from vidgo_async._polling.ticks import NO_WAIT, Wait
from vidgo_async._polling.watches import Watch, Watches

MAX_KNOWN = 10_000
"""Bought tasks that are remembered; of more the oldest are forgotten, and polled as usual."""
REPORT_TIME = 5.0
"""Seconds that a callback may come later than a poll that found the end; later it is worth less than
polls."""
REPORTS = 20
"""How many callbacks tell the usual pause between them."""
SILENCE = 10.0
"""How many times that pause is silence."""
MIN_SILENCE = 2.0
"""Seconds of silence that never mean anything."""
PROBE_EVERY = 10
"""Callbacks after which one task is polled as a probe."""
MAX_SCAN = 1000
"""How many of the oldest tasks are considered at a time."""
CERTAINTY = 3.0
"""How many ended tasks the probes of a silence are to find, on average: one in e^3 finds none."""


class _Bought:
    """A task that was bought, with a callback to come."""

    __slots__ = ("has_ended", "is_judged", "kind", "submitted_at", "told_at")

    def __init__(self, kind: Hashable, submitted_at: float, *, has_ended: bool) -> None:
        self.kind = kind
        self.submitted_at = submitted_at
        self.told_at: float | None = None
        """The loop's time at which a callback came first, if one did."""
        self.has_ended = has_ended
        """Whether it was reported, or seen, to have ended, and no poll found otherwise since."""
        self.is_judged = False


class Callbacks:
    """The callbacks of a session: which tasks to expect them for, and whether they come."""

    def __init__(self, watches: Watches, poll_in: Callable[[Watch, Wait | None], None]) -> None:
        """Begin to rely on callbacks.

        Args:
            watches: The watched tasks.
            poll_in: Makes a task due after that wait since its last poll, or, with None, when its
                pacing says.
        """
        self.reliance: Reliance = Reliance()
        self._watches = watches
        self._poll_in = poll_in
        self._loop = asyncio.get_running_loop()
        self._net = SafetyNet()
        self._bought = OrderedDict[str, _Bought]()
        self._unreported = dict[str, asyncio.TimerHandle]()
        """Ends that a poll found, which a callback may still report."""
        self._reports = deque[float]([], REPORTS)
        """When the last callbacks came."""
        self._until_probe = PROBE_EVERY
        self._silence: asyncio.TimerHandle | None = None

    # --- What happens -----------------------------------------------------------------------

    def expect(self, task: Task) -> None:
        """Expect a callback for a task that was bought just now."""
        kind = (task.model, task.duration)
        # Where a submit is answered with the end, the reason is only in the status (submit page).
        self._bought[task.task_id] = _Bought(kind, self._loop.time(), has_ended=task.done)
        if len(self._bought) > MAX_KNOWN:
            self._bought.popitem(last=False)

    def opened(self, watch: Watch) -> None:
        """Take note of a task that is watched from now on."""
        bought = self._bought.get(watch.task.task_id)
        if bought is None:
            return
        watch.is_called_back = True
        watch.may_learn = not self.cover(watch)
        if bought.has_ended and watch.hint is None:
            watch.told()

    def told(self, task_id: str) -> bool:
        """Take note of a callback; tell whether its task was bought here."""
        bought = self._bought.get(task_id)
        if bought is None:
            return False
        bought.has_ended = True
        if bought.told_at is None:
            bought.told_at = self._loop.time()
        if (timer := self._unreported.pop(task_id, None)) is not None:
            timer.cancel()
            self._report(bought, bought.told_at)
        return True

    def found_no_end(self, watch: Watch) -> None:
        """Take note of a task of which polls say that it has not ended."""
        if watch.is_probe:
            watch.is_probe = False
            self.reliance.probed(hit=False)
        if (bought := self._bought.get(watch.task.task_id)) is not None:
            bought.has_ended = False

    def ended(self, watch: Watch) -> None:
        """Take note of a task that was seen to have ended."""
        task_id = watch.task.task_id
        bought = self._bought.get(task_id)
        if bought is None:
            return
        bought.has_ended = True
        if watch.is_probe:
            self.reliance.probed(hit=bought.told_at is None)
        if bought.is_judged:
            return
        bought.is_judged = True
        if bought.told_at is not None:
            self._report(bought, bought.told_at)
        else:
            timer = self._loop.call_later(REPORT_TIME, self._miss, task_id)
            self._unreported[task_id] = timer

    def close(self) -> None:
        """Wait for no more of them."""
        for timer in self._unreported.values():
            timer.cancel()
        self._unreported.clear()
        self._cancel_silence()

    # --- What follows -----------------------------------------------------------------------

    def cover(self, watch: Watch) -> bool:
        """Tell whether a callback is relied on, so that polls are a safety net."""
        return self.reliance.come and watch.is_called_back

    def delay(self, watch: Watch) -> float:
        """Return the seconds from the last poll to the next of a task that is covered."""
        kind, age = self._kind_and_age(watch, watch.polled_at)
        return self._net.delay(kind, age)

    def _report(self, bought: _Bought, told_at: float) -> None:
        self._net.reported(bought.kind, told_at - bought.submitted_at)
        self._judge(reported=True)
        self._reports.append(told_at)
        self._until_probe -= 1
        if self._until_probe == 0:
            self._until_probe = PROBE_EVERY
            self._probe_one()
        pause = (self._reports[-1] - self._reports[0]) / len(self._reports)
        self._await_silence(pause, max(SILENCE * pause, MIN_SILENCE))

    def _miss(self, task_id: str) -> None:
        del self._unreported[task_id]
        self._judge(reported=False)

    def _judge(self, *, reported: bool) -> None:
        before = self.reliance.come
        self.reliance.judge(reported=reported)
        if before and not self.reliance.come:
            Pieces(list(self._watches), self._reschedule)

    def _reschedule(self, watch: Watch) -> None:
        """Poll a task as the policy says."""
        if watch.is_called_back and watch.hint is None and not watch.failures:
            self._poll_in(watch, None)

    # --- Probes -----------------------------------------------------------------------------

    def _probe_one(self) -> None:
        """Poll the oldest task that was not polled yet, if it may well have ended."""
        for watch in islice(self._watches, MAX_SCAN):
            if not watch.was_polled and self._may_have_ended(watch):
                watch.is_probe = True
                self._poll_in(watch, NO_WAIT)
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
        if not self._watches or not self.reliance.come:
            return
        oldest = islice(self._watches, MAX_SCAN)
        overdue = [watch for watch in oldest if self._may_have_ended(watch)]
        unreported = max(1.0, waited / max(pause, 0.001))
        for watch in overdue[: math.ceil(CERTAINTY * len(overdue) / unreported)]:
            self._poll_in(watch, NO_WAIT)
        self._await_silence(pause, 2 * waited)

    def _may_have_ended(self, watch: Watch) -> bool:
        if not watch.is_called_back or watch.hint is not None or watch.in_flight:
            return False
        return self._net.may_have_ended(*self._kind_and_age(watch, self._loop.time()))

    def _kind_and_age(self, watch: Watch, at: float) -> tuple[Hashable, float]:
        """Return what is known from the submit, even of a task that is waited for by its id."""
        bought = self._bought.get(watch.task.task_id)
        if bought is not None:
            return bought.kind, at - bought.submitted_at
        age = 0.0 if watch.submitted_at is None else at - watch.submitted_at
        return (watch.task.model, watch.task.duration), age
