"""How long a download goes on without a new byte, and how long it waits between two tries."""

import attrs

from vidgo_async._api.recent_tasks import RecentTasks
from vidgo_async._core.concurrency import now
from vidgo_async._core.errors import VidgoError
from vidgo_async._core.retry import Backoff

YOUNG = 600.0
"""Seconds from the end of a task in which the link of its file may not work yet."""
REFUSED_TIMEOUT = 15.0
"""Seconds for which a refused link is tried again where the task is older, or its age unknown."""
LONGEST_TRY = 90.0
"""Seconds; what a try takes longer than that, the process was stopped, or old bytes came again."""
SLACK = 0.05
"""Seconds before the end of patience that are too few for one more try."""


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Failure:
    """Why a try did not complete the file."""

    reason: str
    cause: VidgoError | None = None
    retry_after: float | None = None
    """Seconds that the host asked to wait."""
    is_final: bool = False
    """Whether another try would only repeat it."""
    link_refused: bool = False
    """Whether the host does not give the file under this link: not yet, or no longer."""
    wants_browser: bool = False
    """Whether the host may refuse the `User-Agent` only."""


class Patience:
    """The patience of one download: `RetryPolicy.timeout` without a new byte."""

    def __init__(self, backoff: Backoff, recent_tasks: RecentTasks, task_id: str | None) -> None:
        self._backoff = backoff
        self._recent_tasks = recent_tasks
        self._task_id = task_id
        self._furthest = 0
        """The most bytes ever received: only those beyond them are progress."""
        self._last_progress = now()
        self._try_began = self._last_progress
        self._failures = 0
        """In a row, without progress."""
        self._refused_at: float | None = None
        """When the link was first refused since the last progress."""

    @property
    def age(self) -> float | None:
        """The most seconds that can have passed since the task ended; None if unknown."""
        return self._recent_tasks.age(self._task_id)

    @property
    def is_young(self) -> bool:
        """Whether the task ended so recently that the link may not work yet."""
        return self.age is not None and self.age < YOUNG

    def progress(self, size: int) -> bool:
        """Note how many bytes there are; tell whether these are more than ever before."""
        if size <= self._furthest:
            return False
        self._furthest = size
        self._last_progress = self._try_began = now()
        self._failures, self._refused_at = 0, None
        return True

    def pause_after(self, failure: Failure) -> float | None:
        """Return the seconds to wait before the next try; None if there is none."""
        self._failures += 1
        self._forgive(now() - self._try_began - LONGEST_TRY)
        left = self._seconds_left(failure)
        asked = self._backoff.delay(0, failure.retry_after)
        # One more try is always made: to notice a stall may take longer than patience lasts.
        if failure.is_final or (self._failures > 1 and left <= asked + SLACK):
            return None
        pause = self._backoff.delay(self._failures)
        pause = max(asked, min(pause, left) if left > 0 else pause)
        self._try_began = now() + pause
        return pause

    def resume(self) -> None:
        """Begin the next try, perhaps late: a connection had to be free first."""
        self._forgive(now() - self._try_began)
        self._try_began = now()

    def _forgive(self, seconds: float) -> None:
        """Let time pass that costs no patience."""
        if seconds > 0:
            self._last_progress += seconds
            if self._refused_at is not None:
                self._refused_at += seconds

    def _seconds_left(self, failure: Failure) -> float:
        deadline = self._last_progress + self._backoff.policy.timeout
        if failure.link_refused:
            if self._refused_at is None:
                self._refused_at = now()
            if not self.is_young:
                deadline = min(deadline, self._refused_at + REFUSED_TIMEOUT)
        return deadline - now()
