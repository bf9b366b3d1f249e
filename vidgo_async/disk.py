"""Between the event loop and the disk: blocking work in threads, and written by the piece."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import anyio.to_thread

from vidgo_async.endurance import see_through
from vidgo_async.errors import DownloadError
from vidgo_async.tasks import MediaFile

PIECE = 4 * 1024 * 1024
"""Bytes that are gathered for one trip to the disk."""


async def on_disk(
    work: Callable[..., None], *args: object, file: MediaFile, destination: Path
) -> None:
    """Do blocking work off the loop; a cancelled caller leaves only when it is done.

    Raises:
        DownloadError: The disk refuses.
    """
    task = asyncio.create_task(anyio.to_thread.run_sync(work, *args))
    await see_through({task})
    try:
        task.result()
    except OSError as error:
        msg = f"could not write {destination}: {error.strerror or error}"
        raise DownloadError(msg, file) from error


class Pen:
    """Writes piece by piece: while one is being written, the next is gathered."""

    def __init__(self, write: Callable[[list[bytes]], Coroutine[Any, Any, None]]) -> None:
        self._write = write
        self._chunks: list[bytes] = []
        self._gathered = 0
        self._writing: asyncio.Task[None] | None = None

    async def add(self, chunk: bytes) -> None:
        """Take bytes; wait only where the disk is slower than they come."""
        self._chunks.append(chunk)
        self._gathered += len(chunk)
        if self._gathered >= PIECE:
            await self._flush()

    async def close(self) -> None:
        """Write what was gathered, and wait until all is written."""
        await self._flush()
        await self._settle()

    async def _flush(self) -> None:
        await self._settle()
        chunks, self._chunks, self._gathered = self._chunks, [], 0
        self._writing = asyncio.create_task(self._write(chunks))

    async def _settle(self) -> None:
        if self._writing is not None:
            writing, self._writing = self._writing, None
            await see_through({writing})
            writing.result()
