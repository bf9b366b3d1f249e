"""One batch on a journal."""

import os
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from vidgo_async._core.concurrency import Closing
from vidgo_async._core.models import Request
from vidgo_async.journal.journal import Journal

if TYPE_CHECKING:
    from vidgo_async.journal.rows import Row

JournalOrPath = Journal | str | os.PathLike[str]
"""An open journal, or the path of one to open for a batch."""


class Run:
    """One batch on a journal: opened for it, or the caller's, which stays open."""

    def __init__(self, journal: JournalOrPath, base_url: str, api_key: str) -> None:
        self._is_own = not isinstance(journal, Journal)
        self.journal: Journal = journal if isinstance(journal, Journal) else Journal(journal)
        self._origin = (base_url, api_key)
        self._has_begun = False
        self._rows: dict[int, Row] = {}
        """Of a journal that is resumed, by the identity of their requests."""
        self._closing = Closing(self._close)

    async def open(self) -> None:
        """Open the journal for this batch.

        Raises:
            JournalError: It cannot be used, or not by this session, or has a batch under way.
        """
        if self._is_own:
            await self.journal.__aenter__()
        ledger = self.journal.ledger
        self.journal.begin_batch()
        self._has_begun = True
        await ledger.bind(*self._origin)

    async def claim(self, request: Request) -> "Row":
        """Return the row of a request."""
        row = self._rows.pop(id(request), None)
        return row or await self.journal.ledger.claim(request)

    async def requests(self) -> AsyncGenerator[Request]:
        """Give the requests of all rows, in their order."""
        async for row in self.journal.ledger.rows():
            self._rows[id(row.request)] = row
            yield row.request

    async def close(self) -> None:
        """Close it, once all POSTs are written down; may be called again."""
        await self._closing.wait()

    async def _close(self) -> None:
        if self._has_begun:
            self._has_begun = False
            self.journal.end_batch()
        if self._is_own:
            await self.journal.aclose()
