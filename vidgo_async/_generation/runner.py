"""One request of a batch, run to its end: submitted, polled, its files saved.

Where a journal is kept, what an earlier run did is not done again, and each step is written down.
"""

import asyncio
import functools
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import attrs

from vidgo_async._core.errors import TaskFailedError, VidgoError
from vidgo_async._core.models import Task, as_in_flight
from vidgo_async._files.downloads import Folder
from vidgo_async._files.stems import safe_stem
from vidgo_async._generation.breaker import Breaker
from vidgo_async._generation.outcome import Outcome, Pending
from vidgo_async._generation.outcome_record import new_run, outcome_record, seconds_since_submit
from vidgo_async._generation.records import RequestRecord, RunRecord, note
from vidgo_async._generation.slot import Slot
from vidgo_async._generation.submitter import Submitter
from vidgo_async._polling.completions import OnUpdate, wait_for_end
from vidgo_async._polling.subscription import Subscription

logger: logging.Logger = logging.getLogger("vidgo_async")

NameOf = Callable[[Pending], str]
"""Names the files of a finished task, without a suffix."""


@attrs.frozen(kw_only=True, eq=False, repr=False)
class BatchOptions:
    """How a batch behaves; see `VidgoSession.generate_many`."""

    callback_url: str | None
    timeout: float | None
    on_update: OnUpdate | None
    folder: Folder | None
    """Where the files of finished tasks are saved, if they are."""
    max_in_flight: int
    max_concurrent_submits: int
    run: RunRecord | None = None
    """Where the batch is written down, if it is."""
    retry_failed: bool = True
    """Whether what failed in an earlier run is bought anew."""
    retries: int = 0
    """How often a task that failed is bought anew in this run."""
    name: NameOf | None = None
    """What names the files; without it they are named by their tasks' ids."""


class Stages:
    """The stages of a request.

    Each has room for as many, so that requests that wait for an upload or for their download do not
    hold up those that are ready.
    """

    def __init__(self, room: int) -> None:
        self.uploading: asyncio.Semaphore = asyncio.Semaphore(room)
        self.in_flight: asyncio.Semaphore = asyncio.Semaphore(room)
        self.done: asyncio.Semaphore = asyncio.Semaphore(room)


