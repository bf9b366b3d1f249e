"""A sold task.

How it ends is decided when it is sold, and its state at any time follows from that, so that
nothing runs in between. The caller passes the time, in seconds of any clock that never goes back.
"""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import attrs

from vidgo_async.sandbox.media.film import Film

FILE_LIFETIME = 24 * 3600.0
"""Seconds from the end of a task to the deletion of its file."""
WAITING_SHARE = 0.1
"""The share of a task's time in which it is `not_started`."""

# The times in the vendor's examples fit this zone; they are sent without naming it.
SERVER_ZONE = timezone(timedelta(hours=8))


def server_time(wall: datetime) -> str:
    """Write an aware time as the API does: ISO 8601 in the server's zone, without naming it."""
    return f"{wall.astimezone(SERVER_ZONE):%Y-%m-%dT%H:%M:%S}"


def utc_time(wall: datetime) -> str:
    """Write an aware time as the API does some: ISO 8601 in UTC, without naming it."""
    return f"{wall.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"


@attrs.frozen(kw_only=True)
class SoldTask:
    """One sold task: its request, and how and when it ends."""

    task_id: str
    model: str
    input: dict[str, Any]
    callback_url: str | None
    created_time: str
    """On the server's wall clock, ISO 8601 without a zone."""
    finished_time: str
    """When it ends, in UTC and not on that clock, ISO 8601 without a zone."""
    sold_at: float
    """In seconds of the loop's clock."""
    seconds: float
    """How long the generation takes."""
    failure: str | None
    """The error message of a task that fails; None for one that succeeds."""
    price: float
    """In credits; a task that fails costs nothing in the end."""
    film: Film
    """What its video looks like."""

    @property
    def ends_at(self) -> float:
        """The time at which it finishes or fails, in seconds of the loop's clock."""
        return self.sold_at + self.seconds

    def status(self, now: float) -> str:
        """Return the API's word for its state."""
        # Literals, not the client's enum, so that a typo there cannot go unnoticed here.
        if now >= self.ends_at:
            return "failed" if self.failure else "finished"
        is_waiting = now < self.sold_at + WAITING_SHARE * self.seconds
        return "not_started" if is_waiting else "running"

    def progress(self, now: float) -> float | None:
        """Return 0.0 to 100.0, or None once it failed, as the API may.

        Documented as an integer, and sent as a float.
        """
        match self.status(now):
            case "running":
                return min(99.0, float(int(100 * (now - self.sold_at) / self.seconds)))
            case status:
                return {"not_started": 0.0, "finished": 100.0}.get(status)

    def credits_amount(self, now: float) -> float:
        """Return what it costs: its price, or 0 once it failed."""
        return 0.0 if self.status(now) == "failed" else self.price

    def has_file(self, now: float) -> bool:
        """Tell whether its file exists."""
        return self.status(now) == "finished" and now < self.ends_at + FILE_LIFETIME
