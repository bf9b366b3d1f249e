"""Between the event loop and the disk: blocking work in threads, and written by the piece."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import anyio.to_thread

from vidgo_async._core.concurrency import run_shielded, wait_shielded
from vidgo_async._core.errors import DownloadError
from vidgo_async._core.models import MediaFile

PIECE = 1024 * 1024
"""Bytes that are gathered before they are written."""
MOST = 8 * PIECE
"""Bytes that may wait for the disk."""


async def on_disk(
    work: Callable[..., None], *args: object, file: MediaFile, destination: Path
) -> None:
    """Do blocking work off the loop; a cancelled caller leaves only when it is done.

    Raises:
        DownloadError: The disk refuses.
    """
    try:
        await run_shielded(anyio.to_thread.run_sync(work, *args))
    except OSError as error:
        msg = f"could not write {destination}: {error.strerror or error}"
        raise DownloadError(msg, file) from error


class Pen:
    """Writes in a thread, in order, and takes more meanwhile.

    The thread goes on with what came while it wrote: to call one takes longer than to write a
    piece. Only it takes bytes out, and only the loop puts them in.
    """

    def __init__(
        self,
        sink: Callable[[list[bytes]], None],
        on_disk: Callable[[Callable[[], None]], Coroutine[Any, Any, None]],
    ) -> None:
        self._sink = sink
        self._on_disk = on_disk
        self._chunks = deque[bytes]()
        self._added = 0
        self._written = 0
        self._writing: asyncio.Task[None] | None = None

    async def add(self, chunk: bytes) -> None:
        """Take bytes; wait only where the disk is slower than they come."""
        self._chunks.append(chunk)
        self._added += len(chunk)
        held = self._added - self._written
        is_idle = self._writing is None or self._writing.done()
        if held >= MOST or (held >= PIECE and is_idle):
            await self._settle()
            self._writing = asyncio.create_task(self._on_disk(self._drain))

    async def close(self) -> None:
        """Wait until all is written."""
        await self._settle()
        await self._on_disk(self._drain)

    def _drain(self) -> None:
        while self._chunks:
            chunks = [self._chunks.popleft()]
            size = len(chunks[0])
            while size < PIECE and self._chunks:
                chunks.append(self._chunks.popleft())
                size += len(chunks[-1])
            self._sink(chunks)
            self._written += size

    async def _settle(self) -> None:
        if self._writing is not None:
            writing, self._writing = self._writing, None
            await wait_shielded({writing})
            writing.result()
