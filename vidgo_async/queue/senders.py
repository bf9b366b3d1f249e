"""Who sends requests, and is alive: a process that was not seen for a while counts as dead."""

import asyncio
import contextlib
import uuid

from vidgo_async._core.errors import JournalError
from vidgo_async.queue.database import Database
from vidgo_async.queue.statements import LEFT, LONG_GONE, SEEN

BEATS = 3
"""How often a process shows itself in the time after which it counts as dead."""


class Sender:
    """This process, as others see it."""

    def __init__(self, database: Database, dead_after: float) -> None:
        self.id: uuid.UUID = uuid.uuid4()
        self.claims: set[uuid.UUID | None] = set()
        """Of the entries that it is sending."""
        self.dead_after = dead_after
        self._database = database
        self._lock = asyncio.Lock()
        self._beating: asyncio.Task[None] | None = None

    async def show(self) -> None:
        """Be alive from now on; must be done before anything is sent."""
        async with self._lock:
            if self._beating is not None:
                return
            await self._database.run(LONG_GONE)
            await self._database.run(SEEN, {"id": self.id})
            self._beating = asyncio.create_task(self._beat())

    async def close(self) -> None:
        """Leave: what this process sends now was all answered."""
        if self._beating is None:
            return
        self._beating.cancel()
        await asyncio.wait({self._beating})
        self._beating = None
        with contextlib.suppress(JournalError):  # it will be taken for dead
            await self._database.run(LEFT, {"id": self.id})

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self.dead_after / BEATS)
            with contextlib.suppress(JournalError):  # the next one will tell
                await self._database.run(SEEN, {"id": self.id})
