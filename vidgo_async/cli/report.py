"""What the program tells: a line for each change of state, a table, and how to go on."""

import functools
import os
import shlex
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from vidgo_async._core.errors import (
    NotFoundError,
    SubmissionUnknownError,
    TaskFailedError,
    VidgoError,
)
from vidgo_async._core.models import Request, Task
from vidgo_async._files.downloads import save_files
from vidgo_async._generation.batch import Outcome
from vidgo_async._session.session import VidgoSession

OWED = "paid for and not saved; go on with"
GONE = "gone with the sandbox; with the real API you would go on with"


class Report:
    """Saves what finished, and keeps account of what was paid for."""

    def __init__(self, out: Path, in_sandbox: bool = False) -> None:
        self.out = out
        self.in_sandbox = in_sandbox
        self.failed: int = 0
        self._started: dict[str, float] = {}
        self._states: dict[str, str] = {}
        self._owed: dict[str, None] = {}
        self._unknown: list[SubmissionUnknownError] = []
        self._rows: list[tuple[str, str, str]] = []

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
            _tell(sys.stdout, f"{task.task_id}: {task.status}")
        if task.failed:
            self._settle(task.task_id)  # its credits are given back

    async def outcome(self, vidgo: VidgoSession, outcome: Outcome) -> None:
        """Save what one request of a batch became."""
        if outcome.error is None:
            await self.task(vidgo, outcome.task)
        else:
            task_id = outcome.error.task_id
            self.failure(task_id, outcome.error, about=task_id or _prompt(outcome.request))

    async def task(self, vidgo: VidgoSession, task: Task) -> None:
        """Save the files of a task that ended; one that is lost does not stop the others."""
        if task.failed:
            self.failure(task.task_id, TaskFailedError(task))
            return
        if not task.files:
            self.failed += 1
            self._row("finished without a file", task.task_id)
        download = functools.partial(vidgo.download, overwrite=True)
        results = await save_files(task, self.out, download)
        for result in results:
            if isinstance(result, Path):
                self._row(str(result), task.task_id)
            else:
                self.failure(task.task_id, result)
        if all(isinstance(result, Path) for result in results):
            self._settle(task.task_id)

    def tell(self, line: str) -> None:
        """Say something on standard output."""
        _tell(sys.stdout, line)

    def trouble(self, about: str, error: Exception) -> None:
        """Take note of what went wrong where no task was in play."""
        self.failed += 1
        _tell(sys.stderr, f"{about}: {error}")

    def failure(self, task_id: str | None, error: VidgoError, about: str | None = None) -> None:
        """Take note of what went wrong."""
        self.failed += 1
        self._row("failed", task_id)
        text = str(error).removeprefix(f"task {task_id}: ")  # once is enough
        _tell(sys.stderr, f"{about or task_id}: {text}")
        if isinstance(error, SubmissionUnknownError):
            self._unknown.append(error)
        if isinstance(error, NotFoundError) and task_id is not None:
            self._settle(task_id)

    def leftovers(self, unclaimed: Iterable[Task | SubmissionUnknownError]) -> None:
        """Take note of what was bought and not waited for."""
        for what in unclaimed:
            if isinstance(what, SubmissionUnknownError):
                self._unknown.append(what)
            else:
                self.state(what)

    # --- The end ----------------------------------------------------------------------------

    def close(self) -> None:
        """Tell what became of everything, and how to go on."""
        self._table()
        if self._owed:
            _tell(sys.stderr, f"{GONE if self.in_sandbox else OWED}:\n  {self._wait_command()}")
        for error in self._unknown:
            _tell(sys.stderr, f"perhaps paid for, see your account: {_prompt(error.request)}")

    def _table(self) -> None:
        """Print a row for each file, and for each failure."""
        if not self._rows:
            return
        rows = [("file", "seconds", "task id"), *self._rows]
        widths = [max(len(row[column]) for row in rows) for column in range(2)]
        for file, seconds, task_id in rows:
            _tell(sys.stdout, f"{file:<{widths[0]}}  {seconds:>{widths[1]}}  {task_id}")

    def _wait_command(self) -> str:
        out = [] if self.out == Path() else ["--out", str(self.out)]
        dashes = ["--"] if any(task_id.startswith("-") for task_id in self._owed) else []
        return shlex.join(["vidgo-async", "wait", *out, *dashes, *self._owed])

    def _settle(self, task_id: str) -> None:
        """Strike a task off the list of what was paid for and not saved."""
        self._owed.pop(task_id, None)

    def _row(self, what: str, task_id: str | None) -> None:
        started = self._started.get(task_id or "")
        seconds = "-" if started is None else f"{time.monotonic() - started:.1f}"
        self._rows.append((what, seconds, task_id or "-"))


def _tell(stream: TextIO, line: str) -> None:
    """Write a line at once; where that fails go on without, since videos are worth more."""
    try:
        print(line, file=stream, flush=True)
    except UnicodeEncodeError:
        _tell(stream, line.encode("ascii", "backslashreplace").decode())
    except OSError:  # a closed pipe or a full disk: from now on nobody reads it
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), stream.fileno())


def _prompt(request: Request) -> str:
    return repr(request.input["prompt"])
