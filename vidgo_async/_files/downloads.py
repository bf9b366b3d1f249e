"""Downloads: streamed, off the event loop, and never half a file under its final name."""

import asyncio
import os
import weakref
from collections.abc import Awaitable, Callable
from pathlib import Path

from vidgo_async._core.errors import DownloadError
from vidgo_async._core.models import MediaFile, Task
from vidgo_async._core.retry import Backoff
from vidgo_async._files.filenames import file_name
from vidgo_async._files.http import FileHosts
from vidgo_async._files.part_file import Partial
from vidgo_async._files.resumable import WEB, OnProgress, Transfer
from vidgo_async._files.writer import on_disk

SEPARATORS = tuple({"/", os.sep})
"""What a path ends with that is meant to be a folder."""


class _Place:
    """Where a file is to be written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.key: str
        """The same for all ways to spell it."""

    def settle(self, file: MediaFile, destination: str) -> None:
        """Find out whether it is a folder, or make it one; blocks."""
        if destination.endswith(SEPARATORS):
            self.path.mkdir(parents=True, exist_ok=True)
        if self.path.is_dir():
            self.path /= file_name(file)
        self.key = os.path.normcase(Path(os.path.realpath(self.path.parent), self.path.name))


class Downloads:
    """Downloads, at most so many at once, and one at a time to each destination."""

    def __init__(
        self,
        hosts: FileHosts,
        connections: asyncio.Semaphore,
        backoff: Backoff,
        look: Callable[[str], Awaitable[Task]],
    ) -> None:
        self.hosts = hosts
        self._connections = connections
        self._backoff = backoff
        self._look = look
        self._turns = weakref.WeakValueDictionary[str, asyncio.Lock]()

    async def download(
        self,
        file: MediaFile,
        destination: str | os.PathLike[str],
        *,
        overwrite: bool,
        on_progress: OnProgress | None,
    ) -> Path:
        """Fetch a file to a temporary name beside its destination, and rename it when whole.

        Args:
            file: The file.
            destination: Where to; in a folder it gets the name of its task.
            overwrite: Whether an existing file may be replaced.
            on_progress: Called on the loop with the bytes so far, and in all.

        Raises:
            DownloadError: It could not be fetched or written; nothing half is left.
        """
        if not file.file_url.startswith(WEB):
            msg = f"not an http(s) address: {file.file_url[:200]!r}"
            raise DownloadError(msg, file)
        place = _Place(Path(destination))
        await on_disk(place.settle, file, os.fspath(destination), file=file, destination=place.path)
        turn = self._turns.setdefault(place.key, asyncio.Lock())
        async with turn, self._connections:
            await self._fetch(file, Partial(place.path, overwrite), on_progress)
        return place.path

    async def _fetch(
        self, file: MediaFile, partial: Partial, on_progress: OnProgress | None
    ) -> None:
        transfer = Transfer(file, partial, on_progress, self.hosts, self._backoff, self._look)
        try:
            await transfer.write(partial.open)
            await transfer.run()
            await transfer.write(partial.publish)
        except BaseException:
            await transfer.write(partial.discard)
            raise