class Runner:
    """Runs each request of a batch."""

    def __init__(
        self,
        submitter: Submitter,
        options: BatchOptions,
        breaker: Breaker,
        on_update_failed: Callable[[BaseException], None],
    ) -> None:
        self.submitter = submitter
        self.options = options
        self.stages = Stages(options.max_in_flight)
        self.submitted: int = 0
        self.waits = set[Subscription]()
        """Of the tasks in flight."""
        self._breaker = breaker
        self._submits = asyncio.Semaphore(options.max_concurrent_submits)
        self._on_update = options.on_update
        self._name = options.name
        self._run_id = new_run()
        self._on_update_failed = on_update_failed

    async def run(self, slot: Slot, on_sent: Callable[[], None]) -> None:
        """Run one request to its end; whatever happens is in its slot then.

        Args:
            slot: The request's.
            on_sent: Called once it is sent, or has to wait before that; perhaps more than once.
        """
        try:
            await self._run(slot, on_sent)
        except VidgoError as error:
            slot.task = error.task or slot.task
            # As data it needs no traceback, which would hold this frame and so itself.
            slot.error = error.with_traceback(None)
            self._breaker.record(error)
        except Exception as other:  # noqa: BLE001 - every request gets an outcome
            slot.error = VidgoError.wrapping(other, slot.task)
        slot.is_over = True
        await self.log(slot)

    async def _run(self, slot: Slot, on_sent: Callable[[], None]) -> None:
        record = None
        if self.options.run is not None:
            on_sent()  # what comes meanwhile shares a commit
            record = await self.options.run.claim(slot.request)
            slot.entry = record.id
        task = await self._attempt(slot, record, on_sent, retry_failed=self.options.retry_failed)
        for _ in range(self.options.retries):
            if not task.failed or self._breaker.is_open:
                break
            slot.task = slot.seconds = None  # its credits came back
            task = await self._attempt(slot, record, on_sent, retry_failed=True)
        if task.failed:
            slot.error = TaskFailedError(task)
        else:
            slot.paths = await self._save(slot, task, record)

    async def _attempt(
        self,
        slot: Slot,
        record: RequestRecord | None,
        on_sent: Callable[[], None],
        *,
        retry_failed: bool,
    ) -> Task:
        """Buy a task, unless that was done before, and wait until it has ended."""
        task = None if record is None else await self._recall(slot, record, retry_failed)
        if task is None:
            task = await self._submit(slot, record, on_sent)
            self.submitted += 1
        self._update(slot, task)
        slot.is_recalled = record is not None and record.has_ended
        if not slot.is_recalled:
            task = await self._wait(slot, task)
            if record is not None:
                await note(record.ended(task))
        return task

    async def _recall(self, slot: Slot, record: RequestRecord, retry_failed: bool) -> Task | None:
        """Return what was bought before; None where it is to be bought."""
        slot.task = record.task
        slot.task = await record.recall(retry_failed=retry_failed)
        if slot.task is not None and slot.stage is self.stages.uploading:
            await slot.enter(self.stages.in_flight)
        return slot.task

    async def _submit(
        self, slot: Slot, record: RequestRecord | None, on_sent: Callable[[], None]
    ) -> Task:
        if slot.stage is self.stages.uploading or self._submits.locked():
            on_sent()
        links = await self.submitter.upload_media(slot.prepared, self._breaker)
        if slot.stage is self.stages.uploading:
            await self._breaker.race(slot.enter(self.stages.in_flight))
        # Its time under the retry policy begins here.
        async with self._submits:
            return await self.submitter.submit(
                slot.prepared,
                links,
                self.options.callback_url,
                breaker=self._breaker,
                on_sent=on_sent,
                record=record,
            )

    async def _wait(self, slot: Slot, task: Task) -> Task:
        await self._breaker.wait_running()  # no polls for a consumer who is gone
        update = functools.partial(self._update, slot) if self._on_update else None
        slot.task = await wait_for_end(
            self.submitter.poller,
            as_in_flight(task),
            timeout=self.options.timeout,
            on_update=update,
            waits=self.waits,
        )
        slot.seconds = seconds_since_submit(slot.task)
        return slot.task

    async def _save(self, slot: Slot, task: Task, record: RequestRecord | None) -> tuple[Path, ...]:
        folder = self.options.folder
        if folder is not None:
            await slot.enter(self.stages.done)  # where it is full reading pauses
        return await save(folder, task, record, functools.partial(self._stem, slot, task))

    def _stem(self, slot: Slot, task: Task) -> str | None:
        """Return the name of its files; where the user's function fails, none: nothing is lost."""
        if self._name is None:
            return None
        try:
            return safe_stem(_checked(self._name(Pending(slot.index, slot.request, task))))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - as in `_update`
            self._name = None
            self._on_update_failed(error)
            return None

    async def log(self, slot: Slot) -> None:
        """Write down what became of a request, beside its files."""
        if self.options.folder is not None:
            written = Written(self._run_id, slot.seconds, slot.entry, slot.is_recalled)
            await log_outcome(self.options.folder, slot.outcome(slot.task), written)

    def _update(self, slot: Slot, task: Task) -> None:
        """Call `on_update`; it is not called again if it fails."""
        slot.task = task
        if self._on_update is None:
            return
        try:
            self._on_update(task)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - a progress bar must not cost a video
            self._on_update = None
            self._on_update_failed(error)


async def save(
    folder: Folder | None,
    task: Task,
    record: RequestRecord | None,
    stem: Callable[[], str | None] = lambda: None,
) -> tuple[Path, ...]:
    """Save the files of a finished task, unless they are there; write down where they are."""
    if record is not None and await record.has_files():
        return record.paths
    if folder is None:
        return ()
    paths = await folder.save(task, stem(), keep=record is not None)
    if record is not None:
        await note(record.saved(paths))
    return paths


@attrs.frozen
class Written:
    """What is written down of an outcome beside itself."""

    run: str
    """What names its batch."""
    seconds: float | None
    """How long its task took; None where that is not known."""
    entry: int | None
    """Its number in the journal, if there is one."""
    is_recalled: bool
    """Whether an earlier run saw its task end."""
    is_single: bool = False
    """Whether there is no batch in which it has a number."""


async def log_outcome(folder: Folder, outcome: Outcome, written: Written) -> None:
    """Add an outcome to the log of a folder, if there is something to tell; it costs no outcome."""
    try:
        record = outcome_record(outcome, folder.name_of, run=written.run, seconds=written.seconds)
        if record is None:
            return
        record["entry"] = written.entry
        if written.is_single:
            record["number"] = None
        await folder.log.add(record, is_recalled=written.is_recalled)
    except Exception:  # a request of the user's own type that JSON cannot carry, or a bug
        logger.exception("an outcome could not be written to the log in %s", folder.path)


def _checked(name: Any) -> str:
    """Refuse what a function that names files must not return."""
    if isinstance(name, str):
        return name
    kind = type(name).__name__
    if isinstance(name, Coroutine):
        name.close()  # else Python warns that it was never awaited
    msg = f"name must return a str, not {kind}"
    raise TypeError(msg)
