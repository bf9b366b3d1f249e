"""Downloads: streamed, off the event loop, and never half a file under its final name."""

import asyncio
import os
import weakref
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from vidgo_async._core.concurrency import now
from vidgo_async._core.deadlines import Deadline
from vidgo_async._core.errors import DownloadError
from vidgo_async._core.models import MediaFile, Task
from vidgo_async._files.filenames import file_name, suffix_of
from vidgo_async._files.links import is_web, shown
from vidgo_async._files.outcome_log import OutcomeLog
from vidgo_async._files.part_file import PartFile, try_folder
from vidgo_async._files.resumable import OnProgress, ResumableDownload, Services
from vidgo_async._files.writer import Disk

SEPARATORS = tuple({"/", os.sep})
"""The end of a path that is meant to be a folder."""
MAX_SAVING = 4
"""Downloads of one folder at a time; they use no permit of `max_concurrent_requests`."""


class Permits:
    """What a download must hold to receive: a connection, and perhaps a place in its folder.

    It is given back while the download waits for its next try, so that links that do not work
    delay no other.
    """

    def __init__(self, *semaphores: asyncio.Semaphore) -> None:
        self._semaphores = semaphores
        self._held: list[asyncio.Semaphore] = []

    async def __aenter__(self) -> Self:
        await self._acquire()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._release()

    async def pause(self, seconds: float) -> None:
        """Sleep without them, and acquire them again."""
        self._release()
        await asyncio.sleep(seconds)
        await self._acquire()

    async def _acquire(self) -> None:
        for semaphore in self._semaphores:
            await semaphore.acquire()
            self._held.append(semaphore)

    def _release(self) -> None:
        while self._held:
            self._held.pop().release()


class _Target:
    """The path that a file is written to."""

    def __init__(self, destination: str | os.PathLike[str]) -> None:
        self.path = Path(destination)
        self.key: str
        """Equal for all spellings of the path."""
        self._is_folder = os.fspath(destination).endswith(SEPARATORS)

    def resolve(self, file: MediaFile) -> None:
        """Name the file, if the path is a folder or is to be one; blocks."""
        if self._is_folder:
            self.path.mkdir(parents=True, exist_ok=True)
        if self.path.is_dir():
            self.path /= file_name(file)
        self.key = os.path.normcase(Path(os.path.realpath(self.path.parent), self.path.name))


class Downloads:
    """Downloads: bounded by the connections, and one at a time to each destination."""

    def __init__(self, services: Services, connections: asyncio.Semaphore) -> None:
        self.services = services
        self._connections = connections
        """The connections that uploads and downloads share."""
        self._locks = weakref.WeakValueDictionary[str, asyncio.Lock]()

    async def download(
        self,
        file: MediaFile,
        destination: str | os.PathLike[str],
        *,
        overwrite: bool,
        on_progress: OnProgress | None = None,
        place: asyncio.Semaphore | None = None,
    ) -> Path:
        """Receive a file under a temporary name beside its destination; rename it when complete.

        Args:
            file: The file.
            destination: Where to; in a folder it gets the name of its task.
            overwrite: Whether an existing file may be replaced.
            on_progress: Called on the loop with the bytes so far, and in all.
            place: What it must hold beside a connection, while it receives.

        Raises:
            DownloadError: It could not be fetched or written; no half file stays.
        """
        if not is_web(file.file_url):
            msg = f"not an http(s) address: {shown(file.file_url)!r}"
            raise DownloadError(msg, file)
        target = _Target(destination)
        threads = self.services.threads
        await Disk(threads, file, target.path).run(target.resolve, file)
        lock = self._locks.setdefault(target.key, asyncio.Lock())
        permits = Permits(*([place] if place else []), self._connections)
        async with lock, permits:
            disk = Disk(threads, file, target.path)
            part = PartFile(target.path, overwrite)
            download = ResumableDownload(self.services, disk, part, on_progress, permits.pause)
            await self._run(download)
        return target.path

    async def _run(self, download: ResumableDownload) -> None:
        """Run a download; whatever happens, no part file stays."""
        disk, part = download.disk, download.part
        try:
            await disk.run(part.check)
            await self._within_timeout(download)
            await disk.run(part.publish)
        except BaseException:
            await disk.run(part.discard)
            raise

    async def _within_timeout(self, download: ResumableDownload) -> None:
        """Run a download, for as long as one may take."""
        timeout = self.services.timeout
        if timeout is None:
            await download.run()
            return
        scope = Deadline(timeout, self.services.timer)
        try:
            with scope:
                await download.run()
        except TimeoutError as error:
            if now() < scope.due:  # what `on_progress` raised
                raise
            msg = (
                f"could not fetch {shown(download.file.file_url)}: "
                f"not complete within {timeout:g} s (download_timeout){download.last_problem}"
            )
            raise DownloadError(msg, download.file) from error


