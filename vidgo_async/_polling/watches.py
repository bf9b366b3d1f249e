"""The watched tasks, and what is remembered of those without a subscriber."""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Iterator
from datetime import UTC, datetime
from http import HTTPStatus

import attrs

from vidgo_async._core.errors import APIError, RateLimitError, VidgoError
from vidgo_async._core.models import UNSEEN, Task, without_raw
from vidgo_async._polling.subscription import Subscription

MAX_LEFT = 10_000
"""Tasks without subscribers of which the last poll is remembered."""
JUST_BEFORE = 5.0
"""Seconds before a deadline from which on a poll serves as the final one."""


MAX_REFUSALS = 3
"""How many refusals in a row end a watch."""
YOUNG = 5.0
"""Seconds of age up to which refusals do not count: the server may not know its new task yet."""
_REFUSALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
FILES_LATE = 10.0
"""Seconds for which a task that finished without files is polled again."""
HINT_DELAYS = (0.0, 0.5, 1.0, 2.0, 4.0)
"""Seconds from one poll to the next of a task that is said to have ended: its status may lag."""
HINT_INTERVAL = 5.0
"""Seconds from the last of them to the first for another callback, if they found no end; so forged
callbacks cost little."""


class Hint:
    """What is done since a callback said, or a poll saw, that a task ended."""

    __slots__ = ("_delays", "_is_repeated", "_polls")

    def __init__(self, *, is_first: bool) -> None:
        self._delays = HINT_DELAYS if is_first else (HINT_INTERVAL, *HINT_DELAYS[1:])
        self._polls = 0
        """Polls since then that found no end."""
        self._is_repeated = False

    @property
    def delay(self) -> float:
        """Seconds from the last poll to the next."""
        return self._delays[self._polls]

    def repeat(self) -> None:
        """Note that it was said once more: this one may be the right one."""
        self._is_repeated = True

    def after_poll(self) -> "Hint | None":
        """Return what is left to do after a poll that found no end."""
        self._polls += 1
        if self._polls < len(self._delays):
            return self
        return Hint(is_first=False) if self._is_repeated else None


@attrs.define(eq=False, repr=False, kw_only=True)
class Watch:
    """One watched task, however many subscribers it has."""

    task: Task
    subscribers: tuple[Subscription, ...]
    submitted_at: float | None
    """The loop's time of its submit, if known."""
    polled_at: float
    """The loop's time of the last poll; of the submit before the first."""
    last_success_at: float
    """The loop's time of the last poll that succeeded; of the submit before the first."""
    was_polled: bool = False
    due: float = math.inf
    in_flight: bool = False
    """Whether a poll is in flight; a watch stays until it ends, even without subscribers."""
    failures: int = 0
    """Failed polls in a row; so are the next two."""
    refusals: int = 0
    timeouts: int = 0
    last_error: VidgoError | None = None
    digest: int | None = None
    """That of the response from which `task` was read; None if it came from elsewhere."""
    finished: Task | None = None
    """As it was seen finished, but without files."""
    finished_at: float | None = None
    """The loop's time at which that was seen first."""
    ended: bool = False
    is_called_back: bool = False
    """Whether a callback is to come."""
    is_probe: bool = False
    """Whether it was polled, as one of few, to see whether callbacks are missing."""
    may_learn: bool = True
    """Whether the last polls, from which the policy learns, were sent when it said."""
    hint: Hint | None = None
    """What is left to do since it was said to have ended."""
    was_wrong: bool = False
    """Whether it was said, and polls found no end."""

    @property
    def is_new(self) -> bool:
        """Whether nothing is known of its age: it is polled at once."""
        return not self.was_polled and self.submitted_at is None

    def told(self) -> bool:
        """Take note that the task is said to have ended; tell whether that is new."""
        if self.hint is not None:
            self.hint.repeat()
            return False
        self.hint = Hint(is_first=not self.was_wrong)
        return True

    def found_no_end(self) -> None:
        """Take note of a poll that succeeded and found no end."""
        if self.hint is not None:
            self.hint = self.hint.after_poll()
            self.was_wrong = True

    def waits_for_files(self, task: Task, interval: float) -> bool:
        """Tell whether to poll a task again, after that interval, that finished without files."""
        now, self.finished = self.polled_at, task
        self.finished_at = now if self.finished_at is None else self.finished_at
        final_poll = min((each.final_poll for each in self.subscribers), default=now)
        return now + interval <= min(self.finished_at + FILES_LATE, final_poll)

    def is_refused(self, error: VidgoError) -> bool:
        """Take note of a poll that failed; tell whether the server refuses to tell for good."""
        self.last_error = error
        refused = isinstance(error, APIError) and error.documented and error.status in _REFUSALS
        is_young = self.submitted_at is not None and self.polled_at - self.submitted_at < YOUNG
        self.refusals = self.refusals + 1 if refused and not is_young else 0
        # A 429 is no failure of this task: the limiter makes all requests wait.
        self.failures += not isinstance(error, RateLimitError)
        return self.refusals >= MAX_REFUSALS

    def final_poll(self, subscription: Subscription) -> float:
        """Return when to poll just before a deadline; infinity if that is not to be.

        Waiting again and again for a short time must not poll more often than the policy says: a
        wait during which no poll was due gets one only if the task was never polled.
        """
        if not self.was_polled:
            return subscription.final_poll
        is_of_this_wait = self.polled_at >= subscription.started_at
        if is_of_this_wait and subscription.final_poll - self.polled_at >= JUST_BEFORE:
            return subscription.final_poll
        return math.inf

    def join(self, task: Task, subscription: Subscription, now: float) -> None:
        """Add a subscriber; each side may know what the other does not."""
        self.subscribers += (subscription,)
        if self.submitted_at is None:
            self.submitted_at = _submitted_at(task, now)
        if self.task.status == UNSEEN:
            known, self.digest = task, None
        else:
            known = self.task
        self.task = attrs.evolve(
            known,
            raw=None,
            model=self.task.model or task.model,
            submitted_at=self.task.submitted_at or task.submitted_at,
            duration=self.task.duration or task.duration,
        )
        if self.task != task:
            subscription.update(self.task)


