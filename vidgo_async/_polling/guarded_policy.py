"""A user's polling policy, kept from doing harm where it fails."""

import logging

from vidgo_async._core.models import Task
from vidgo_async._polling.adaptive import LearningPolicy
from vidgo_async._polling.policies import FixedPolling, PollingPolicy

logger: logging.Logger = logging.getLogger("vidgo_async")

FALLBACK = FixedPolling()
"""What polls a task whose policy failed: tasks that were paid for are polled in any case."""

MIN_DELAY = 0.001
"""Seconds; anything less is none."""
MAX_DELAY = 1e9
"""Seconds; what a clock of floats can still tell apart."""


class GuardedPolicy:
    """Asks a policy; where it raises, a fixed interval takes its place, logged once."""

    def __init__(self, policy: PollingPolicy) -> None:
        self.policy = policy
        self._learner = policy if isinstance(policy, LearningPolicy) else None
        self._logged = False

    def next_delay(self, task: Task, age: float | None) -> float:
        """Return the seconds from the last poll to the next: what the policy says, if it can."""
        try:
            return _checked(self.policy.next_delay(task, age))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - the policy is the user's code
            self._log("next_delay", task, error)
            return FALLBACK.next_delay(task, age)

    def learn(self, before: Task, after: Task, earliest: float, latest: float) -> None:
        """Tell a policy that learns what a poll found."""
        if self._learner is None:
            return
        try:
            self._learner.learn(before, after, earliest, latest)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - as above
            self._log("learn", after, error)

    def _log(self, method: str, task: Task, error: BaseException) -> None:
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
    seconds = float(delay)  # of any kind of number
    if not 0 <= seconds <= MAX_DELAY:
        msg = f"expected a number of seconds from 0 on, not {delay!r}"
        raise ValueError(msg)
    return seconds if seconds >= MIN_DELAY else 0.0
