"""`BatchQueue`: batches in a database, which any number of machines add to, run, and follow."""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Any, Self

from vidgo_async._core.concurrency import run_shielded
from vidgo_async._core.errors import JournalError
from vidgo_async._core.models import Task
from vidgo_async._core.validators import check_count
from vidgo_async._generation.outcome import Outcome
from vidgo_async._generation.request_source import Requests
from vidgo_async._session.arguments import (
    as_callback,
    as_folder,
    as_task,
    check_requests,
    check_timeout,
)
from vidgo_async._session.session import VidgoSession
from vidgo_async.journal.entries import Entry, EntryState
from vidgo_async.queue import schema
from vidgo_async.queue.database import Database, check_url
from vidgo_async.queue.jobs import Jobs
from vidgo_async.queue.ledger import Ledger
from vidgo_async.queue.listener import Listener
from vidgo_async.queue.runner import Runner, RunOptions
from vidgo_async.queue.senders import Sender
from vidgo_async.queue.statements import OUTCOMES
from vidgo_async.queue.worker import OnOutcome, Worker, WorkOptions

MAX_NAME = 200
"""Characters of a batch's name."""
MIN_DEAD_AFTER, MAX_DEAD_AFTER = 0.1, 86_400
READ_INTERVAL = 5.0
"""Seconds after which a batch is read again, should a notification be missed."""


