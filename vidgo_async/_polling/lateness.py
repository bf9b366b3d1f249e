"""What tells the caller, once, that polls are late for want of permits."""

import logging

from vidgo_async._api.limiter import Limiter
from vidgo_async._polling.watches import Watch

logger: logging.Logger = logging.getLogger("vidgo_async")

MIN_LATE = 1.0
"""Seconds of lateness that are never worth a word."""


class Lateness:
    """Watches over how late polls are sent."""

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter
        self._told = False

    def note(self, watch: Watch, watched: int) -> None:
        """Log that a poll waited for longer than half of its interval, if permits are why.

        Args:
            watch: Whose poll is about to be sent.
            watched: How many tasks are watched.
        """
        late = self._limiter.now() - watch.due
        if self._told or late <= max(MIN_LATE, (watch.due - watch.polled_at) / 2):
            return
        if self._limiter.only_permits_matter(self._limiter.polls):
            self._told = True
            logger.info(
                "polls of %d tasks are late, this one by %.1f s: %d requests at a time are too "
                "few; raise max_concurrent_requests",
                watched,
                late,
                self._limiter.limit,
            )
