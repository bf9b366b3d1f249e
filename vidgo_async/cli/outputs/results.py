"""What became of the rows of a run: results, failures, `failed.jsonl`, and the summary."""

import contextlib
import shlex
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs

from vidgo_async._core.errors import NotFoundError, SubmissionUnknownError
from vidgo_async._generation.outcome import Outcome, Pending, Success
from vidgo_async._generation.outcome_record import outcome_record, seconds_since_submit, state_of
from vidgo_async.cli.inputs.names import NameTemplate
from vidgo_async.cli.inputs.rows import Row, dump_row
from vidgo_async.cli.inputs.tables import Problem, read_records
from vidgo_async.cli.outputs.console import count_of
from vidgo_async.cli.outputs.report import Report
from vidgo_async.cli.running.money import Spending

FAILED_ROWS = "failed.jsonl"
"""Its name in the folder: the failed rows, as `--from` takes them."""


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
        self._states = Counter[str]()
        self._failed: list[int] = []
        """Rows that failed, and cost nothing."""
        self._recalled = 0
        """Tasks that an earlier run had bought."""
        self._run = datetime.now(UTC).isoformat()

    def name(self, pending: Pending) -> str:
        """Name the files of a finished task."""
        task_id = "" if pending.task is None else pending.task.task_id
        return self._stem(pending.index, task_id)

    def add(self, outcome: Outcome) -> None:
        """Take an outcome."""
        task, error = outcome.task, outcome.error
        state = state_of(error, task)
        self.spending.add(outcome)
        self._recalled += task is not None and not self.spending.is_new(task)
        if state is None:
            return
        self._states[state] += 1
        if isinstance(outcome, Success):
            self._report.unsaved.remove(outcome.task.task_id)
        if isinstance(error, SubmissionUnknownError):
            self._report.unsaved.add_unknown(error)
        if isinstance(error, NotFoundError) and task is not None:
            self._report.unsaved.remove(task.task_id)
        if state == "failed":
            self._failed.append(outcome.index)
        self._print(outcome)

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
        return self._states["saved"] == len(self.rows)

    @property
    def not_sent(self) -> int:
        """How many rows were not sent, and cost nothing."""
        return len(self.rows) - self._states.total()

    def write_failed(self) -> None:
        """Write the failed rows; remove those of an earlier run where none failed now."""
        file = self._folder / FAILED_ROWS
        with contextlib.suppress(OSError):
            if self._failed:
                lines = [dump_row(self._named(index)) + "\n" for index in sorted(self._failed)]
                file.write_text("".join(lines), encoding="utf-8")
            elif _are_rows(file):
                file.unlink()

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
        saved = f"{self._states['saved']} of {count_of(len(self.rows), 'video')} saved"
        lines = [f"{saved} in {self._folder}"]
        if self._recalled:
            known = f"{self._recalled} bought by an earlier run, and not again"
            lines.append(f"{known} (--again buys anew)")
        if self._failed:
            rows = shlex.join(["--from", str(self._folder / FAILED_ROWS)])
            how = "the same command" if again else rows
            lines.append(f"{len(self._failed)} failed, and cost nothing; try again with {how}")
        if self.not_sent:
            lines.append(f"{self.not_sent} not sent: nothing was bought for them")
        return [*lines, self.spending.line()]

    def record(self, page: Path | None) -> dict[str, Any]:
        """Return the summary as an object of JSON."""
        return {
            "summary": True,
            "requests": len(self.rows),
            "saved": self._states["saved"],
            "failed": len(self._failed),
            "not_sent": self.not_sent,
            "unsaved": self._report.unsaved.task_ids,
            "unknown": self._states["unknown"],
            "credits": self.spending.credits,
            "balance_before": self.spending.before,
            "balance_after": self.spending.after,
            "page": None if page is None else str(page),
        }


def _are_rows(file: Path) -> bool:
    """Tell whether a file holds rows, so that it is one of ours."""
    if not file.is_file():
        return False
    return not any(
        isinstance(each, Problem) for each in read_records(file.read_bytes(), file.suffix)
    )