class BatchQueue:
    """Batches in a PostgreSQL database, run by workers on any number of machines.

    Each request is bought at most once, whichever process dies when. Workers come and go: what one leaves
    another goes on with.

    Example:
        async with BatchQueue("postgresql://db.internal/videos") as queue:
            await queue.add("foxes", requests)
            async for outcome in queue.outcomes("foxes"):
                print(outcome.index, outcome.error or outcome.paths)
    """

    def __init__(self, url: str, *, dead_after: float = 30.0, new_key: bool = False) -> None:
        """Name the database; `async with` connects to it.

        Args:
            url: Its address, `postgresql://user:password@host/name` or any of libpq's; PostgreSQL 13
                or newer. All tables lie in its schema `vidgo`.
            dead_after: Seconds without a sign of life after which another goes on with what a
                worker had; the same on all machines.
            new_key: Go on with a queue whose API key was changed since.

        Raises:
            ValueError: It is no such address, or a number is not allowed.
        """
        check_url(url)
        check_timeout(dead_after)
        if not MIN_DEAD_AFTER <= dead_after <= MAX_DEAD_AFTER:
            msg = (
                f"dead_after must be {MIN_DEAD_AFTER} to {MAX_DEAD_AFTER} seconds, not {dead_after}"
            )
            raise ValueError(msg)
        self._database = Database(url)
        self._dead_after = dead_after
        self._new_key = new_key
        self._is_entered = self._is_open = False
        self._is_checked = False
        self._jobs: Jobs
        self._ledger: Ledger
        self._listener: Listener
        self._sender: Sender
        self._runner: Runner

    def __repr__(self) -> str:
        return f"<BatchQueue {self._database.shown}>"

    async def __aenter__(self) -> Self:
        if self._is_entered:
            msg = "this queue is open already"
            raise JournalError(msg)
        self._is_entered = True
        try:
            await self._open()
        except BaseException:
            self._is_entered = False
            raise
        return self

    async def _open(self) -> None:
        await self._database.open()
        self._jobs = Jobs(self._database)
        self._ledger = Ledger(self._database, self._jobs.defer, new_key=self._new_key)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(lambda: run_shielded(self._database.close()))
            await self._jobs.open()
            await self._ledger.open()
            stack.pop_all()
        self._listener = Listener(self._database)
        self._sender = Sender(self._database, self._dead_after)
        self._runner = Runner(self._ledger, self._sender)
        self._is_open = True

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Leave the database; close the session first, whose POSTs are written down until then.

        It may be called again. Cancelling this call does not make it faster.
        """
        if self._is_open:
            self._is_entered = self._is_open = False
            await run_shielded(self._close())

    async def install(self) -> None:
        """Make the tables, if they are not there; any number of times.

        Raises:
            JournalError: This user may not, or the tables are those of a newer version.
        """
        self._check_open()
        await schema.install(self._database)

    # --- Batches ----------------------------------------------------------------------------

    async def add(self, batch: str, requests: Requests) -> int:
        """Add requests to a batch; what it knows already is not added again.

        Equal requests are told apart by their number: a hundred equal ones are a hundred videos,
        and the same hundred again are none.

        Args:
            batch: Its name.
            requests: Any iterable or async iterable. A `Path` must lead to the same picture on all
                machines, and uploads are five a minute for all of them: URLs are better.

        Returns:
            How many are new.

        Raises:
            JournalError: The database cannot be used.
            ValueError: The name is empty or too long, or a picture is none.
        """
        name = _as_name(batch)
        check_requests(requests)
        await self._check()
        return await self._ledger.add(name, requests)

    async def outcomes(self, batch: str, *, from_now: bool = False) -> AsyncGenerator[Outcome]:
        """Follow a batch: yield the outcome of each request, until all have one.

        From any process, and as often as you like. An outcome that changes, as by `adopt` or
        `retry`, is yielded again.

        Args:
            batch: Its name.
            from_now: Leave out those that were there before.

        Yields:
            As `VidgoSession.generate_many`, in order of completion; `index` is the request's place
            in the batch, from 0.

        Raises:
            JournalError: There is no such batch, or the database cannot be used.
        """
        name = _as_name(batch)
        await self._check()
        last = await self._ledger.outcomes_so_far(name)
        if not from_now:
            last = 0
        while page := await self._outcomes_after(name, last):
            for number, outcome in page:
                last = number
                yield outcome

    async def _outcomes_after(self, batch: str, last: int) -> list[tuple[int, Outcome]]:
        """Wait for outcomes; return none where there will be none."""
        changed = asyncio.Event()

        def on_outcome(of_batch: str | None) -> None:
            if of_batch in {None, batch}:
                changed.set()

        with self._database.used(), self._listener.subscribed(OUTCOMES, on_outcome):
            while True:
                changed.clear()
                is_open = await self._ledger.is_open(batch)
                page = await self._ledger.outcomes_after(batch, last)
                if page or not is_open:
                    return page
                await _wait(changed, READ_INTERVAL)

    async def entries(self, batch: str, state: str | None = None) -> list[Entry]:
        """Return the entries of a batch, or those in a state, in the order of their adding.

        Raises:
            ValueError: There is no such state.
            JournalError: There is no such batch, or the database cannot be used.
        """
        wanted = None if state is None else EntryState(state)
        await self._check()
        return await self._ledger.entries(_as_name(batch), wanted)

    async def counts(self, batch: str | None = None) -> dict[str, dict[EntryState, int]]:
        """Return how many entries of each batch, or of one, are in each state.

        Raises:
            JournalError: There is no such batch, or the database cannot be used.
        """
        await self._check()
        return await self._ledger.counts(None if batch is None else _as_name(batch))

    async def adopt(self, entry: Entry, task_id: str) -> None:
        """Go on with a task that was found for an entry whose outcome is unknown.

        Raises:
            JournalError: The entry is not `unknown`, or of another queue.
            ValueError: The id is empty.
        """
        known = as_task(task_id).task_id
        await self._check()
        await self._ledger.adopt(entry, known.strip())

    async def forget(self, entry: Entry) -> None:
        """Send an entry whose outcome is unknown: no task was found for it.

        Raises:
            JournalError: The entry is not `unknown`, or of another queue.
        """
        await self._check()
        await self._ledger.forget(entry)

    async def retry(self, batch: str) -> int:
        """Send what failed or was refused, and go on with what ended in an error; return how many.

        Raises:
            JournalError: There is no such batch, or the database cannot be used.
        """
        await self._check()
        return await self._ledger.retry(_as_name(batch))

    # --- Working ----------------------------------------------------------------------------

    async def work(
        self,
        vidgo: VidgoSession,
        *,
        max_in_flight: int = 16,
        timeout: float | None = 900.0,
        download_to: str | os.PathLike[str] | None = None,
        until_empty: bool = False,
        on_outcome: OnOutcome | None = None,
    ) -> None:
        """Run requests of all batches until this is cancelled; what is under way is handed over.

        Args:
            vidgo: An open session; all workers of a database use one server and one account.
            max_in_flight: Requests at once, downloads included.
            timeout: Seconds for each task, as in `generate`; `retry` waits for it again.
            download_to: A folder to save all files in.
            until_empty: Return when no request of any batch is without an outcome.
            on_outcome: Called with the outcome of each request that this worker ran; a plain
                function. What it raises is logged.

        Raises:
            AuthenticationError: The server refuses the key. As after the next errors, nothing more
                is sent, and what was not sent stays in the queue.
            InsufficientCreditsError: The account has too few credits.
            NotSentError: Submits are not answered clearly.
            JournalError: The database cannot be used, or is for another server or account.
            OSError: The folder takes no files; nothing was bought.
        """
        _check_session(vidgo)
        check_count("max_in_flight", max_in_flight)
        check_timeout(timeout)
        as_folder("download_to", download_to)
        await self._check()
        worker = Worker(self._database, self._jobs, self._ledger, self._runner, self._listener)
        options = WorkOptions(
            max_in_flight=max_in_flight,
            timeout=timeout,
            download_to=download_to,
            until_empty=until_empty,
            dead_after=self._dead_after,
            on_outcome=as_callback("on_outcome", on_outcome),
        )
        await worker.run(vidgo, options)

    async def generate(
        self,
        vidgo: VidgoSession,
        entry_id: int,
        *,
        timeout: float | None = 900.0,
        download_to: str | os.PathLike[str] | None = None,
    ) -> Task:
        """Run one entry to its end, from wherever it is, for users of another engine.

        A Temporal activity, a Celery task: it may be called any number of times, and buys at most
        once.

        Args:
            vidgo: An open session.
            entry_id: `Entry.id`.
            timeout: Seconds for its task, as in `VidgoSession.generate`.
            download_to: A folder to save its files in.

        Raises:
            SubmissionUnknownError: A task may exist; see `adopt` and `forget`.
            VidgoError: As in `VidgoSession.generate`.
        """
        _check_session(vidgo)
        check_timeout(timeout)
        as_folder("download_to", download_to)
        await self._check()
        with self._database.used():
            options = RunOptions(timeout=timeout, download_to=download_to)
            return await self._runner.run(vidgo, entry_id, options)

    async def hint(self, *task_ids: str) -> None:
        """Let the workers that watch these tasks poll them now; others do nothing.

        For callbacks that arrive anywhere: `WebhookReceiver(on_unknown=queue.hint)`.
        """
        known = [as_task(task_id).task_id for task_id in task_ids]
        await self._check()
        await self._ledger.hint(known)

    # --- Inside -----------------------------------------------------------------------------

    async def _close(self) -> None:
        await self._listener.close()
        await self._sender.close()
        await self._database.close()

    def _check_open(self) -> None:
        if not self._is_open:
            msg = "the queue is not open: use `async with BatchQueue(url) as queue:`"
            raise JournalError(msg)

    async def _check(self) -> None:
        """Refuse to go on without its tables, or with newer ones."""
        self._check_open()
        if not self._is_checked:
            await schema.check(self._database)
            self._is_checked = True


def _as_name(batch: Any) -> str:
    if not isinstance(batch, str):
        msg = f"a batch has a name, not {type(batch).__name__}"
        raise TypeError(msg)
    is_text = "\0" not in batch and batch.encode("utf-8", "replace").decode() == batch
    if not batch.strip() or len(batch) > MAX_NAME or not is_text:
        msg = (
            f"the name of a batch has 1 to {MAX_NAME} characters of plain text, not {batch[:50]!r}"
        )
        raise ValueError(msg)
    return batch


def _check_session(vidgo: Any) -> None:
    if not isinstance(vidgo, VidgoSession):
        msg = f"expected a VidgoSession, not {type(vidgo).__name__}"
        raise TypeError(msg)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
