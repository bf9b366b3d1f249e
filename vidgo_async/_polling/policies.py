"""When to look again, and how long to wait after a failure: pure policies.

No clock, no input or output, no randomness of their own: what they need is handed to them,
so a policy is tested with plain numbers. The scheduler in `poller.py` asks them.
"""

import math
from typing import Any, Protocol

import attrs

from vidgo_async._core.models import Task


class PollingPolicy(Protocol):
    """When to look at a task again. Implement this one method for a policy of your own.

    Example:
        A policy that looks every 10 seconds in the first minute and every 3 after it:

            class LateRiser:
                def next_delay(self, task: Task, age: float | None) -> float:
                    return 10.0 if age is not None and age < 60 else 3.0
    """

    def next_delay(self, task: Task, age: float | None) -> float:
        """Return the seconds from the last look to the next.

        The scheduler stretches the answer by up to a fifth, so that tasks submitted together
        are not looked at together, and rounds up to a tick of at most a sixteenth of a second, so
        that one waking of the program serves several.

        Args:
            task: The last known state.
            age: Seconds from submit to the last look: 0.0 when there was none yet, so
                that the answer is the age of the first look; None for a task known only
                by its id.
        """
        ...


def positive(_: object, field: "attrs.Attribute[Any]", value: object) -> None:
    """Refuse what is not a finite number above 0: a validator of attrs."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        msg = f"{field.name} must be a number, not {type(value).__name__}"
        raise TypeError(msg)
    if not 0 < value < math.inf:
        msg = f"{field.name} must be a number above 0, not {value}"
        raise ValueError(msg)


@attrs.frozen
class FixedPolling:
    """Look every `interval` seconds. The API's advice is 2 to 5."""

    interval: float = attrs.field(default=3.0, validator=positive)
    """Seconds between two looks at one task."""

    def next_delay(self, task: Task, age: float | None) -> float:  # noqa: ARG002 - the protocol's
        """Return the interval, whatever the task's state and age."""
        return self.interval


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How long to go on after failures that cannot have bought anything, and how patiently.

    It bounds `submit`; polls use its delays and go on until their own deadline.
    """

    timeout: float = attrs.field(default=300.0, validator=positive)
    """Seconds from the call to the last moment at which a submit may still be sent."""
    initial_delay: float = attrs.field(default=1.0, validator=positive)
    """Seconds to wait after the first failure, before jitter."""
    max_delay: float = attrs.field(default=30.0, validator=positive)
    """The longest wait that doubling leads to, in seconds. `Retry-After` may ask for more."""
    resend_on_503: bool = True
    """Whether a submit refused with 503 `service_error` is sent again.

    That such a refusal sold nothing is an assumption; False turns it off.
    """

    def delay(self, failures: int, chance: float) -> float:
        """Return the seconds to wait after that many failures in a row.

        Doubles each time (the API's advice: 1, 2, 4, 8 s), with a quarter of jitter either
        way: less than the doubling, so the waits still grow.

        Args:
            failures: Failures in a row, 1 or more.
            chance: A random number, 0 to 1.
        """
        # The exponent is bounded because 2.0 ** 1024 overflows.
        doubled = self.initial_delay * 2.0 ** min(failures - 1, 60)
        return min(self.max_delay, doubled * (0.75 + 0.5 * chance))
