"""Fetching what was made: streamed, off the event loop, never half a file."""

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.to_thread
import attrs

from vidgo_async.errors import DownloadError, TransportError
from vidgo_async.tasks import MediaFile
from vidgo_async.transport import Stream, Transport

OnProgress = Callable[[int, int | None], object]
"""Called with the bytes so far and the bytes in all, where the server said how many."""


@attrs.define(eq=False)
class Files:
    """Downloads, at most so many at once."""

    transport: Transport
    _limiter: anyio.CapacityLimiter

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
            async with self._limiter:
                await _check_destination(file, destination, overwrite=overwrite)
                await self._fetch(file, destination, on_progress)
        except TransportError as error:
            msg = f"could not fetch {file.file_url}: {error}"
            raise DownloadError(msg, file) from error
        except OSError as error:
            msg = f"could not write {destination}: {error.strerror or error}"
            raise DownloadError(msg, file) from error
        return destination

    async def _fetch(
        self, file: MediaFile, destination: Path, on_progress: OnProgress | None
    ) -> None:
        partial = destination.with_name(f".{destination.name[:100]}.{secrets.token_hex(4)}.part")
        try:
            async with await anyio.open_file(partial, "xb") as sink:
                with contextlib.closing(await self.transport.open(file.file_url)) as stream:
                    await _copy(_good(stream, file), sink, on_progress)
                await sink.flush()
                await anyio.to_thread.run_sync(os.fsync, sink.wrapped.fileno())
            await anyio.Path(partial).replace(destination)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await anyio.Path(partial).unlink(missing_ok=True)
            raise


async def _check_destination(file: MediaFile, destination: Path, *, overwrite: bool) -> None:
    if await anyio.Path(destination).is_dir():
        msg = f"{destination} is a folder; name the file to write"
        raise DownloadError(msg, file)
    if not overwrite and await anyio.Path(destination).exists():
        msg = f"{destination} exists; pass overwrite=True to replace it"
        raise DownloadError(msg, file)


def _good(stream: Stream, file: MediaFile) -> Stream:
    if stream.status == 200:  # noqa: PLR2004 - HTTP's OK
        return stream
    msg = f"{file.file_url} answered {stream.status}; links die 24 hours after the task ended"
    raise DownloadError(msg, file)


async def _copy(
    stream: Stream, sink: anyio.AsyncFile[bytes], on_progress: OnProgress | None
) -> None:
    done = 0
    while chunk := await stream.read():
        await sink.write(chunk)
        done += len(chunk)
        if on_progress is not None:
            on_progress(done, stream.length)
