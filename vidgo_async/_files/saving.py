"""Saving what a task made into a folder, a few files at once."""

import asyncio
from pathlib import Path

import anyio.to_thread

from vidgo_async._core.errors import DownloadError
from vidgo_async._core.models import Task
from vidgo_async._files.downloads import Downloads
from vidgo_async._files.filenames import file_name

AT_ONCE = 4
"""Downloads of one batch at a time; they use no slot of `max_concurrent_requests`."""


class Folder:
    """A folder that files of tasks are saved to."""

    def __init__(self, path: Path, files: Downloads) -> None:
        self.path = path
        self._files = files
        self._room = asyncio.Semaphore(AT_ONCE)

    async def open(self) -> None:
        """Make the folder, before anything is bought.

        Raises:
            OSError: It cannot be made, or it is a file.
        """
        await anyio.to_thread.run_sync(lambda: self.path.mkdir(parents=True, exist_ok=True))

    async def save(self, task: Task) -> tuple[Path, ...]:
        """Download all files of a finished task, one after the other.

        Raises:
            DownloadError: One could not be fetched or written; it carries the task.
        """
        return tuple([await self._save(task, index) for index in range(len(task.files))])

    async def _save(self, task: Task, index: int) -> Path:
        file = task.files[index]
        try:
            async with self._room:
                return await self._files.download(
                    file,
                    self.path / file_name(file, index + 1),
                    overwrite=False,
                    on_progress=None,
                )
        except DownloadError as error:
            error.about(task)
            raise
