"""A worker: takes jobs and runs their entries, until it is cancelled, or cannot go on."""

import asyncio
import contextlib
import logging
import os
from typing import LiteralString

import attrs
from procrastinate.exceptions import ConnectorException

from vidgo_async._core.concurrency import wait_shielded
from vidgo_async._core.errors import (
    AuthenticationError,
    InsufficientCreditsError,
    JournalError,
    NotSentError,
    SessionClosedError,
    VidgoError,
)
from vidgo_async.queue.database import AWAY, Connection, Database
from vidgo_async.queue.jobs import AgainError, Jobs
from vidgo_async.queue.ledger import Ledger
from vidgo_async.queue.listener import Listener
from vidgo_async.queue.runner import PASSING, Runner, Session
from vidgo_async.queue.statements import HINTS, IS_YOUNG, TRY_LOCK

logger: logging.Logger = logging.getLogger("vidgo_async")

RESCUE_LOCK = 8346
"""An advisory lock: one worker gives the jobs of the dead to the living, as two would race."""
RESTART = 1.0
"""Seconds before a worker whose connection broke begins again."""
TRY_AGAIN = 60
"""Seconds before an entry is tried again whose error says nothing of it."""
LOOK = 0.5
"""Seconds between two looks for what others still work on."""

_FINAL = (
    AuthenticationError,
    InsufficientCreditsError,
    JournalError,
    NotSentError,
    SessionClosedError,
)
"""Errors with which the next request would end as well."""


@attrs.frozen(kw_only=True)
class WorkOptions:
    """How a worker runs entries; see `BatchQueue.work`."""

    max_in_flight: int
    timeout: float | None
    download_to: str | os.PathLike[str] | None
    until_empty: bool
    dead_after: float


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
        self._failure: VidgoError | None = None
        self._failed = asyncio.Event()

    async def run(self, vidgo: Session, options: WorkOptions) -> None:
        """Run jobs until this is cancelled, or the next would fail too.

        Raises:
            VidgoError: Why it cannot go on.
        """

        def hint(task_id: str | None) -> None:
            if task_id is not None:
                with contextlib.suppress(SessionClosedError):
                    vidgo.hint(task_id)

        working = asyncio.create_task(self._work(vidgo, options))
        parts = {
            working,
            asyncio.create_task(self._rescue(options.dead_after)),
            asyncio.create_task(self._failed.wait()),
        }
        try:
            with self._database.used(), self._listener.subscribed(HINTS, hint):
                await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:  # nobody uses the database any more: jobs are handed over if it is there
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

        while True:
            with contextlib.suppress(ConnectorException, *AWAY):
                await self._jobs.work(
                    run,
                    max_in_flight=options.max_in_flight,
                    until_none=options.until_empty,
                    dead_after=options.dead_after,
                )
                if options.until_empty and not await self._ledger.is_open(None):
                    return
            await asyncio.sleep(LOOK if options.until_empty else RESTART)

    async def _run_entry(self, vidgo: Session, entry_id: int, options: WorkOptions) -> None:
        """Run an entry; whatever happens is written down, or its job runs again."""
        try:
            await self._runner.run(
                vidgo, entry_id, timeout=options.timeout, download_to=options.download_to
            )
        except _FINAL as error:
            self._fail(error)
            if isinstance(error, (*PASSING, JournalError)):
                raise AgainError(0) from None
        except PASSING as error:
            logger.warning("entry %d is tried again in %d s: %s", entry_id, TRY_AGAIN, error)
            raise AgainError(TRY_AGAIN) from None
        except VidgoError as error:
            logger.info("entry %d: %s", entry_id, error)
        except Exception:
            logger.exception("entry %d failed", entry_id)

    def _fail(self, error: VidgoError) -> None:
        """Stop, since the next request would end so as well."""
        if self._failure is None:
            self._failure = error.own_copy()
            self._failed.set()

    # --- Of others --------------------------------------------------------------------------

    async def _rescue(self, dead_after: float) -> None:
        """Be the one that gives the jobs of the dead to the living, or wait to be it."""
        while True:
            with contextlib.suppress(ConnectorException, JournalError, *AWAY):
                async with await self._database.connect() as connection:
                    while not await _first(connection, TRY_LOCK, {"lock": RESCUE_LOCK}):  # noqa: ASYNC110 - nobody tells
                        await asyncio.sleep(dead_after / 6)
                    while True:
                        # After a restart of the server nobody was seen for a while.
                        is_young = await _first(connection, IS_YOUNG, {"seconds": dead_after})
                        await self._jobs.rescue(dead_after, only_left=is_young)
                        await asyncio.sleep(dead_after / 6)
            await asyncio.sleep(RESTART)


async def _first(
    connection: Connection, statement: LiteralString, parameters: dict[str, object]
) -> bool:
    """Return the first value of the first row."""
    row = await (await connection.execute(statement, parameters)).fetchone()
    return row is not None and bool(row[0])
