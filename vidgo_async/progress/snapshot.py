"""What is shown of a batch at one moment: plain values, taken on the event loop."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

import attrs

from vidgo_async._core.models import Task
from vidgo_async._generation.outcome import Outcome, Pending
from vidgo_async.progress.cleaning import clean, prompt_of

NEWEST = 6
"""Tasks that are shown; a low terminal has room for fewer."""
SUBMITTING = "submitting"
"""The state of a request whose submit was not answered yet."""


class Watched(Protocol):
    """What is read of a batch; `Batch` has it."""

    def newest(self, count: int) -> Sequence[Pending]:
        """Return the requests that were read last and not yielded, the newest first."""
        ...

    @property
    def read(self) -> int:
        """How many requests were read."""
        ...

    @property
    def finished(self) -> int:
        """How many ended well."""
        ...

    @property
    def failed(self) -> int:
        """How many ended with an error."""
        ...


@attrs.frozen
class InFlight:
    """One task in flight, as it is shown."""

    state: str
    percent: int | None
    prompt: str


@attrs.frozen
class Credits:
    """What the finished tasks cost."""

    amount: float
    is_complete: bool
    """Whether the cost of each is known."""


@attrs.frozen
class Snapshot:
    """What is shown of a batch at one moment."""

    total: int | None
    finished: int
    failed: int
    in_flight: int
    per_minute: float | None = attrs.field(default=None, kw_only=True)
    """Tasks that end in a minute; None while that is not known."""
    credits: Credits | None = attrs.field(default=None, kw_only=True)
    newest: tuple[InFlight, ...] = attrs.field(default=(), kw_only=True)
    """The tasks that were started last, the newest first."""

    @property
    def ended(self) -> int:
        """How many requests have ended."""
        return self.finished + self.failed

    @property
    def queued(self) -> int | None:
        """How many requests were not read yet; None where the total is unknown."""
        return None if self.total is None else max(0, self.total - self.ended - self.in_flight)

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes at this rate; None where that is unknown."""
        if self.queued is None or self.per_minute is None:
            return None
        return (self.in_flight + self.queued) / self.per_minute * 60


class Tally:
    """Adds up outcomes: how many, what they cost, and at which rate tasks end.

    The rate is that of tasks which were submitted since this began: those of an earlier run may
    end all at once. It counts until the last end, so that it does not sink between two ends; but
    of a silence it leaves out only as much as the first task took.
    """

    def __init__(self, began_at: float) -> None:
        self.outcomes: int = 0
        self._began = datetime.now(UTC)
        self._began_at = began_at
        self._first_at = self._last_at = began_at
        self._ended = 0
        self._credits: float | None = None
        self._is_complete = True

    def add(self, outcome: Outcome, now: float) -> None:
        """Add an outcome that came at a time of the loop."""
        self.outcomes += 1
        if outcome.error is None:
            self._add_credits(outcome.task.credits)
        if outcome.task is not None and self.is_own(outcome.task):
            self._ended += 1
            self._last_at = now
            if self._ended == 1:
                self._first_at = now

    def is_own(self, task: Task) -> bool:
        """Tell whether a task was submitted since this began."""
        return task.submitted_at is not None and task.submitted_at >= self._began

    def seconds(self, task: Task) -> float | None:
        """Return how long ago a task was submitted; None if it was before this began."""
        if task.submitted_at is None or not self.is_own(task):
            return None
        return (datetime.now(UTC) - task.submitted_at).total_seconds()

    @property
    def credits(self) -> Credits | None:
        """What finished tasks cost; None where none told."""
        return None if self._credits is None else Credits(self._credits, self._is_complete)

    def per_minute(self, in_flight: int, now: float) -> float | None:
        """Return how many tasks end in a minute.

        None until as many have ended as are in flight: of tasks that were started together, the
        first says little of the rate.
        """
        first = self._first_at - self._began_at
        seconds = max(self._last_at - self._began_at, now - self._began_at - first)
        if not self._ended or self._ended < in_flight or seconds <= 0:
            return None
        # Rounded, so that a view changes only where its text does.
        return float(f"{self._ended / seconds * 60:.2g}")

    def _add_credits(self, amount: float | None) -> None:
        if amount is None:
            self._is_complete = False
        else:
            self._credits = (self._credits or 0.0) + amount


def take(watched: Watched, tally: Tally, total: int | None, now: float) -> Snapshot:
    """Take a snapshot of a batch.

    Args:
        watched: The batch.
        tally: Its outcomes so far.
        total: How many requests there are; None where that is unknown.
        now: The loop's time.
    """
    in_flight = watched.read - watched.finished - watched.failed
    return Snapshot(
        total,
        watched.finished,
        watched.failed,
        in_flight,
        per_minute=tally.per_minute(in_flight, now),
        credits=tally.credits,
        newest=tuple(map(_shown, watched.newest(NEWEST))),
    )


def _shown(pending: Pending) -> InFlight:
    task = pending.task
    prompt = prompt_of(pending.request)
    if task is None:
        return InFlight(SUBMITTING, None, prompt)
    percent = None if task.progress is None else int(min(100, max(0, task.progress)))
    return InFlight(clean(task.status), percent, prompt)
