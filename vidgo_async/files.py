"""Fetching what was made: streamed, off the event loop, never half a file."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import anyio.to_thread
import attrs

from vidgo_async.endurance import see_through
from vidgo_async.errors import DownloadError, TransportError
from vidgo_async.tasks import MediaFile
from vidgo_async.transport import Stream, Transport

OnProgress = Callable[[int, int | None], object]
"""Called with the bytes so far and the bytes in all, where the server said how many."""


@attrs.define(eq=False, repr=False)
class _Partial:
    """A file in the making, beside its destination; its methods block, so threads call them."""

    destination: Path
    overwrite: bool
    _path: Path = attrs.field(init=False)
    _sink: BinaryIO = attrs.field(init=False)
    _undo: contextlib.ExitStack = attrs.field(init=False, factory=contextlib.ExitStack)

    def open(self) -> None:
        """Begin, if there is a place to write to."""
        if self.destination.is_dir():
            raise IsADirectoryError(None, "it is a folder; name the file to write")
        if not self.overwrite and self.destination.exists():
            raise FileExistsError(None, "it exists; pass overwrite=True to replace it")
        self._path = self.destination.with_name(f".{os.urandom(8).hex()}.part")
        self._undo.callback(self._path.unlink, missing_ok=True)
        self._sink = self._undo.enter_context(self._path.open("xb"))

    def write(self, chunk: bytes) -> None:
        """Add bytes."""
        self._sink.write(chunk)

    def publish(self) -> None:
        """Give the whole file its name."""
        self._sink.flush()
        os.fsync(self._sink.fileno())
        self._sink.close()
        if not self.overwrite and self.destination.exists():
            raise FileExistsError(None, "it appeared meanwhile; pass overwrite=True to replace it")
        self._path.replace(self.destination)

    def discard(self) -> None:
        """Leave nothing behind."""
        self._undo.close()


@attrs.define(eq=False, repr=False)
class Files:
    """Downloads, at most so many at once."""

    transport: Transport
    _room: asyncio.Semaphore

    async def download(
        self,
        file: MediaFile,
        destination: Path,
        *,
        overwrite: bool,
        on_progress: OnProgress | None,
    ) -> Path:
        """Fetch a file to a temporary name beside `destination`, and rename it when whole.

        Raises:
            DownloadError: It could not be fetched or written; nothing half is left.
        """
        if not file.file_url.startswith(("http://", "https://")):
            msg = f"not an http(s) address: {file.file_url[:200]!r}"
            raise DownloadError(msg, file)
        try:
            async with self._room:
                await self._fetch(file, _Partial(destination, overwrite), on_progress)
        except TransportError as error:
            msg = f"could not fetch {file.file_url}: {error}"
            raise DownloadError(msg, file) from error
        except OSError as error:
            msg = f"could not write {destination}: {error.strerror or error}"
            raise DownloadError(msg, file) from error
        return destination

    async def _fetch(
        self, file: MediaFile, partial: _Partial, on_progress: OnProgress | None
    ) -> None:
        try:
            await _in_a_thread(partial.open)
            with contextlib.closing(await self.transport.open(file.file_url)) as stream:
                await _copy(_good(stream, file), partial, on_progress)
            await _in_a_thread(partial.publish)
        except BaseException:
            await _in_a_thread(partial.discard)
            raise


async def _in_a_thread(work: Callable[..., None], *args: object) -> None:
    """Do blocking work off the loop; a cancelled caller leaves only when it is done."""
    task = asyncio.create_task(anyio.to_thread.run_sync(work, *args))
    await see_through({task})
    task.result()


def _good(stream: Stream, file: MediaFile) -> Stream:
    if stream.status == 200:  # noqa: PLR2004 - HTTP's OK
        return stream
    msg = f"{file.file_url} answered {stream.status}; links die 24 hours after the task ended"
    raise DownloadError(msg, file)


async def _copy(stream: Stream, partial: _Partial, on_progress: OnProgress | None) -> None:
    done = 0
    while chunk := await stream.read():
        await _in_a_thread(partial.write, chunk)
        done += len(chunk)
        if on_progress is not None:
            on_progress(done, stream.length)
