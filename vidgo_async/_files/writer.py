"""From the event loop to the disk: blocking steps in threads, and bytes written while more come."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVarTuple

import anyio
import attrs

from vidgo_async._core.concurrency import Threads, mark_retrieved, run_shielded, wait_shielded
from vidgo_async._core.errors import DownloadError
from vidgo_async._core.models import MediaFile

_Args = TypeVarTuple("_Args")

PIECE = 1024 * 1024
"""Bytes that are written at a time, since each write re-acquires the GIL."""
MAX_WAITING = 7
"""Pieces that may wait for the disk; with its last chunk a piece has less than 3 MiB."""


@attrs.frozen(eq=False, repr=False)
class Disk:
    """Where one file is written: runs the steps in threads, and names the file in errors."""

    threads: Threads
    file: MediaFile
    destination: Path

    async def run(self, func: Callable[[*_Args], None], *args: *_Args) -> None:
        """Run a blocking step to its end, and only then let a cancellation through.

        Raises:
            DownloadError: The disk refuses.
        """
        try:
            await run_shielded(self.threads.run(func, *args))
        except OSError as error:
            msg = f"could not write {self.destination}: {error.strerror or error}"
            raise DownloadError(msg, self.file) from error


class BackgroundWriter:
    """Writes in the background, in order, what is added; leaving the context waits for its end.

    Leaving it by an exception drops what is not written yet, and no other error replaces that
    exception.
    """

    def __init__(self, disk: Disk, write: Callable[[list[bytes]], None]) -> None:
        self._disk = disk
        self._write = write
        self._chunks: list[bytes] = []
        self._size = 0
        self._sender, self._receiver = anyio.create_memory_object_stream[list[bytes]](MAX_WAITING)
        self._task: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._write_all())
        return self

    async def add(self, chunk: bytes) -> None:
        """Take bytes; wait only where they come faster than the disk takes them.

        Raises:
            DownloadError: The disk refuses.
        """
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size >= PIECE:
            await self._flush()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                await self._flush()
        finally:
            self._sender.close()
            await wait_shielded({self._task})
            mark_retrieved(self._task)
        if kind is None:
            self._task.result()

    async def _flush(self) -> None:
        chunks, self._chunks, self._size = self._chunks, [], 0
        try:
            try:
                # Without a pause where there is room: bytes that the loop received are lost with
                # the connection, should that break off before they are taken.
                self._sender.send_nowait(chunks)
            except anyio.WouldBlock:
                await self._sender.send(chunks)
        except anyio.BrokenResourceError:  # the disk refused an earlier piece
            await wait_shielded({self._task})
            self._task.result()

    async def _write_all(self) -> None:
        with self._receiver:
            async for chunks in self._receiver:
                pieces = [chunks]  # all that wait: to call a thread takes as long as to write one
                with contextlib.suppress(anyio.WouldBlock, anyio.EndOfStream):
                    while True:
                        pieces.append(self._receiver.receive_nowait())
                await self._disk.run(self._write_pieces, pieces)

    def _write_pieces(self, pieces: list[list[bytes]]) -> None:
        for chunks in pieces:
            self._write(chunks)