class Watches:
    """All watches by the ids of their tasks."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._watches: dict[str, Watch] = {}
        self._left = OrderedDict[str, Watch]()
        """Tasks whose last subscriber left before their end, oldest first."""

    def __len__(self) -> int:
        return len(self._watches)

    def __iter__(self) -> Iterator[Watch]:
        return iter(self._watches.values())

    def get(self, task_id: str) -> Watch | None:
        """Return the watch of a task that has subscribers, or a poll in flight."""
        return self._watches.get(task_id)

    def get_left(self, task_id: str) -> Watch | None:
        """Return the watch of a task whose last subscriber left it."""
        return self._left.get(task_id)

    def open(self, task: Task, subscribers: tuple[Subscription]) -> Watch:
        """Begin to watch a task, or go on where its last subscriber left it."""
        now = self._loop.time()
        watch = self._left.pop(task.task_id, None)
        if watch is None:
            submitted_at = _submitted_at(task, now)
            polled_at = now if submitted_at is None else submitted_at
            watch = Watch(
                task=without_raw(task),
                subscribers=subscribers,
                submitted_at=submitted_at,
                polled_at=polled_at,
                last_success_at=polled_at,
            )
        else:
            watch.subscribers = ()
            watch.join(task, *subscribers, now)
        self._watches[task.task_id] = watch
        return watch

    def forget(self, watch: Watch) -> None:
        """Watch a task no more; its next watch goes on from there, unless it ended."""
        self._watches.pop(watch.task.task_id, None)
        if not watch.ended:
            self._left[watch.task.task_id] = watch
            if len(self._left) > MAX_LEFT:
                self._left.popitem(last=False)

    def take_all(self) -> dict[str, Watch]:
        """Forget all; return what was watched, since to free very many takes long."""
        taken, self._watches = self._watches, {}
        self._left.clear()
        return taken


def _submitted_at(task: Task, now: float) -> float | None:
    """Translate a task's wall-clock age to the loop's clock."""
    if task.submitted_at is None:
        return None
    return now - max(0.0, (datetime.now(UTC) - task.submitted_at).total_seconds())
