"""One entry of a queue, run to its end: at least once in, at most once out."""

import asyncio
import os
from typing import Protocol

from vidgo_async._core.errors import (
    JournalError,
    NotSentError,
    RateLimitError,
    ServerError,
    SessionClosedError,
    TransportError,
    VidgoError,
)
from vidgo_async._core.models import Request, Task
from vidgo_async._generation.records import RequestLog
from vidgo_async.journal.entries import EntryState
from vidgo_async.queue.ledger import Ledger
from vidgo_async.queue.rows import Row, TakenError
from vidgo_async.queue.senders import Sender

LOOK_AGAIN = 1.0
"""Seconds to wait for an entry that another process is just sending."""

PASSING = (TransportError, RateLimitError, ServerError, NotSentError, SessionClosedError)
"""Errors that say nothing of the request: it stays as it is, to be tried again."""


class Session(Protocol):
    """What a queue needs of a `VidgoSession`."""

    async def generate(
        self,
        request: Request,
        *,
        timeout: float | None,
        journal: RequestLog | None,
        download_to: str | os.PathLike[str] | None,
    ) -> Task:
        """Buy one task, and wait until it finished."""
        ...

    def hint(self, task_id: str) -> bool:
        """Poll a task at once that is said to have ended."""
        ...


class Runner:
    """Runs entries, each step of which is written down."""

    def __init__(self, ledger: Ledger, sender: Sender) -> None:
        self._ledger = ledger
        self._sender = sender

    async def run(
        self,
        vidgo: Session,
        entry_id: int,
        *,
        timeout: float | None,
        download_to: str | os.PathLike[str] | None,
    ) -> Task:
        """Run one to its end, from wherever it is.

        Raises:
            VidgoError: As in `VidgoSession.generate`; what is final is written down.
        """
        await self._sender.show()
        while True:
            row = await self.ready(entry_id, saves=download_to is not None)
            try:
                return await vidgo.generate(
                    row.request, timeout=timeout, journal=row, download_to=download_to
                )
            except TakenError:
                continue
            except (*PASSING, JournalError):
                raise
            except VidgoError as error:
                await row.cannot(error)
                raise
            except (OSError, ValueError, TypeError) as error:  # of a picture, or of the folder
                await row.cannot(VidgoError.wrapping(error))
                raise

    async def ready(self, entry_id: int, *, saves: bool) -> Row:
        """Return an entry that this process may go on with.

        Raises:
            SubmissionUnknownError: Only the user can tell.
            APIError: The server refused it before.
            JournalError: There is no such entry.
        """
        while True:
            row = await self._ledger.row(entry_id, owner=self._sender.id, saves=saves)
            if row.state is EntryState.SENDING:
                if not await row.is_lost(self._sender.dead_after):
                    await asyncio.sleep(LOOK_AGAIN)
                continue
            if row.state in {EntryState.UNKNOWN, EntryState.REFUSED}:
                raise row.error or JournalError(f"entry {entry_id} is {row.state}")
            return row
