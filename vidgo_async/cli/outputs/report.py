"""What a command has to tell: failures, what is paid for and not saved, and its exit status."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidgo_async._core.errors import (
    NotFoundError,
    SubmissionUnknownError,
    TaskFailedError,
    VidgoError,
)
from vidgo_async._core.models import Task
from vidgo_async._files.filenames import file_name
from vidgo_async._generation.outcome import Outcome
from vidgo_async.cli.outputs.console import Console
from vidgo_async.cli.outputs.folders import TaskFolder
from vidgo_async.cli.outputs.unsaved import Unsaved

if TYPE_CHECKING:
    from vidgo_async._files.downloads import Download

OK, FAILED, USAGE, UNSAVED = 0, 1, 2, 3
"""Exit statuses; after a signal it is 128 and the signal's number."""


class Report:
    """Tells what happens, and sums up at the end."""

    def __init__(self, console: Console, out: Path = Path(), *, in_sandbox: bool = False) -> None:
        self.console = console
        self.failed: int = 0
        self.unsaved: Unsaved = Unsaved(out, in_sandbox=in_sandbox)
        self._out = out
        self._folder = TaskFolder(out, console)
        self._states: dict[str, str] = {}

    @property
    def status(self) -> int:
        """The exit status, where no signal came."""
        if self.unsaved:
            return UNSAVED
        return FAILED if self.failed else OK

    # --- Tasks ------------------------------------------------------------------------------

    def add_unclaimed(self, unclaimed: Iterable[Task | SubmissionUnknownError]) -> None:
        """Record what the session bought and did not return."""
        for purchase in unclaimed:
            if isinstance(purchase, SubmissionUnknownError):
                self.unsaved.add_unknown(purchase)
            else:
                self.add_paid(purchase)

    def add_paid(self, task: Task) -> None:
        """Record a task that was paid for; the credits of a failed one are given back."""
        if task.failed:
            self.unsaved.remove(task.task_id)
        else:
            self.unsaved.add(task.task_id)

    def on_update(self, task: Task) -> None:
        """Tell of a task if its state changed."""
        self.add_paid(task)
        if self._states.get(task.task_id) != task.status:
            self._states[task.task_id] = task.status
            self.console.say(f"{task.task_id}: {task.status}")

    async def save(self, download: "Download", task: Task) -> None:
        """Save the files of a task that ended; one that is lost does not stop the others."""
        from vidgo_async._files.downloads import save_files, save_free  # noqa: PLC0415 - aiohttp

        if task.failed:
            self.add_failure(task.task_id, TaskFailedError(task))
            await self._folder.add(task, ())
            return
        if not task.files:
            self.add_failure(task.task_id, VidgoError("finished without a file"))
        results = await save_files(
            task,
            lambda file, number: save_free(download, file, self._out / file_name(file, number)),
        )
        paths = [result for result in results if isinstance(result, Path)]
        for path in paths:
            self.console.result(str(path), task_record(task, [path]))
        for result in results:
            if not isinstance(result, Path):
                self.add_failure(task.task_id, result)
        if len(paths) == len(results):
            self.unsaved.remove(task.task_id)
            await self._folder.add(task, paths)

    async def write_page(self) -> None:
        """Write the page of the folder anew, if it has a log."""
        await self._folder.finish()

    # --- Failures ---------------------------------------------------------------------------

    def add_failure(self, task_id: str, error: VidgoError) -> None:
        """Tell of an error of a task."""
        self.print_error(task_id, error)
        if isinstance(error, NotFoundError):
            self.unsaved.remove(task_id)

    def print_error(self, about: str, error: Exception) -> None:
        """Tell of an error, and count it."""
        self.failed += 1
        text = str(error).removeprefix(f"task {about}: ")  # once is enough
        self.console.error(f"{about}: {text}")

    # --- Output -----------------------------------------------------------------------------

    def close(self) -> None:
        """Print what is paid for and not saved."""
        for line in self.unsaved.lines():
            self.console.error(line)


def about(outcome: Outcome) -> str:
    """Return what an outcome is about: its task, or the prompt of its request."""
    if outcome.error is None:
        return outcome.task.task_id
    request = outcome.request
    return outcome.error.task_id or repr(request.input.get("prompt", request.model))


def task_record(task: Task, paths: Iterable[Path] = ()) -> Mapping[str, Any]:
    """Return a task as an object of JSON."""
    return {
        "task_id": task.task_id,
        "status": task.status,
        "progress": task.progress,
        "credits": task.credits,
        "files": [str(path) for path in paths],
        "error": task.error_message,
    }
