"""What the program prints about tasks, and where it saves their files."""

import functools
import itertools
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from vidgo_async._core.errors import (
    DownloadError,
    NotFoundError,
    SubmissionUnknownError,
    TaskFailedError,
    VidgoError,
)
from vidgo_async._core.models import MediaFile, Task
from vidgo_async._files.downloads import save_files
from vidgo_async._generation.outcome import Outcome
from vidgo_async.cli.console import print_line, print_table
from vidgo_async.cli.unsaved import Unsaved
from vidgo_async.journal import Entry

Download = Callable[[MediaFile, Path], Awaitable[Path]]
"""Saves a file to a path: `VidgoSession.download`."""
HEADER = ("file", "seconds", "task id")


class Report:
    """Prints states and failures as they happen, saves files, and sums up at the end."""

    def __init__(self, out: Path, *, in_sandbox: bool = False) -> None:
        self.failed: int = 0
        self._out = out
        self._unsaved = Unsaved(out, in_sandbox=in_sandbox)
        self._started: dict[str, float] = {}
        self._states: dict[str, str] = {}
        self._rows: list[tuple[str, str, str]] = []

    # --- Tasks ------------------------------------------------------------------------------

    def add_unsaved(self, task_id: str) -> None:
        """Record a task that was paid for."""
        self._unsaved.add(task_id)
        self._started.setdefault(task_id, time.monotonic())

    def add_unclaimed(self, unclaimed: Iterable[Task | SubmissionUnknownError]) -> None:
        """Record what the session bought and did not return."""
        for purchase in unclaimed:
            if isinstance(purchase, SubmissionUnknownError):
                self._unsaved.add_unknown(purchase)
            else:
                self.on_update(purchase)

    def on_update(self, task: Task) -> None:
        """Print a line if the task's state changed."""
        if task.task_id not in self._started:
            self.add_unsaved(task.task_id)
        if self._states.get(task.task_id) != task.status:
            self._states[task.task_id] = task.status
            self.print(f"{task.task_id}: {task.status}")
        if task.failed:
            self._unsaved.remove(task.task_id)  # its credits are given back

    def add_saved(self, outcome: Outcome) -> None:
        """Add the rows of one request of a batch that saved its files itself."""
        if outcome.error is not None:
            self._add_failed(outcome.error, outcome)
            return
        for path in outcome.paths:
            self._add_row(str(path), outcome.task.task_id)
        self._unsaved.remove(outcome.task.task_id)

    async def save_outcome(self, download: Download, outcome: Outcome) -> None:
        """Save the files of one request of a batch, or print why there are none."""
        if outcome.error is None:
            await self.save(download, outcome.task)
        else:
            self._add_failed(outcome.error, outcome)

    async def save(self, download: Download, task: Task) -> None:
        """Save the files of a task that ended; one that is lost does not stop the others."""
        if task.failed:
            self.add_failure(task.task_id, TaskFailedError(task))
            return
        if not task.files:
            self.failed += 1
            self._add_row("finished without a file", task.task_id)
        results = await save_files(task, self._out, functools.partial(_download, download))
        for result in results:
            if isinstance(result, Path):
                self._add_row(str(result), task.task_id)
            else:
                self.add_failure(task.task_id, result)
        if all(isinstance(result, Path) for result in results):
            self._unsaved.remove(task.task_id)

    def _add_failed(self, error: VidgoError, outcome: Outcome) -> None:
        self.add_failure(error.task_id, error, about=about(outcome))

    # --- Failures ---------------------------------------------------------------------------

    def add_failure(self, task_id: str | None, error: VidgoError, about: str | None = None) -> None:
        """Print an error about a request, and add a row to the table."""
        self._add_row("failed", task_id)
        self.print_error(about or str(task_id), error)
        if isinstance(error, SubmissionUnknownError):
            self._unsaved.add_unknown(error)
        if isinstance(error, NotFoundError) and task_id is not None:
            self._unsaved.remove(task_id)

    def print_error(self, about: str, error: Exception) -> None:
        """Print an error, and count it."""
        self.failed += 1
        text = str(error).removeprefix(f"task {about}: ")  # once is enough
        print_line(sys.stderr, f"{about}: {text}")

    # --- Output -----------------------------------------------------------------------------

    def print(self, line: str) -> None:
        """Print a line on standard output."""
        print_line(sys.stdout, line)

    def print_entry(self, entry: Entry) -> None:
        """Print a line about an entry of a journal or a queue."""
        task_id = "-" if entry.task is None else entry.task.task_id
        prompt = str(entry.request.input.get("prompt", entry.request.model))
        self.print(f"{entry.id:>5}  {entry.state:<8}  {task_id:<40}  {prompt[:60]}")

    def close(self) -> None:
        """Print the table, and what is paid for and not saved."""
        if self._rows:
            print_table(sys.stdout, [HEADER, *self._rows])
        for line in self._unsaved.lines():
            print_line(sys.stderr, line)

    def _add_row(self, result: str, task_id: str | None) -> None:
        started = self._started.get(task_id or "")
        seconds = "-" if started is None else f"{time.monotonic() - started:.1f}"
        self._rows.append((result, seconds, task_id or "-"))


def about(outcome: Outcome) -> str:
    """Return what an outcome is about: its task, or the prompt of its request."""
    if outcome.error is None:
        return outcome.task.task_id
    request = outcome.request
    return outcome.error.task_id or repr(request.input.get("prompt", request.model))


async def _download(download: Download, file: MediaFile, path: Path) -> Path:
    """Download a file; where another run left one of that name, take `name-2.mp4` and so on."""
    free = path
    numbers = itertools.count(2)
    while True:
        try:
            return await download(file, free)
        except DownloadError as error:
            if not isinstance(error.__cause__, FileExistsError):
                raise
        free = path.with_name(f"{path.stem}-{next(numbers)}{path.suffix}")
