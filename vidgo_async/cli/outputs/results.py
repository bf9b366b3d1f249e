"""What became of the rows of a run: results, failures, and the summary."""

import shlex
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs

from vidgo_async._core.errors import (
    AuthenticationError,
    InsufficientCreditsError,
    NotFoundError,
    SubmissionUnknownError,
)
from vidgo_async._core.models import Task
from vidgo_async._generation.outcome import Failure, Outcome, Pending, Success
from vidgo_async._generation.outcome_record import outcome_record, seconds_since_submit, state_of
from vidgo_async.cli.inputs.names import NameTemplate
from vidgo_async.cli.inputs.rows import Row
from vidgo_async.cli.outputs.console import count_of
from vidgo_async.cli.outputs.failed_rows import FailedRows
from vidgo_async.cli.outputs.report import Report
from vidgo_async.cli.running.money import Spending

SAVED, FAILED, UNSAVED, UNKNOWN = "saved", "failed", "unsaved", "unknown"
"""States of outcomes."""
LOST, LEFT, EARLIER = "lost", "left", "earlier"
"""Further states of rows: a task that the server does not know any more; what was read when the run was
left, and perhaps sent; what was not read, and an earlier run bought."""


class Results:
    """Takes the outcomes of a run, and tells of them."""

    def __init__(
        self, rows: Sequence[Row], template: NameTemplate, folder: Path, report: Report
    ) -> None:
        self.spending: Spending = Spending()
        self.rows = rows
        self._template = template
        self._folder = folder
        self._root = folder.absolute()
        self._report = report
        self._states: dict[int, str] = {}
        """By the place of the row."""
        self._tasks = set[str]()
        """Whose row is known."""
        self._recalled = 0
        """Tasks that an earlier run had bought."""
        self._advice: dict[str, None] = {}
        self._run = datetime.now(UTC).isoformat()

    def name(self, pending: Pending) -> str:
        """Name the files of a finished task."""
        task_id = "" if pending.task is None else pending.task.task_id
        return self._stem(pending.index, task_id)

    def add_paid(self, task: Task) -> None:
        """Take note of a task that is paid for, unless it failed."""
        self._report.add_paid(task)
        self.spending.add_paid(task)

    def add(self, outcome: Outcome) -> None:
        """Take an outcome."""
        task, error = outcome.task, outcome.error
        self.spending.add(outcome)
        if task is not None:
            self._tasks.add(task.task_id)
            self._recalled += not self.spending.is_new(task)
        state = state_of(error, task)
        if state is None:
            return
        self._states[outcome.index] = state
        if isinstance(outcome, Success):
            self._report.unsaved.remove(outcome.task.task_id)
        else:
            self._add_error(outcome)
        self._print(outcome)

    def _add_error(self, outcome: Failure) -> None:
        error = outcome.error
        if isinstance(error, SubmissionUnknownError):
            self._report.unsaved.add_unknown(error)
        if isinstance(error, NotFoundError) and outcome.task is not None:
            self._report.unsaved.remove(outcome.task.task_id)
            self._states[outcome.index] = LOST
        if isinstance(error, InsufficientCreditsError):
            self._advice["the credits are used up: buy some, and go on"] = None
        if isinstance(error, AuthenticationError):
            self._advice["the key is refused: set VIDGO_API_KEY to another, and go on"] = None

    def add_earlier(self, task_ids: Iterable[str]) -> None:
        """Take note of tasks of these rows that earlier runs paid for, and did not save."""
        for task_id in task_ids:
            self._report.unsaved.add(task_id)
            self._tasks.add(task_id)

    def skip(self, indices: Iterable[int]) -> None:
        """Take note of rows that were not read, and that an earlier run bought."""
        self._states |= dict.fromkeys(indices, EARLIER)

    def leave(self, pendings: Iterable[Pending]) -> None:
        """Take note of what was read and has no outcome as the run is left."""
        for pending in pendings:
            is_paid = pending.task is not None and not pending.task.failed
            self._states[pending.index] = UNSAVED if is_paid else LEFT
            if pending.task is not None:
                self._tasks.add(pending.task.task_id)

    def _print(self, outcome: Outcome) -> None:
        console = self._report.console
        if console.is_json:
            task = outcome.task
            is_new = task is not None and self.spending.is_new(task)
            seconds = seconds_since_submit(task) if task is not None and is_new else None
            record = outcome_record(outcome, self._shown, run=self._run, seconds=seconds)
            console.result("", record or {})
        else:
            for path in outcome.paths:
                console.result(self._shown(path), {})

    def _shown(self, path: Path) -> str:
        """Return a path as one that is saved now: a journal has it from the root of the disk."""
        is_here = path.is_relative_to(self._root)
        return str(self._folder / path.relative_to(self._root) if is_here else path)

    # --- At the end -------------------------------------------------------------------------

    @property
    def is_complete(self) -> bool:
        """Whether every row has its files."""
        return self._count(SAVED) == len(self.rows)

    @property
    def not_sent(self) -> int:
        """How many rows were not sent, and cost nothing."""
        unsaved = self._report.unsaved
        # What was left is bought where an answer came after that.
        late = len({*unsaved.task_ids} - self._tasks) + unsaved.unknown - self._count(UNKNOWN)
        left = max(0, self._count(LEFT) - late)
        return len(self.rows) - len(self._states) + left

    def _count(self, state: str) -> int:
        return sum(each == state for each in self._states.values())

    def write_failed(self, source: Path | None, *, has_journal: bool) -> None:
        """Write the failed rows.

        Args:
            source: The file that the rows came from, if any.
            has_journal: Whether a row that is paid for is not bought again.
        """
        file = FailedRows(self._folder)
        states: set[str | None] = {FAILED}
        if file.is_same_as(source):
            states |= self._uncompleted(has_journal=has_journal)
        again = [index for index in range(len(self.rows)) if self._states.get(index) in states]
        try:
            file.replace([self._named(index) for index in again], self.rows)
        except (OSError, ValueError) as error:
            if again:
                self._report.console.error(f"{file.path} was not written: {error}")

    def _uncompleted(self, *, has_journal: bool) -> set[str | None]:
        """Return the states of rows that a run may have again without buying twice."""
        if has_journal:
            return {None, LEFT, UNSAVED, UNKNOWN, EARLIER}
        unsaved = self._report.unsaved
        is_clear = not unsaved.unknown and self._tasks.issuperset(unsaved.task_ids)
        return {None, LEFT} if is_clear else {None}

    def _named(self, index: int) -> Row:
        """Return a row that keeps the name it would have had here."""
        return attrs.evolve(self.rows[index], name=self._stem(index, "task"))

    def _stem(self, index: int, task_id: str) -> str:
        return self._template.stem(self.rows[index], index + 1, task_id)

    def lines(self, *, again: bool) -> list[str]:
        """Return the summary.

        Args:
            again: Whether the same command tries again what failed.
        """
        saved = f"{self._count(SAVED)} of {count_of(len(self.rows), 'video')} saved"
        lines = [f"{saved} in {self._folder}"]
        if self._recalled:
            known = f"{self._recalled} bought by an earlier run, and not again"
            lines.append(f"{known} (--again buys anew)")
        if failed := self._count(FAILED):
            rows = shlex.join(["--from", str(FailedRows(self._folder).path)])
            how = "the same command" if again else rows
            lines.append(f"{failed} failed, and cost nothing; try again with {how}")
        if self.not_sent:
            how = "; the same command sends them" if again else ""
            lines.append(f"{self.not_sent} not sent: nothing was bought for them{how}")
        return [*lines, *self._advice, *self.spending.lines()]

    def record(self, page: Path | None) -> dict[str, Any]:
        """Return the summary as an object of JSON."""
        unsaved = self._report.unsaved
        return {
            "summary": True,
            "requests": len(self.rows),
            "saved": self._count(SAVED),
            "failed": self._count(FAILED),
            "not_sent": self.not_sent,
            "unsaved": unsaved.task_ids,
            "unknown": unsaved.unknown,
            "credits": self.spending.credits,
            "balance_before": self.spending.before,
            "balance_after": self.spending.after,
            "page": None if page is None else str(page),
        }
