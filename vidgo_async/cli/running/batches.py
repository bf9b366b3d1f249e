"""Running a batch of rows: the view of it, its outcomes, and what ends it early."""

import functools
import webbrowser
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from vidgo_async._core.errors import NotSentError, VidgoError
from vidgo_async._core.models import Request, Task
from vidgo_async._generation.outcome import Outcome
from vidgo_async.cli.inputs.rows import row_of_request
from vidgo_async.cli.options import Pace
from vidgo_async.cli.outputs.console import count_of
from vidgo_async.cli.outputs.folders import page_of
from vidgo_async.cli.outputs.report import Report
from vidgo_async.cli.outputs.results import Results
from vidgo_async.cli.running.earlier import Earlier
from vidgo_async.cli.running.journals import RunJournal
from vidgo_async.cli.running.money import Budget, balance_of
from vidgo_async.progress.modes import Mode
from vidgo_async.progress.view import View

if TYPE_CHECKING:
    from vidgo_async._generation.batch import Batch
    from vidgo_async._session.session import VidgoSession


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
        source: Path | None = None,
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
            source: The file of its rows, if any.
            resumes: Whether its rows are those of the journal.
        """
        self._results = results
        self._report = report
        self._console = report.console
        self._folder = folder
        self._pace = pace
        self._journal = journal
        self._max_credits = max_credits
        self._source = source
        self._resumes = resumes
        self._earlier = Earlier()
        self._free = set[int]()
        """Rows that an earlier run bought."""
        self._is_taken = False
        self._budget: Budget | None = None
        self._batch: Batch | None = None
        self._is_stopped = False
        self._page: Path | None = None

    async def run(self, vidgo: "VidgoSession") -> None:
        """Run it to its end."""
        await self._read_journal()
        await self._ask_before(vidgo)
        self._batch = self._new_batch(vidgo)
        try:
            await self._take(self._batch)
        finally:
            self._is_taken = True
            with anyio.CancelScope(shield=True):  # what it cost is told after a signal, too
                await self._results.spending.ask_after(vidgo)

    async def _read_journal(self) -> None:
        """Find out what earlier runs bought of these rows, or which rows there are."""
        journal, results = self._journal.journal, self._results
        self._report.unsaved.journal = self._journal.path
        entries = [] if journal is None else await journal.entries()
        self._earlier = Earlier(entries)
        if self._resumes:
            results.rows = [row_of_request(entry.request) for entry in entries]
        requests = [row.request for row in results.rows]
        results.add_earlier(self._earlier.unsaved_of(requests))
        results.spending.is_expected = not self._earlier.has_all(requests)

    async def _ask_before(self, vidgo: "VidgoSession") -> None:
        """Ask for the balance, if anything may be bought."""
        spending = self._results.spending
        if not spending.is_expected:
            return
        if self._max_credits is None:
            spending.before = await balance_of(vidgo)
            return
        spending.before = await self._needed_balance(vidgo)
        ask = functools.partial(balance_of, vidgo)
        self._budget = Budget(self._max_credits, spending, ask, self._console.error)

    async def _needed_balance(self, vidgo: "VidgoSession") -> float:
        """Return the balance, without which a limit cannot be kept."""
        try:
            return (await vidgo.balance()).credits
        except VidgoError as error:
            msg = f"--max-credits needs the balance, and it is not told: {error}"
            raise VidgoError(msg) from error

    def _new_batch(self, vidgo: "VidgoSession") -> "Batch":
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
            return vidgo.resume(journal, **options)
        return vidgo.generate_many(self._requests(), journal=journal, **options)

    async def _requests(self) -> AsyncGenerator[Request]:
        """Give the requests of the rows, as far as the budget allows; what is bought is free."""
        for index, row in enumerate(self._results.rows):
            if self._earlier.take(row.request):
                self._free.add(index)
            elif self._budget is not None and not await self._budget.may_buy(row.request.model):
                return
            yield row.request

    def _on_update(self, task: Task) -> None:
        self._results.add_paid(task)
        if self._budget is not None:
            self._budget.on_update(task)

    async def _take(self, batch: "Batch") -> None:
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
                self._results.leave(batch.in_flight)

    def _add(self, view: View, outcome: Outcome) -> None:
        self._results.add(outcome)
        if self._budget is not None and outcome.index not in self._free:
            self._budget.add(outcome)
        if not (self._is_stopped and isinstance(outcome.error, NotSentError)):
            view.add(outcome)

    def _spent(self) -> float | None:
        spending = self._results.spending
        return None if spending.untold else spending.told or None

    # --- The end ----------------------------------------------------------------------------

    def interrupt(self) -> bool:
        """Buy nothing more, and wait for what is paid for; tell whether it has begun."""
        if self._batch is None or self._is_taken:
            return False
        self._is_stopped = True
        self._batch.stop()
        under_way = count_of(len(self._batch.in_flight), "video")
        self._console.error(
            f"stopping: nothing more is bought; {under_way} under way are awaited and saved. Ctrl-C "
            "again leaves them, and names what is paid for"
        )
        return True

    async def finish(self) -> None:
        """Write the page and the failed rows, and sum up."""
        if self._batch is None:
            return
        results, has_journal = self._results, self._journal.journal is not None
        unread = enumerate(results.rows[self._batch.read :], self._batch.read)
        results.skip(index for index, row in unread if self._earlier.take(row.request))
        self._report.failed += not results.is_complete
        results.spending.close(self._report.unsaved.unknown)
        results.write_failed(self._source, has_journal=has_journal)
        self._page = await page_of(self._folder, self._console)
        self._sum_up(has_journal=has_journal)

    def _sum_up(self, *, has_journal: bool) -> None:
        for line in self._results.lines(again=has_journal):
            self._console.say(line)
        if self._page is not None:
            self._console.say(f"page: {self._page}")
        if self._console.is_json:
            self._console.result("", self._results.record(self._page))

    def open_page(self) -> None:
        """Open the page in a browser, if there is one."""
        if self._page is not None:
            webbrowser.open(self._page.absolute().as_uri())