# --- The files of tasks ---------------------------------------------------------------------


Download = Callable[[MediaFile, Path], Awaitable[Path]]
"""Saves a file to a path, unless one of that name is there."""


async def save_files(
    task: Task, save: Callable[[MediaFile, int], Awaitable[Path]]
) -> list[Path | DownloadError]:
    """Save all files of a task, one after the other; one that fails stops no other.

    Args:
        task: A finished task.
        save: Saves a file, given with its number from 1.

    Returns:
        For each file its path, or the error, which carries the task.
    """
    results = list[Path | DownloadError]()
    for number, file in enumerate(task.files, 1):
        try:
            results.append(await save(file, number))
        except DownloadError as error:
            error.about(task)
            # As data it needs no traceback, which would hold this frame and so itself.
            results.append(error.with_traceback(None))
    return results


async def save_free(download: Download, file: MediaFile, path: Path, number: int = 1) -> Path:
    """Save a file under a name that no file has: `name.mp4`, `name-2.mp4` and so on.

    Args:
        download: Saves a file to a path.
        file: The file.
        path: Its name without a number.
        number: The first number to try; 1 is none.

    Raises:
        DownloadError: It could not be saved.
    """
    count = number
    while True:
        free = path if count == 1 else path.with_name(f"{path.stem}-{count}{path.suffix}")
        try:
            return await download(file, free)
        except DownloadError as error:
            if not isinstance(error.__cause__, FileExistsError):
                raise
        count += 1


def _with_suffix(stem: str, file: MediaFile) -> str:
    """Return the name of a file; a name that was given with its suffix has it once."""
    suffix = suffix_of(file)
    return stem if stem.lower().endswith(suffix.lower()) else f"{stem}{suffix}"


class Folder:
    """A folder that the files of finished tasks are saved in, with a log of all outcomes."""

    def __init__(self, path: Path, downloads: Downloads) -> None:
        self.path = path
        self.root: Path = path
        """The same from the root of the disk, once it is open: a journal names files so."""
        self.log: OutcomeLog = OutcomeLog(path, downloads.services.threads)
        self._downloads = downloads
        self._semaphore = asyncio.Semaphore(MAX_SAVING)
        self._numbers: dict[str, int] = {}
        """The next number of names that more than one file has."""

    async def open(self) -> None:
        """Make the folder and try it out, before anything is bought.

        Raises:
            OSError: It cannot be made, is a file, or takes no files; the error names it.
        """
        self.root = await self._downloads.services.threads.run(try_folder, self.path)

    def name_of(self, path: Path) -> str:
        """Return how the log names a file: from here on, or in full where it lies elsewhere."""
        root = self.root if path.is_absolute() else self.path
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)

    async def save(
        self, task: Task, stem: str | None = None, *, keep: bool = False
    ) -> tuple[Path, ...]:
        """Download all files of a task.

        Args:
            task: A finished task.
            stem: Their name, without a suffix; what is there already is kept, and the new one gets a
                number. By default the id of the task.
            keep: Whether a file that is named by the task and is there already counts: it has its
                final name, so it is whole.

        Raises:
            DownloadError: One could not be saved; the others were, or it is the first of several.
                Or there is none: then the error's `file` has no address.
        """
        if not task.files:
            msg = f"task {task.task_id} finished without a file"
            raise DownloadError(msg, MediaFile("", task_id=task.task_id), task)
        paths = list[Path]()
        for result in await save_files(task, self._saver(stem, keep=keep)):
            if isinstance(result, DownloadError):
                raise result
            paths.append(result)
        return tuple(paths)

    def _saver(
        self, stem: str | None, *, keep: bool
    ) -> Callable[[MediaFile, int], Awaitable[Path]]:
        """Return what saves a file under the name that it is to have."""
        if stem is not None:
            return lambda file, number: self._save_named(file, stem, number)
        download = self._keep if keep else self._download
        return lambda file, number: download(file, self.path / file_name(file, number))

    async def _save_named(self, file: MediaFile, stem: str, number: int) -> Path:
        """Save a file under a name, or the next of its numbers; equal names do not wait."""
        name = _with_suffix(stem, file)
        key = name.casefold()
        first = max(number, self._numbers.get(key, 1))
        self._numbers[key] = first + 1
        try:
            return await save_free(self._download, file, self.path / name, first)
        finally:
            if first == number and self._numbers[key] == first + 1:  # no other has this name
                del self._numbers[key]

    async def _download(self, file: MediaFile, path: Path) -> Path:
        return await self._downloads.download(file, path, overwrite=False, place=self._semaphore)

    async def _keep(self, file: MediaFile, path: Path) -> Path:
        if await self._downloads.services.threads.run(path.is_file):
            return path
        try:
            return await self._download(file, path)
        except DownloadError as error:
            if isinstance(error.__cause__, FileExistsError):  # another saved it meanwhile
                return path
            raise
