"""How long one poll may take: learned from the polls before it.

A hung poll holds a permit that other tasks need, so it may not last much longer than responses
take. How long they take is learned as TCP learns its retransmission timeout (RFC 6298): from a
smoothed round trip. A task whose poll timed out gets twice as long for the next, so that a server
that is merely slow is understood soon, and a hung task costs the others little.
"""

MIN_TIMEOUT = 1.0
"""Seconds that every poll gets, however fast responses are, unless `request_timeout` is less."""
FIRST_TIMEOUT = 2.0
"""Seconds that a poll gets before any was answered."""
FACTOR = 4.0
"""How many times longer than usual a poll may take."""
WEIGHT = 0.2
"""How much the newest round trip counts against all before."""


class PollTimeout:
    """The round trip of polls as it was learned, and the timeout that follows from it."""

    def __init__(self, max_timeout: float) -> None:
        self._max = max_timeout
        self._round_trip: float | None = None
        """Smoothed, in seconds; None before the first response."""
        self._usual = min(max_timeout, FIRST_TIMEOUT)
        """Seconds for a poll that follows no timeout."""

    def record(self, seconds: float) -> None:
        """Learn from a poll that was answered after so many seconds, whatever it said."""
        usual = seconds if self._round_trip is None else self._round_trip
        self._round_trip = usual + WEIGHT * (seconds - usual)
        self._usual = min(self._max, max(MIN_TIMEOUT, FACTOR * self._round_trip))

    def of(self, timeouts: int) -> float:
        """Return the seconds for a poll of a task of which the last `timeouts` polls timed out."""
        if timeouts == 0:
            return self._usual
        return min(self._max, self._usual * (1 << min(timeouts, 10)))
