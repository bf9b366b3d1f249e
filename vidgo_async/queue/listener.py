"""What other processes tell through the database: outcomes, and ends that were reported."""

import asyncio
import contextlib
from collections.abc import Callable, Generator

from psycopg import sql

from vidgo_async.queue.database import AWAY, Database
from vidgo_async.queue.statements import HINTS, OUTCOMES

RECONNECT = 1.0
"""Seconds between two tries to listen again."""

OnPayload = Callable[[str | None], None]
"""Called with what was told; with None where something may have been missed."""


class Listener:
    """One connection that listens, for all who want to know; it is made when the first does."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._subscribers: dict[str, list[OnPayload]] = {}
        self._task: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def subscribed(self, channel: str, on_payload: OnPayload) -> Generator[None]:
        """Call a function with each payload of a channel, for as long as the block lasts."""
        of_channel = self._subscribers.setdefault(channel, [])
        of_channel.append(on_payload)
        if self._task is None:
            self._task = asyncio.create_task(self._listen())
        try:
            yield
        finally:
            of_channel.remove(on_payload)

    async def close(self) -> None:
        """Listen no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    async def _listen(self) -> None:
        while True:
            with contextlib.suppress(*AWAY):
                async with await self._database.connect() as connection:
                    for channel in (HINTS, OUTCOMES):
                        listen = sql.SQL("LISTEN {}").format(sql.Identifier(channel))
                        await connection.execute(listen)
                    for channel in self._subscribers:
                        self._tell(channel, None)
                    async for notification in connection.notifies():
                        self._tell(notification.channel, notification.payload)
            await asyncio.sleep(RECONNECT)

    def _tell(self, channel: str, payload: str | None) -> None:
        for on_payload in list(self._subscribers.get(channel, ())):
            on_payload(payload)
