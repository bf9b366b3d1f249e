"""When tasks ended, as far as this session saw it: a link of a new file may not work yet."""

from collections import OrderedDict
from datetime import UTC, datetime

from vidgo_async._core.concurrency import now
from vidgo_async._core.models import Task

MAX_TASKS = 2_000
"""Tasks remembered, in flight and ended each; of more the oldest are forgotten."""


class RecentTasks:
    """Remembers of the tasks that were bought or polled last when each ended."""

    def __init__(self) -> None:
        # Ordered ones drop their oldest entry in constant time, which plain dicts do not.
        self._unfinished = OrderedDict[str, float]()
        """When each was last known not to have ended, by the loop's clock; oldest first."""
        self._ended = OrderedDict[str, float]()
        """When each was first seen ended."""

    def note(self, task: Task, at: float) -> None:
        """Take note of a task as the server described it at that time of the loop."""
        id_ = task.task_id
        if not task.done:
            _put(self._unfinished, id_, at)
        elif id_ in self._ended:
            return
        elif self._unfinished.pop(id_, None) is not None:
            _put(self._ended, id_, at)
        elif task.submitted_at is not None:  # it ended before this session saw it, and after that
            age = (datetime.now(UTC) - task.submitted_at).total_seconds()
            _put(self._ended, id_, at - max(0.0, age))

    def age(self, task_id: str | None) -> float | None:
        """Return the most seconds that can have passed since a task ended; None if unknown."""
        if task_id is None:
            return None
        since = self._ended.get(task_id, self._unfinished.get(task_id))
        return None if since is None else now() - since


def _put(times: OrderedDict[str, float], task_id: str, time: float) -> None:
    times[task_id] = time
    times.move_to_end(task_id)
    if len(times) > MAX_TASKS:
        times.popitem(last=False)
