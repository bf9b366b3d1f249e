"""`Journal`: what was bought for a batch, in a file, so that no run buys it again."""

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from vidgo_async._core.errors import JournalError
from vidgo_async._core.models import Request
from vidgo_async.journal.entries import Entry, EntryState

if TYPE_CHECKING:
    from vidgo_async.journal.ledger import Ledger
    from vidgo_async.journal.rows import Row

_closings: "set[asyncio.Task[None]]" = set()
"""Journals that are being closed: asyncio itself keeps no task alive."""


class Journal:
    """A file in which a batch is written down, so that it goes on after a crash.

    One process may have it open at a time. It must lie on a local disk.

    Example:
        async with Journal("foxes.vidgo") as journal:
            for entry in await journal.entries(state="unknown"):
                print(entry.request, entry.changed_at)
                await journal.adopt(entry, "task-unified-...")  # found in the console: go on with it
    """

    def __init__(self, path: str | os.PathLike[str], *, new_key: bool = False) -> None:
        """Name the file; `async with` opens it, or makes it.

        Args:
            path: The file; others of that name, with endings, lie beside it.
            new_key: Go on with a journal whose API key was changed since.
        """
        self.path: Path = Path(path)
        self._new_key = new_key
        self._ledger: Ledger | None = None
        self._has_batch = False
        self._closing: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Journal {self.path}>"

    async def __aenter__(self) -> Self:
        # Imported late: only a journal needs SQLite.
        from vidgo_async.journal.ledger import Ledger  # noqa: PLC0415

        if self._ledger is not None:
            msg = f"the journal {self.path} is open already"
            raise JournalError(msg)
        ledger = Ledger(self.path, new_key=self._new_key)
        await ledger.open()
        self._ledger = ledger
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the file, once the POSTs in flight are written down; it may be called again.

        A caller that is cancelled meanwhile leaves at once; closing goes on in the background.
        """
        if self._ledger is None:
            return
        if self._closing is None or self._closing.cancelled():  # by other code: begun anew
            self._closing = asyncio.create_task(self._close(self._ledger))
            _closings.add(self._closing)
            self._closing.add_done_callback(_closings.discard)
        await asyncio.shield(self._closing)

    async def _close(self, ledger: "Ledger") -> None:
        await ledger.close()
        self._ledger = self._closing = None

    async def entries(self, state: str | None = None) -> list[Entry]:
        """Return all entries, or those in a state, in the order of their first reading.

        Raises:
            ValueError: There is no such state.
            JournalError: The file cannot be read, or is not open.
        """
        return await self.ledger.entries(None if state is None else EntryState(state))

    async def count_new(self, requests: Iterable[Request]) -> int:
        """Count the requests that a batch would buy; the others were bought before.

        Failed ones are bought anew, as by default. Pictures are read, and nothing is sent.

        Raises:
            OSError: A picture is not there, or cannot be read.
            JournalError: The file cannot be read, or is not open.
        """
        return await self.ledger.count_new(requests)

    async def adopt(self, entry: Entry, task_id: str) -> None:
        """Go on with a task that was found for an entry whose outcome is unknown.

        A wrong id can be corrected, until a poll has seen the task.

        Raises:
            JournalError: The entry is not `unknown`, or of another journal.
            ValueError: The id is empty.
        """
        task_id = task_id.strip()
        if not task_id:
            msg = "the task id is empty"
            raise ValueError(msg)
        await self.ledger.adopt(entry, task_id)

    async def forget(self, entry: Entry) -> None:
        """Let the next run send an entry whose outcome is unknown: no task was found for it.

        Raises:
            JournalError: The entry is not `unknown`, or of another journal.
        """
        await self.ledger.forget(entry)

    # --- For a session ----------------------------------------------------------------------

    @property
    def ledger(self) -> "Ledger":
        """Its rows.

        Raises:
            JournalError: It is not open.
        """
        if self._ledger is None:
            msg = f"the journal {self.path} is not open: use `async with Journal(path) as journal:`"
            raise JournalError(msg)
        return self._ledger

    async def record(self, request: Request, base_url: str, api_key: str) -> "Row":
        """Return the row of a request, for one server and account.

        Raises:
            JournalError: It is not open, or for another server or account.
        """
        await self.ledger.bind(base_url, api_key)
        return await self.ledger.claim(request)

    def begin_batch(self) -> None:
        """Refuse a second batch at once: each would take the other's requests for its own.

        Raises:
            JournalError: There is one.
        """
        if self._has_batch:
            msg = f"the journal {self.path} has a batch under way: give each one of its own"
            raise JournalError(msg)
        self._has_batch = True

    def end_batch(self) -> None:
        """Let another batch begin."""
        self._has_batch = False
