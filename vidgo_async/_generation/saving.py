"""Saving the files of a task, unless that was done before."""

from pathlib import Path

from vidgo_async._core.models import Task
from vidgo_async._files.downloads import Folder
from vidgo_async._generation.records import RequestRecord, note


async def save(
    folder: Folder | None, task: Task, record: RequestRecord | None, stem: str | None = None
) -> tuple[Path, ...]:
    """Save the files of a finished task, unless they are there; write down where they are."""
    if record is not None and await record.has_files():
        return record.paths
    if folder is None:
        return ()
    paths = await folder.save(task, stem, keep=record is not None)
    if record is not None:
        await note(record.saved(paths))
    return paths
