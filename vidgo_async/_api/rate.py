"""A rate that finds the server's limit from its refusals.

Servers count with a token bucket, which is empty at each refusal: the requests accepted from one
refusal to the next, divided by the time between, are the limit. So a refusal sets the rate a little
below that, and from there it grows, hardly at first and then ever faster (as CUBIC's window does,
RFC 9438), so that a limit that was raised is found too.

Pure: the clock is handed in.
"""

import math

SAFETY = 0.95
"""The rate after a refusal, as a part of the limit it told of."""
GROWTH = 0.9
"""By how much of the limit the rate has grown after `GROWTH_TIME`."""
GROWTH_TIME = 30.0
"""Seconds at full rate."""
STEEPNESS = 5
"""The power of the time with which the rate grows."""
SETTLED = 5.0
"""Seconds of sending at full rate after which a rate counts as about right."""
STEP = 0.8
"""What the refusal of a rate that was about right leaves of it, at least."""
BUCKET = 1.0
"""Seconds of sending that a server's bucket is thought to hold; longer pauses save up no more."""
CATCH_UP = 0.05
"""Seconds of sending that may be caught up after a delay, where the steps are smaller."""


class Pace:
    """Spaces requests evenly."""

    def __init__(self) -> None:
        self.opens_at = -math.inf
        """When the next may be sent."""

    def sent(self, now: float, rate: float) -> None:
        """Make the next wait, at that many a second."""
        step = 1 / rate
        # A timer that rang late is made up for.
        self.opens_at = max(self.opens_at, now - max(0.0, CATCH_UP - step)) + step


class Rate:
    """The limit as last understood, and what happened since the last refusal."""

    def __init__(self) -> None:
        self.limit: float | None = None
        """Requests a second; None until refusals showed one."""
        self._pace = Pace()
        self._sent_at = -math.inf
        self._accepted = 0
        """Requests that were not refused."""
        self._since: float | None = None
        """The time from which they count; None before the first refusal."""
        self._waited = 0.0
        """Seconds in which requests had to wait for the rate or for a pause."""
        self._at_full_rate = 0.0
        """Seconds of those in which requests were sent at the full rate: a rate that is not used
        proves nothing, and does not grow."""

    def rate(self) -> float | None:
        """Return how many requests a second may be sent now; None for any number."""
        if self.limit is None:
            return None
        return self.limit * (SAFETY + GROWTH * (self._at_full_rate / GROWTH_TIME) ** STEEPNESS)

    def opens_at(self) -> float:
        """Return when the next request may be sent."""
        return self._pace.opens_at

    def sent(self, now: float) -> None:
        """Note a request that is sent."""
        rate = self.rate()
        if rate is None:
            return
        step = 1 / rate
        if now - self._pace.opens_at < max(CATCH_UP, step):  # it waited for this moment
            self._waited += now - self._sent_at
            self._at_full_rate += min(now - self._sent_at, 2 * step)
        self._sent_at = now
        self._pace.sent(now, rate)

    def accepted(self) -> None:
        """Count a request that was not refused."""
        self._accepted += 1

    def refused(self, now: float, pause: float, floor: float, *, is_odd: bool) -> None:
        """Learn from a refusal; of each round trip only the first says something.

        Args:
            now: The time, in seconds.
            pause: Seconds for which nothing will be sent.
            floor: The lowest rate that is believed, in requests a second.
            is_odd: Whether it may be an odd one, which alone tells of no rate.
        """
        rate = self.rate()
        if self._since is not None and self._accepted:
            seconds = now - self._since
            if rate is not None:
                self.limit = max(floor, self._estimate(rate, seconds))
            elif not is_odd:
                self.limit = max(floor, self._accepted / max(seconds, BUCKET))
        # Else the pause before was too short, which tells of no rate.
        self._accepted, self._waited, self._at_full_rate = 0, 0.0, 0.0
        self._since = now + max(0.0, pause - BUCKET)
        self._sent_at = now
        self._pace.opens_at = max(self._pace.opens_at, now + pause)

    def _estimate(self, rate: float, seconds: float) -> float:
        counted = self._accepted / max(seconds, 1 / rate)
        if self._waited < seconds / 2:  # little was asked for, so little was accepted
            return STEP * rate
        return max(counted, STEP * rate) if self._at_full_rate > SETTLED else min(counted, rate)
