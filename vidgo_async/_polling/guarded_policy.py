"""A user's polling policy, kept from doing harm where it fails."""

import logging
import math

from vidgo_async._core.models import Task
from vidgo_async._polling.adaptive import LearningPolicy
from vidgo_async._polling.policies import FixedPolling, PollingPolicy

logger: logging.Logger = logging.getLogger("vidgo_async")

FALLBACK = FixedPolling()
"""What polls a task whose policy failed: tasks that were paid for are polled in any case."""


class GuardedPolicy:
    """Asks a policy; where it raises, a fixed interval takes its place, logged once."""

    def __init__(self, policy: PollingPolicy) -> None:
        self.policy = policy
        self.learns: bool = isinstance(policy, LearningPolicy)
        self._logged = False

    def next_delay(self, task: Task, age: float | None) -> float:
        """Return the seconds from the last poll to the next: what the policy says, if it can."""
        try:
            return _checked(self.policy.next_delay(task, age))
        except Exception as error:  # noqa: BLE001 - the policy is the user's code
            self._log("next_delay", task, error)
            return FALLBACK.next_delay(task, age)

    def learn(self, before: Task, after: Task, earliest: float, latest: float) -> None:
        """Tell a policy that learns what a poll found."""
        if not isinstance(self.policy, LearningPolicy):
            return
        try:
            self.policy.learn(before, after, earliest, latest)
        except Exception as error:  # noqa: BLE001 - as above
            self._log("learn", after, error)

    def _log(self, method: str, task: Task, error: Exception) -> None:
        if not self._logged:
            self._logged = True
            logger.error(
                "the polling policy failed in %s for task %s; it is polled every %g s instead "
                "(further failures are not logged)",
                method,
                task.task_id,
                FALLBACK.interval,
                exc_info=error,
            )


def _checked(delay: float) -> float:
    if not 0 <= delay < math.inf:
        msg = f"expected a number of seconds from 0 on, not {delay!r}"
        raise ValueError(msg)
    return delay
