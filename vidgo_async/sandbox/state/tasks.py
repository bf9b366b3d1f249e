"""What the sandbox knows: the tasks it sold, how each one ends, and the credits left.

Pure state without HTTP and without a clock: whoever asks says what time it is, in seconds
of any clock that does not go back. How a task ends is settled when it is sold, and its
state follows from the time at which one looks, so nothing has to run in between.
"""

from datetime import timedelta, timezone
from typing import Any

import attrs

from vidgo_async.sandbox.media.film import Film

LINK_LIFETIME = 24 * 3600.0
"""Seconds from the end of a task to the death of its links."""
WAITING_SHARE = 0.1
"""The part of a task's time that it spends as `not_started`."""

# The vendor's examples fit this zone; they are sent without naming it.
SERVER_ZONE = timezone(timedelta(hours=8))


@attrs.frozen(kw_only=True)
class SoldTask:
    """One sold task: what was asked for, and all that will ever happen to it."""

    task_id: str
    model: str
    input: dict[str, Any]
    callback_url: str | None
    created_time: str
    """The server's wall clock, ISO 8601 without a zone."""
    sold_at: float
    """Seconds, on the clock of whoever asks."""
    seconds: float
    """How long the generation takes."""
    failure: str | None
    """The error message it ends with; None where it ends well."""
    film: Film
    """What its file looks like."""

    @property
    def ends_at(self) -> float:
        """The moment at which the task finishes or fails."""
        return self.sold_at + self.seconds

    def status(self, now: float) -> str:
        """Return the state in the API's own word."""
        # The words are written out, so that a slip in the client's cannot hide here.
        if now >= self.ends_at:
            return "failed" if self.failure else "finished"
        waiting = now < self.sold_at + WAITING_SHARE * self.seconds
        return "not_started" if waiting else "running"

    def progress(self, now: float) -> int | None:
        """Return 0 to 100; the API may say null, which a failed task does."""
        match self.status(now):
            case "running":
                return min(99, int(100 * (now - self.sold_at) / self.seconds))
            case status:
                return {"not_started": 0, "finished": 100}.get(status)

    def has_file(self, now: float) -> bool:
        """Tell whether its link is alive."""
        return self.status(now) == "finished" and now < self.ends_at + LINK_LIFETIME
