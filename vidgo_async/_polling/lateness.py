"""What tells the caller, once, that polls are late for want of permits."""

import logging

from vidgo_async._api.limiter import Limiter
from vidgo_async._polling.watches import Watch

logger: logging.Logger = logging.getLogger("vidgo_async")

MIN_WAIT = 0.25
"""Seconds; a shorter wait is not worth a word."""


class Lateness:
    """Watches over how long polls wait for a permit; a loop that was blocked is another matter."""

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter
        self._told = False

    def note(self, watch: Watch, waited: float, watched: int) -> None:
        """Log that a poll waited for longer than half of its interval, if permits are why.

        Args:
            watch: Whose poll is about to be sent.
            waited: How many seconds it waited, at least `MIN_WAIT`.
            watched: How many tasks are watched.
        """
        if self._told or watch.is_new or not 0 < watch.due - watch.polled_at < 2 * waited:
            return
        if self._limiter.only_permits_matter(self._limiter.polls):
            self._told = True
            logger.info(
                "polls of %d tasks are late, this one by %.1f s: %d requests at a time are too "
                "few; raise max_concurrent_requests",
                watched,
                waited,
                self._limiter.limit,
            )
