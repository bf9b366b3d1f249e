"""When to poll a task again: pure policies, which the poller asks.

No clock, no input or output, no randomness of their own: what they need is handed to them,
so a policy is tested with plain numbers.
"""

from typing import Protocol

import attrs

from vidgo_async._core.models import Task
from vidgo_async._core.validators import positive

JITTER = 0.2
"""The part of a wait that is added at random, so that tasks are not polled in lockstep."""


class PollingPolicy(Protocol):
    """When to poll a task again. Implement this one method for a policy of your own.

    Example:
        A policy that polls every 10 seconds in the first minute and every 3 after it:

            class LateRiser:
                def next_delay(self, task: Task, age: float | None) -> float:
                    return 10.0 if age is not None and age < 60 else 3.0
    """

    def next_delay(self, task: Task, age: float | None) -> float:
        """Return the seconds from the last poll to the next.

        The poller adds up to a quarter: a random fifth, so that tasks submitted together are not
        polled together, and what is left until the next tick, at most half a second, so that one
        wake-up of the program serves several tasks.

        Args:
            task: The last known state.
            age: Seconds from submit to the last poll: 0.0 when there was none yet, so
                that the answer is the age of the first poll; None for a task known only
                by its id.
        """
        ...


@attrs.frozen
class FixedPolling:
    """Poll every `interval` seconds. The API's advice is 2 to 5."""

    interval: float = attrs.field(default=3.0, validator=positive)
    """Seconds between two polls of one task."""

    def next_delay(self, task: Task, age: float | None) -> float:  # noqa: ARG002 - the protocol's
        """Return the interval, whatever the task's state and age."""
        return self.interval
