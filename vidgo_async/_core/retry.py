"""How long, and how patiently, to try again what bought nothing."""

import random
from typing import Any

import attrs

from vidgo_async._core.errors import RateLimitError, ServerError, TransportError, VidgoError
from vidgo_async._core.validators import count, positive

MAX_RETRY_AFTER = 60.0
"""Seconds; the longest wait that a server's `Retry-After` is granted."""


def _count_or_none(policy: object, field: "attrs.Attribute[Any]", value: object) -> None:
    if value is not None:
        count(policy, field, value)


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How long to go on after failures that cannot have bought anything, and how patiently.

    Polls use its delays, and go on until their own deadline.

    Attributes:
        timeout: Seconds for which a submit or an upload is sent again, and for which a download goes
            on without a new byte. After a 429 they count while nothing moves: no submit is
            accepted, and no task runs.
        initial_delay: Seconds to wait after the first failure, before jitter.
        max_delay: Seconds; the longest wait that doubling leads to.
        resend_on_503: Whether a submit refused with 503 `service_error` is sent again.
        unknown_limit: Unknown outcomes, without an accepted submit between them, after which a
            session stops submitting; None for no limit.
        unknown_pause: Seconds for which it then pauses, before it tries one.
    """

    timeout: float = attrs.field(default=300.0, validator=positive)
    """Seconds for which a submit or an upload is sent again, and for which a download goes on without
    a new byte. After a 429 they count while nothing moves: no submit is accepted, no task runs."""
    initial_delay: float = attrs.field(default=1.0, validator=positive)
    """Seconds to wait after the first failure, before jitter."""
    max_delay: float = attrs.field(default=30.0, validator=positive)
    """The longest wait that doubling leads to, in seconds. `Retry-After` may ask for more."""
    resend_on_503: bool = True
    """Whether a submit refused with 503 `service_error` is sent again.

    That such a refusal sold nothing is an assumption; False turns it off.
    """
    unknown_limit: int | None = attrs.field(default=5, validator=_count_or_none)
    """Unknown outcomes, without an accepted submit between them, after which a session stops
    submitting; None for no limit. One submit is then tried after each pause; after two that failed
    the rest that wait end in `NotSentError`."""
    unknown_pause: float = attrs.field(default=30.0, validator=positive)
    """Seconds of that pause."""

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


class Backoff:
    """How long to wait after a failure: as the retry policy says, or as the server asks."""

    def __init__(self, policy: RetryPolicy) -> None:
        self.policy = policy
        self._random = random.Random()

    def delay(self, failures: int, retry_after: float | None = None) -> float:
        """Return the seconds to wait.

        Args:
            failures: Failures in a row; 0 where only the server's wish counts.
            retry_after: The server's wish in seconds, of which at most 60 are granted.
        """
        asked = min(retry_after or 0.0, MAX_RETRY_AFTER)
        if failures < 1:
            return asked
        return max(asked, self.policy.delay(failures, self._random.random()))


def is_retryable(error: VidgoError) -> bool:
    """Tell whether another try may do better than a request that failed like this."""
    if isinstance(error, TransportError):
        return error.temporary
    return isinstance(error, RateLimitError | ServerError)
