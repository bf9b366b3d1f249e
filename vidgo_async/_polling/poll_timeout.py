"""How long to wait for the answer to a look while others wait for its place.

A hung look may hold its place for ten seconds. As long as nobody needs the place that is fine;
else the oldest look gives way once it took clearly longer than answers take. What "long" means is
learned from the answers themselves, as TCP learns its retransmission timeout (RFC 6298), so that
a server that is merely slow is not cut short for ever.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

LEAST = 1.0
"""Seconds that every look gets, however fast answers are."""
FACTOR = 4.0
"""How many times longer than usual a look may take."""
GROWTH = 1.05
"""How much longer "usual" gets with each look that had to give way: a few hung ones must not
make everybody wait, and a slow server is understood after a few dozen."""
WEIGHT = 0.2
"""How much the newest answer counts against all before."""

_Value = TypeVar("_Value")


class Patience:
    """Follows the looks that are under way, and hurries the oldest when asked to."""

    def __init__(self, most: float) -> None:
        self.most = most
        """Seconds after which a look is given up anyway."""
        self._usual = LEAST / FACTOR
        self._looks: dict[asyncio.Timeout, float] = {}
        """When each began, the oldest first."""
        self._timer: asyncio.TimerHandle | None = None
        """Rings when the oldest look has lasted for too long; one for each would cost much more."""
        self._loop = asyncio.get_running_loop()

    async def see(self, look: Callable[[asyncio.Timeout], Awaitable[_Value]]) -> _Value:
        """Wait for a look, as long as nobody needs its place.

        Args:
            look: Begins the look, which enters the scope at once.
        """
        scope = asyncio.timeout(None)
        self._looks[scope] = started = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_at(started + self.most, self._give_up)
        try:
            answer = await look(scope)
        finally:
            del self._looks[scope]
            if scope.expired():
                self._usual = min(GROWTH * self._usual, self.most / FACTOR)
        self._usual += WEIGHT * (self._loop.time() - started - self._usual)
        return answer

    def hurry(self) -> None:
        """Let the look that has been under way for longest give way when its time is up."""
        oldest = next(iter(self._looks.items()), None)
        if oldest is None or oldest[0].when() is not None:
            return
        scope, started = oldest
        due = started + max(LEAST, FACTOR * self._usual)
        scope.reschedule(max(due, self._loop.time()))

    def close(self) -> None:
        """Watch over nothing any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _give_up(self) -> None:
        """End what has lasted for too long, and come back for the next."""
        self._timer = None
        for scope, started in self._looks.items():
            due = started + self.most
            if due > self._loop.time():
                self._timer = self._loop.call_at(due, self._give_up)
                return
            if scope.when() is None:
                scope.reschedule(self._loop.time())
