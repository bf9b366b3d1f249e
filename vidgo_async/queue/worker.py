"""A worker: takes jobs and runs their entries, until it is cancelled, or cannot go on."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import LiteralString

import attrs
from procrastinate.exceptions import ConnectorException
from psycopg.errors import ForeignKeyViolation

from vidgo_async._core.concurrency import wait_shielded
from vidgo_async._core.errors import JournalError, SessionClosedError, VidgoError
from vidgo_async._generation.breaker import is_final
from vidgo_async._generation.outcome import Outcome
from vidgo_async.queue.database import AWAY, AwayError, Connection, Database
from vidgo_async.queue.jobs import AgainError, Jobs
from vidgo_async.queue.ledger import Ledger
from vidgo_async.queue.listener import Listener
from vidgo_async.queue.rows import Row
from vidgo_async.queue.runner import PASSING, Runner, RunOptions, Session
from vidgo_async.queue.statements import END_IF_IDLE, HINTS, IS_YOUNG, TRY_LOCK

logger: logging.Logger = logging.getLogger("vidgo_async")

RESCUE_LOCK = 8346
"""An advisory lock: one worker gives the jobs of the dead to the living, as two would race."""
RESTART = 1.0
"""Seconds before a worker whose connection broke begins again."""
TRY_AGAIN = 60
"""Seconds before an entry is tried again whose error says nothing of it."""
SOON = 1
"""Seconds before it is tried again where it was not done."""
READ_INTERVAL = 0.5
"""Seconds between two reads of whether the queue is empty."""


OnOutcome = Callable[[Outcome], object]
"""Called with what became of each request that this worker ran."""


@attrs.frozen(kw_only=True)
class WorkOptions(RunOptions):
    """How a worker runs entries; see `BatchQueue.work`."""

    max_in_flight: int
    until_empty: bool
    dead_after: float
    on_outcome: OnOutcome | None


class Worker:
    """Runs jobs on a session."""

    def __init__(
        self, database: Database, jobs: Jobs, ledger: Ledger, runner: Runner, listener: Listener
    ) -> None:
        self._database = database
        self._jobs = jobs
        self._ledger = ledger
        self._runner = runner
        self._listener = listener
        self._failure: VidgoError | OSError | None = None
        self._failed = asyncio.Event()
        self._is_leaving = False
        self._running = 0
        """Entries that this worker runs."""

    async def run(self, vidgo: Session, options: WorkOptions) -> None:
        """Run jobs until this is cancelled, or the next would fail too.

        Raises:
            VidgoError: Why it cannot go on.
            OSError: The folder takes no files.
        """
        await self._runner.check_folder(options)

        def hint(task_id: str | None) -> None:
            if task_id is not None:
                with contextlib.suppress(SessionClosedError):
                    vidgo.hint(task_id)

        parts = {
            asyncio.create_task(part)
            for part in (
                self._work(vidgo, options),
                self._rescue(options.dead_after),
                self._until_empty(options),
                self._failed.wait(),
            )
        }
        try:
            with self._database.used(), self._listener.subscribed(HINTS, hint):
                await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:  # no call waits for the database any more: jobs are handed over if it is there
            self._is_leaving = True
            for part in parts:
                part.cancel()
            await wait_shielded(parts)
        if self._failure is not None:
            raise self._failure
        for part in parts:
            if not part.cancelled():
                part.result()

    async def _work(self, vidgo: Session, options: WorkOptions) -> None:
        """Run a worker of procrastinate's, and another where its connection broke."""

        async def run(entry_id: int) -> None:
            await self._run_entry(vidgo, entry_id, options)

        while not self._is_leaving:
            try:
                with self._database.translated():
                    await self._jobs.work(
                        run, max_in_flight=options.max_in_flight, dead_after=options.dead_after
                    )
            except JournalError as error:
                self._check_passing(error)
            if not self._is_leaving:
                await asyncio.sleep(RESTART)

    def _check_passing(self, error: JournalError) -> None:
        """Raise an error that will not pass.

        While it leaves, one may come in the place of the cancellation. A worker that was taken for
        dead is not known any more, and gets another number.
        """
        if self._database.pool.closed:
            msg = "the queue was closed under its worker"
            raise JournalError(msg)
        is_passing = isinstance(error, AwayError) or isinstance(
            error.__cause__, ForeignKeyViolation
        )
        if not (is_passing or self._is_leaving):
            raise error

    async def _until_empty(self, options: WorkOptions) -> None:
        """Return when all entries have an outcome, and were told, if that is the end."""
        while not options.until_empty or self._running or await self._ledger.is_open(None):  # noqa: ASYNC110 - no event
            await asyncio.sleep(READ_INTERVAL)

    async def _run_entry(self, vidgo: Session, entry_id: int, options: WorkOptions) -> None:
        """Run an entry; whatever happens is written down, or its job runs again."""
        self._running += 1
        try:
            row = await self._runner.row(entry_id, options)
            if row is not None and not row.has_outcome:  # else another's job had not ended
                await self._go_on(vidgo, row, options)
        except AgainError:
            raise
        except Exception as error:  # of a row that cannot be read
            logger.exception("entry %d is tried again in %d s", entry_id, TRY_AGAIN)
            raise AgainError(TRY_AGAIN) from error
        finally:
            self._running -= 1

    async def _go_on(self, vidgo: Session, row: Row, options: WorkOptions) -> None:
        entry_id = row.fields.id
        try:
            await self._runner.go_on(vidgo, row, options)
        except VidgoError as error:
            self._failed_with(error, entry_id)
        except OSError:
            await self._check_folder(options)
        except Exception:
            logger.exception("entry %d failed", entry_id)
        outcome = await self._ledger.outcome(entry_id)
        if outcome is None:  # it timed out while it was sent, or has another task by now
            raise AgainError(SOON)
        self._tell(outcome, options)

    def _tell(self, outcome: Outcome, options: WorkOptions) -> None:
        """Tell the caller what became of an entry."""
        if options.on_outcome:
            try:
                options.on_outcome(outcome)
            except Exception:
                logger.exception("on_outcome failed")

    def _failed_with(self, error: VidgoError, entry_id: int) -> None:
        """Stop, let the job run again, or neither.

        Raises:
            AgainError: It is to run again.
        """
        if is_final(error) or isinstance(error, SessionClosedError):
            self._stop(error.own_copy())
            raise AgainError(0) from None
        if isinstance(error, PASSING):
            logger.warning("entry %d is tried again in %d s: %s", entry_id, TRY_AGAIN, error)
            raise AgainError(TRY_AGAIN) from None

    async def _check_folder(self, options: WorkOptions) -> None:
        try:
            await self._runner.check_folder(options)
        except OSError as error:
            self._stop(error)
            raise AgainError(0) from None

    def _stop(self, error: VidgoError | OSError) -> None:
        """Run no more, since the next request would end so as well."""
        if self._failure is None:
            self._failure = error
            self._failed.set()

    # --- Of others --------------------------------------------------------------------------

    async def _rescue(self, dead_after: float) -> None:
        """Give the jobs of the dead to the living, again and again."""
        while True:
            with contextlib.suppress(ConnectorException, JournalError, *AWAY):
                async with self._database.pool.connection() as connection:
                    await self._rescue_alone(connection, dead_after)
            await asyncio.sleep(dead_after / 6)

    async def _rescue_alone(self, connection: Connection, dead_after: float) -> None:
        """Do it, unless another is just doing so."""
        async with connection.transaction():
            # Who falls asleep here must not keep the lock.
            await connection.execute(END_IF_IDLE, {"milliseconds": str(round(dead_after * 1000))})
            if await _first(connection, TRY_LOCK, {"lock": RESCUE_LOCK}):
                # After a restart of the server no worker was seen for a while.
                is_young = await _first(connection, IS_YOUNG, {"seconds": dead_after})
                await self._jobs.rescue(
                    dead_after, only_left=is_young, check=lambda: connection.execute("SELECT 1")
                )


async def _first(
    connection: Connection, statement: LiteralString, parameters: dict[str, object]
) -> bool:
    """Return the first value of the first row."""
    row = await (await connection.execute(statement, parameters)).fetchone()
    return row is not None and bool(row[0])
