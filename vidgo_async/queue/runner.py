"""One entry of a queue, run to its end: at least once in, at most once out."""

import asyncio
import os
from pathlib import Path
from typing import Protocol

import attrs

from vidgo_async._core.concurrency import Threads
from vidgo_async._core.errors import (
    JournalError,
    NotSentError,
    RateLimitError,
    ServerError,
    SessionClosedError,
    TaskTimeoutError,
    TransportError,
    VidgoError,
)
from vidgo_async._core.models import Request, Task
from vidgo_async._files.part_file import try_folder
from vidgo_async._generation.breaker import is_final
from vidgo_async._generation.records import RequestLog
from vidgo_async.journal.entries import EntryState
from vidgo_async.queue.ledger import Ledger
from vidgo_async.queue.rows import Row, TakenError
from vidgo_async.queue.senders import Sender

RETRY_INTERVAL = 1.0
"""Seconds to wait for an entry that another process is just sending."""

PASSING = (TransportError, RateLimitError, ServerError, NotSentError, SessionClosedError)
"""Errors that say nothing of the request: it stays as it is, to be tried again."""


@attrs.frozen(kw_only=True)
class RunOptions:
    """How an entry is run; see `VidgoSession.generate`."""

    timeout: float | None
    download_to: str | os.PathLike[str] | None


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
        self._threads = Threads()

    async def check_folder(self, options: RunOptions) -> None:
        """Try out where files are to be saved.

        Raises:
            OSError: It takes no files.
        """
        if options.download_to is not None:
            await self._threads.run(try_folder, Path(options.download_to))

    async def run(self, vidgo: Session, entry_id: int, options: RunOptions) -> Task:
        """Run one to its end, from wherever it is.

        Raises:
            VidgoError: As in `VidgoSession.generate`; what is final is written down.
        """
        row = await self.row(entry_id, options)
        if row is None:
            msg = f"there is no entry {entry_id}"
            raise JournalError(msg)
        return await self.go_on(vidgo, row, options)

    async def row(self, entry_id: int, options: RunOptions) -> Row | None:
        """Return an entry as it is now; None if it is not there any more."""
        saves = options.download_to is not None
        return await self._ledger.row(entry_id, owner=self._sender, saves=saves)

    async def go_on(self, vidgo: Session, row: Row, options: RunOptions) -> Task:
        """Run an entry to its end, from where it is."""
        await self._sender.show()
        while True:
            await self._wait_for_others(row)
            if row.state is not EntryState.SENDING:
                try:
                    return await self._generate(vidgo, row, options)
                except TakenError:
                    pass
            found = await self.row(row.fields.id, options)
            if found is None:
                msg = f"entry {row.fields.id} was deleted"
                raise JournalError(msg)
            row = found

    async def _wait_for_others(self, row: Row) -> None:
        """Give another process that sends it a second, unless it is dead.

        Raises:
            SubmissionUnknownError: Only the user can tell.
            APIError: The server refused it before.
        """
        if row.state is EntryState.SENDING and not await row.is_lost(self._sender.dead_after):
            await asyncio.sleep(RETRY_INTERVAL)
        elif row.state in {EntryState.UNKNOWN, EntryState.REFUSED}:
            raise row.error or JournalError(f"entry {row.fields.id} is {row.state}")

    async def _generate(self, vidgo: Session, row: Row, options: RunOptions) -> Task:
        try:
            task = await vidgo.generate(
                row.request,
                timeout=options.timeout,
                journal=row,
                download_to=options.download_to,
            )
            await row.settle(task)
        except VidgoError as error:
            was_not_sent = isinstance(error, TaskTimeoutError) and error.task is None
            if not (is_final(error) or was_not_sent or isinstance(error, PASSING)):
                await row.cannot(error)
            raise
        except Exception as error:
            if isinstance(error, OSError):
                await self.check_folder(options)  # whose fault is not the entry's
            await row.cannot(VidgoError.wrapping(error))
            raise
        return task
