"""A rate that finds the server's limit from its refusals.

Nothing is known of the limit, so nothing is held back until the first 429. From then on the rate
follows what the refusals tell. Servers count with a token bucket, which is empty at each
refusal: the requests accepted from one refusal to the next, divided by the time between, are the
limit. So a refusal sets the rate a little below that, and from there it grows, hardly at first and
then ever faster (as CUBIC's window does, RFC 9438), so that a limit that was raised is found too.

Pure: the clock is handed in.
"""

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
FIRST_STEP = 0.5
"""The part of the speed that met the very first refusal."""
BUCKET = 1.0
"""Seconds of sending that a server's bucket is thought to hold; longer pauses save up no more."""


class Rate:
    """The limit as last understood, and what happened since the last refusal."""

    def __init__(self) -> None:
        self.limit: float | None = None
        """Requests a second; None until the first refusal."""
        self._accepted = 0
        """Requests that were not refused."""
        self._since = 0.0
        """The time from which they count."""
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

    def record_wait(self, seconds: float) -> None:
        """Count the seconds from one request to the next, which had to wait for them to pass."""
        if (rate := self.rate()) is not None:
            self._waited += seconds
            self._at_full_rate += min(seconds, 2 / rate)

    def record_accepted(self) -> None:
        """Count a request that was not refused."""
        self._accepted += 1

    def record_refused(self, now: float, speed: float, pause: float) -> None:
        """Learn from a refusal; of each round trip only the first says something.

        Args:
            now: The time, in seconds.
            speed: The requests a second at which the refusal was met.
            pause: Seconds for which nothing will be sent.
        """
        rate = self.rate()
        if rate is None:
            self.limit = FIRST_STEP * speed
        elif self._accepted:  # else the pause before was too short, which tells of no rate
            self.limit = self._estimate(rate, now - self._since)
        self._accepted, self._waited, self._at_full_rate = 0, 0.0, 0.0
        self._since = now + max(0.0, pause - BUCKET)

    def _estimate(self, rate: float, seconds: float) -> float:
        counted = self._accepted / max(seconds, 1 / rate)
        if self._waited < seconds / 2:  # little was asked for, so little was accepted
            return STEP * rate
        return max(counted, STEP * rate) if self._at_full_rate > SETTLED else min(counted, rate)
