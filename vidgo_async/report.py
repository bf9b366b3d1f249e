"""What the program tells: a line for each change of state, a table, and how to go on."""

import re
import shlex
import sys
import time
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urlsplit

import attrs

from vidgo_async.batch import Outcome
from vidgo_async.errors import (
    NotFoundError,
    SubmissionUnknownError,
    TaskFailedError,
    VidgoError,
)
from vidgo_async.session import VidgoSession
from vidgo_async.tasks import MediaFile, Task


@attrs.define(eq=False)
class Report:
    """Saves what finished, and keeps account of what was paid for."""

    out: Path
    failed: int = 0
    _started: dict[str, float] = attrs.field(init=False, factory=dict[str, float])
    _states: dict[str, str] = attrs.field(init=False, factory=dict[str, str])
    _owed: dict[str, None] = attrs.field(init=False, factory=dict[str, None])
    _unknown: list[SubmissionUnknownError] = attrs.field(
        init=False, factory=list[SubmissionUnknownError]
    )
    _rows: list[tuple[str, str, str]] = attrs.field(init=False, factory=list[tuple[str, str, str]])

    # --- What happens -----------------------------------------------------------------------

    def expect(self, task_id: str) -> None:
        """Take note of a task that was paid for."""
        self._owed[task_id] = None
        self._started.setdefault(task_id, time.monotonic())

    def state(self, task: Task) -> None:
        """Say so when a task's state changed."""
        if task.task_id not in self._started:
            self.expect(task.task_id)
        if self._states.get(task.task_id) != task.status:
            self._states[task.task_id] = task.status
            _say(f"{task.task_id}: {task.status}")

    async def outcome(self, vidgo: VidgoSession, outcome: Outcome) -> None:
        """Save what one request of a batch became."""
        if outcome.task is not None and outcome.ok:
            await self.task(vidgo, outcome.task)
        elif outcome.error is not None:
            self.failure(outcome.error.task_id, outcome.error)

    async def task(self, vidgo: VidgoSession, task: Task) -> None:
        """Save the files of a task that ended."""
        try:
            if task.failed:
                raise TaskFailedError(task)
            for number, file in enumerate(task.files, start=1):
                path = self.out / _file_name(task, file, number)
                await vidgo.download(file, path, overwrite=True)
                self._row(str(path), task.task_id)
        except VidgoError as error:
            self.failure(task.task_id, error)
            return
        del self._owed[task.task_id]
        if not task.files:
            self.failed += 1
            self._row("finished without a file", task.task_id)

    def failure(self, task_id: str | None, error: VidgoError) -> None:
        """Take note of what went wrong."""
        self.failed += 1
        self._row("failed", task_id)
        sys.stderr.write(f"{task_id or 'not submitted'}: {error}\n")
        if isinstance(error, SubmissionUnknownError):
            self._unknown.append(error)
        if task_id is not None and isinstance(error, TaskFailedError | NotFoundError):
            self._owed.pop(task_id, None)

    def leftovers(self, unclaimed: Iterable[Task | SubmissionUnknownError]) -> None:
        """Take note of what was bought and not waited for."""
        for what in unclaimed:
            if isinstance(what, SubmissionUnknownError):
                self._unknown.append(what)
            elif not what.failed:
                self.expect(what.task_id)

    # --- The end ----------------------------------------------------------------------------

    def table(self) -> None:
        """Print a row for each file, and for each failure."""
        if not self._rows:
            return
        rows = [("file", "seconds", "task id"), *self._rows]
        widths = [max(len(row[column]) for row in rows) for column in range(2)]
        for file, seconds, task_id in rows:
            _say(f"{file:<{widths[0]}}  {seconds:>{widths[1]}}  {task_id}")

    def how_to_go_on(self) -> None:
        """Name what is still running, or not saved, and paid for."""
        if self._owed:
            ids = " ".join(shlex.quote(task_id) for task_id in self._owed)
            _say(f"paid for and not saved; go on with:\n  vidgo-async wait {ids}")
        if self._unknown:
            _say(f"{len(self._unknown)} submits may have bought a task that nobody knows of")

    def _row(self, what: str, task_id: str | None) -> None:
        started = self._started.get(task_id or "")
        seconds = "-" if started is None else f"{time.monotonic() - started:.1f}"
        self._rows.append((what, seconds, task_id or "-"))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()  # somebody is watching, perhaps through a pipe


def _file_name(task: Task, file: MediaFile, number: int) -> str:
    """Name a file after its task; the quoting keeps distinct ids distinct, and harmless."""
    suffix = PurePosixPath(urlsplit(file.file_url).path).suffix
    if not re.fullmatch(r"\.[A-Za-z0-9]{1,5}", suffix):
        suffix = ".png" if file.file_type == "image" else ".mp4"
    count = f"-{number}" if len(task.files) > 1 else ""
    return f"{quote(task.task_id, safe='')}{count}{suffix}"
