"""The rate limit of uploads: 5 in any minute, for the whole session."""

import asyncio

from vidgo_async._core.concurrency import now

LIMIT = 5
"""Uploads in any minute that the API takes of a key; no more than these are under way either."""
WINDOW = 60.0
"""Seconds of that minute."""


class UploadLimiter:
    """Permits for uploads: first come, first served.

    An upload holds its permit until a minute after its end, because the server may have counted
    it at any moment before.
    """

    def __init__(self) -> None:
        self._permits = asyncio.Semaphore(LIMIT)
        self._queue = asyncio.Lock()
        self._resumes_at = 0.0
        """The loop's time before which no upload is sent."""

    async def acquire(self) -> None:
        """Wait for a permit, and for the end of a pause."""
        async with self._queue:
            await self._permits.acquire()
            try:
                while (left := self._resumes_at - now()) > 0:  # noqa: ASYNC110 - it may grow
                    await asyncio.sleep(left)
            except BaseException:
                self._permits.release()
                raise

    def release(self, *, counts: bool) -> None:
        """Give the permit back: in a minute, or at once if the server got no request."""
        if counts:
            asyncio.get_running_loop().call_later(WINDOW, self._permits.release)
        else:
            self._permits.release()

    def pause(self, seconds: float) -> None:
        """Send no upload for so long, after a 429."""
        self._resumes_at = max(self._resumes_at, now() + seconds)
