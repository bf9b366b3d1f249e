"""The pace of uploads: 5 in any minute, whoever asks."""

import asyncio
import contextlib
from collections import deque

LIMIT = 5
"""Uploads in any minute that the API takes of a key; no more than these are under way either."""
WINDOW = 60.0
"""Seconds of that minute."""


class UploadLimiter:
    """Who may send when: first come, first served, and no more than the API allows.

    A request counts from its end, because the server may have counted it at any moment before.
    """

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        """How many may be under way."""
        self._under_way = 0
        self._recent: deque[float] = deque()
        """The loop's times from which on each request of the last minute no longer counts."""
        self._not_before = 0.0
        self._queue = asyncio.Lock()
        self._changed = asyncio.Event()

    async def enter(self) -> None:
        """Wait for the turn to send; whoever got it gives it back with `leave`."""
        async with self._queue:
            while not self._is_free(now := _now()):
                self._changed.clear()
                later = self._next_chance(now)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(later):
                        await self._changed.wait()
            self._under_way += 1

    def leave(self, *, counts: bool) -> None:
        """Give the turn back; one that certainly never reached the server counts for nothing."""
        self._under_way -= 1
        if counts:
            self._recent.append(_now() + WINDOW)
        self._changed.set()

    def refuse(self, seconds: float) -> None:
        """Let nobody in for so long, after a 429."""
        self._not_before = max(self._not_before, _now() + seconds)

    def _is_free(self, now: float) -> bool:
        while self._recent and self._recent[0] <= now:
            self._recent.popleft()
        room = self._under_way < self.at_once and self._under_way + len(self._recent) < LIMIT
        return room and now >= self._not_before

    def _next_chance(self, now: float) -> float | None:
        """Return the loop's time at which it may be free; None if somebody has to leave first."""
        if now < self._not_before:
            return self._not_before
        return self._recent[0] if self._recent and self._under_way < self.at_once else None


def _now() -> float:
    return asyncio.get_running_loop().time()
