"""Running a batch of rows: the view of it, its outcomes, and what ends it early."""

import webbrowser
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from vidgo_async._core.errors import NotSentError, VidgoError
from vidgo_async._core.models import Request, Task
from vidgo_async._generation.batch import Batch
from vidgo_async._generation.outcome import Outcome
from vidgo_async._session.session import VidgoSession
from vidgo_async.cli.inputs.rows import row_of_request
from vidgo_async.cli.options import Pace
from vidgo_async.cli.outputs.folders import page_of
from vidgo_async.cli.outputs.report import Report
from vidgo_async.cli.outputs.results import Results
from vidgo_async.cli.running.journals import RunJournal
from vidgo_async.cli.running.money import Budget, balance_of
from vidgo_async.progress.modes import Mode
from vidgo_async.progress.view import View


class BatchRun:
    """One batch of the program, from its first request to its page."""

    def __init__(
        self,
        results: Results,
        report: Report,
        folder: Path,
        pace: Pace,
        *,
        journal: RunJournal,
        max_credits: float | None = None,
        resumes: bool = False,
    ) -> None:
        """Begin a batch.

        Args:
            results: Takes its outcomes; holds its rows.
            report: Tells of what is paid for.
            folder: Where files are saved.
            pace: How much at a time, how long, and how it is shown.
            journal: Where it is written down, if it is.
            max_credits: What it may cost.
            resumes: Whether its rows are those of the journal.
        """
        self._results = results
        self._report = report
        self._console = report.console
        self._folder = folder
        self._pace = pace
        self._journal = journal
        self._max_credits = max_credits
        self._resumes = resumes
        self._budget: Budget | None = None
        self._batch: Batch | None = None
        self._is_stopped = False
        self._page: Path | None = None

    async def run(self, vidgo: VidgoSession) -> None:
        """Run it to its end."""
        spending = self._results.spending
        spending.before = await balance_of(vidgo)
        if self._max_credits is not None:
            self._budget = self._new_budget(vidgo, self._max_credits)
        self._batch = await self._new_batch(vidgo)
        await self._take(self._batch)
        spending.after = await balance_of(vidgo)

    def _new_budget(self, vidgo: VidgoSession, limit: float) -> Budget:
        if self._results.spending.before is None:
            msg = "--max-credits needs the balance, which the server does not tell"
            raise VidgoError(msg)
        ask = lambda: balance_of(vidgo)  # noqa: E731
        return Budget(limit, self._results.spending, ask, self._console.error)

    async def _new_batch(self, vidgo: VidgoSession) -> Batch:
        options: dict[str, Any] = {
            "max_in_flight": self._pace.max_in_flight,
            "timeout": self._pace.timeout,
            "on_update": self._on_update,
            "retries": self._pace.retries,
            "download_to": self._folder,
            "name": self._results.name,
        }
        journal = self._journal.journal
        if self._resumes and journal is not None:
            entries = await journal.entries()
            self._results.rows = [row_of_request(entry.request) for entry in entries]
            return vidgo.resume(journal, **options)
        return vidgo.generate_many(self._requests(), journal=journal, **options)

    async def _requests(self) -> AsyncGenerator[Request]:
        for row in self._results.rows:
            if self._budget is not None and not await self._budget.may_buy(row.request.model):
                return
            yield row.request

    def _on_update(self, task: Task) -> None:
        self._report.add_paid(task)
        if self._budget is not None:
            self._budget.on_update(task)

    async def _take(self, batch: Batch) -> None:
        """Take all outcomes, and show the batch meanwhile."""
        mode = Mode.NONE if self._console.is_quiet else self._pace.progress
        view = View(batch, len(self._results.rows), mode=mode, spent=self._spent)
        async with view, batch:
            self._console.screen = view
            try:
                async for outcome in batch:
                    self._add(view, outcome)
            finally:
                self._console.screen = None

    def _add(self, view: View, outcome: Outcome) -> None:
        self._results.add(outcome)
        if self._budget is not None:
            self._budget.add(outcome)
        if not (self._is_stopped and isinstance(outcome.error, NotSentError)):
            view.add(outcome)

    def _spent(self) -> float | None:
        spending = self._results.spending
        return None if spending.untold else spending.told

    # --- The end ----------------------------------------------------------------------------

    def interrupt(self) -> bool:
        """Buy nothing more, and wait for what is paid for; tell whether it has begun."""
        if self._batch is None:
            return False
        self._is_stopped = True
        self._batch.stop()
        paid = len(self._report.unsaved.task_ids)
        self._console.error(
            f"stopping: nothing more is bought, and the {paid} paid for are awaited. "
            "Ctrl-C again leaves them, and names them"
        )
        return True

    async def finish(self) -> None:
        """Write the page and the failed rows, and sum up."""
        results = self._results
        self._report.failed += not results.is_complete
        results.write_failed()
        self._page = await page_of(self._folder, self._console)
        for line in results.lines(again=self._journal.journal is not None):
            self._console.say(line)
        if self._page is not None:
            self._console.say(f"page: {self._page}")
        if self._console.is_json:
            self._console.result("", results.record(self._page))

    def open_page(self) -> None:
        """Open the page in a browser, if there is one."""
        if self._page is not None:
            webbrowser.open(self._page.absolute().as_uri())
